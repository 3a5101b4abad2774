"""`keystead env`: the environment of `keystead run`, for a shell, against a running `keystead serve --proxy`."""

import argparse
import os
import sys

from keystead.cli import output, target
from keystead.errors import OperatorError

_LASTS = 12 * 3600  # seconds; nobody says when the shell ends


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "env",
        help="print the environment of run, for a shell",
        description='Print the environment of run for a POSIX shell: eval "$(keystead env)". '
        "It needs a server with --proxy.",
        examples=(
            'eval "$(keystead env)"',
            'eval "$(keystead env --data ./kms)"',
            'eval "$(keystead env --unset)"',
        ),
    )
    parser.add_argument("--data", metavar="DIR", help=target.DATA)
    parser.add_argument("--as", dest="user", metavar="USER", help=f"{target.AS}, and is good for 12 hours")
    parser.add_argument("--region", help="the region that clients are told (default: the server's)")
    parser.add_argument(
        "--dotenv", action="store_true", help="print lines for an env file, as IDEs and docker read it"
    )
    parser.add_argument("--unset", action="store_true", help="print what puts the earlier values back")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print exports, or what puts the earlier values back; on a failure what makes `eval` fail with it."""
    try:
        return _print(args)
    except OperatorError as problem:
        if args.dotenv:
            raise
        output.text(f"(exit {output.status(problem)})\n")  # else a script goes on to the vendor's own service
        raise


def _print(args: argparse.Namespace) -> int:
    from keystead.client.access_key import environment_access_key
    from keystead.proxy import environment
    from keystead.server.data.discovery import running_server

    if args.unset:
        if args.dotenv:
            raise output.WrongCommandLine(
                "--dotenv and --unset exclude each other", hint="an env file is taken back by leaving it out"
            )
        undone = environment.undo(os.environ)
        if not undone:
            output.note("keystead env has set nothing here, so there is nothing to take out")
        sys.stdout.write(undone)
        return output.DONE
    data = target.directory(args.data)
    found = running_server(data)
    if found.proxy_url is None:
        raise OperatorError(
            "the server runs without a proxy", hint=f"start it with keystead serve --proxy --data {data}"
        )
    before = environment.before(os.environ)
    if args.user is not None:
        from keystead.cli import borrowed

        access_key = borrowed.make(data, args.user, args.command_name, _LASTS)
    else:
        access_key, _ = found.access_key(environment_access_key(before))
    made = environment.change(
        before,
        access_key=access_key,
        region=args.region or found.region,
        proxy_url=found.proxy_url,
        ca_pem=found.directory.proxy_ca.read_bytes(),
        folder=found.directory.proxy,
        endpoint=found.url,
        data=str(found.directory.path),
        endpoint_ca=found.ca_file,
    )
    for warning in made.warnings:
        output.warning(warning)
    if args.dotenv:
        lines = made.dotenv()
        if made.removed:
            output.warning(
                f"an env file takes nothing out: see that {', '.join(made.removed)} is not set beside it"
            )
        sys.stdout.write(lines)
        return output.DONE
    sys.stdout.write(made.shell())
    return output.DONE
