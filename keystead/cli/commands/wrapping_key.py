"""`keystead wrapping-key`: the key between the root key and all others, and another one in its place."""

import argparse

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "wrapping-key",
        help="show and rotate the key that wraps all others",
        description="Show and rotate the wrapping key: through the server that runs on the data directory, or without one. "
        "The root key wraps it, and it wraps all key material and every secret of an AccessKey.",
        examples=("keystead wrapping-key show", "keystead wrapping-key rotate"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser(
        "show",
        help="show its generations",
        description="Show its generations. While there are several, what older ones wrapped is being wrapped anew.",
        examples=("keystead wrapping-key show",),
    )
    show.set_defaults(func=main, action="DescribeWrappingKeys")
    rotate = verbs.add_parser(
        "rotate",
        help="make a new one, wrap everything anew, and destroy the old one",
        description="Make a new one, wrap everything anew, and destroy the old one. Calls are answered meanwhile, and what "
        "clients have is as good as before; only import tokens that they have not used yet are refused. Backups that have "
        "their wrapping keys in a file of their own no longer open, as soon as the next backup has replaced that file.",
        examples=("keystead wrapping-key rotate",),
    )
    rotate.set_defaults(func=main, action="RotateWrappingKey")
    for one in (show, rotate):
        one.add_argument("--data", metavar="DIR", help=target.DATA)


def main(args: argparse.Namespace) -> int:
    """Print its generations, after there is another one if that is asked for."""
    from keystead.server.operator import run_operation
    from keystead.server.recovery import rotate_wrapping_key

    data, done = target.directory(args.data), True
    if args.action == "RotateWrappingKey":
        unsure = target.unsure("wrapping-key show", args.data)
        answer, done = rotate_wrapping_key(data, args.command_name, unsure)
    else:
        answer = run_operation(data, args.action, {}, args.command_name)
    if answer.status != 200:
        return output.refusal(answer.members)
    output.answer(answer.members)
    if not done:
        output.note(
            "the server wraps everything anew, a thousand rows a second; until then show has the old one as well"
        )
    elif args.action == "RotateWrappingKey":
        output.note("everything is wrapped anew, and the old one is destroyed")
    return output.DONE
