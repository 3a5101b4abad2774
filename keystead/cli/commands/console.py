"""`keystead console`: let the owner of an account into the web console, without a password."""

import argparse

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "console",
        help="sign in to the web console as an account's owner",
        description="Sign in to the web console as the owner of an account, who has no password: whoever runs the server "
        "vouches for them. RAM users sign in with their name and password.",
        examples=("keystead console login", "keystead console code"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb, action, text, more in (
        (
            "login",
            "CreateSignInLink",
            "make a link to sign in with, once, within a minute",
            "The page that it opens shows the same code as this command. Whoever has it is the owner of the account.",
        ),
        (
            "code",
            "CreateConfirmationCode",
            "make a code to confirm with what you do, once, within a minute",
            "The console asks for it before it deletes keys or changes policies.",
        ),
    ):
        command = verbs.add_parser(
            verb,
            help=text,
            description=f"{text[0].upper()}{text[1:]}. {more}",
            examples=(f"keystead console {verb}",),
        )
        command.add_argument(
            "--account",
            metavar="ID",
            type=target.account_id,
            help="of this account (default: the server's first)",
        )
        command.add_argument("--data", metavar="DIR", help=target.DATA)
        command.set_defaults(func=main, action=action)


def main(args: argparse.Namespace) -> int:
    """Make a link or a code, and print it."""
    from keystead.server.operator import run_in_server

    given = {"AccountId": args.account} if args.account else {}
    answer, url = run_in_server(target.directory(args.data), args.action, given, args.command_name)
    members = answer.members
    if answer.status != 200:
        disabled = members["Code"] == "InvalidParameter"
        hint = "the account is disabled; keystead account enable lets it go on" if disabled else ""
        return output.refusal(members, hint or "keystead account list shows all")
    if args.action == "CreateConfirmationCode":
        output.line(members["Code"])
    else:
        output.line(f"{url}/console/link/{members['Token']}")
        output.note(f"the page shows the same code: {members['ShortCode']}")
    return output.DONE
