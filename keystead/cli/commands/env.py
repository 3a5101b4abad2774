"""`keystead env`: the environment of `keystead run`, for a shell, against a running `keystead serve --proxy`."""

import argparse
import os
import sys

from keystead.errors import OperatorError
from keystead.settings import default_data


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "env",
        help="print the environment of run, for a shell",
        description='Print the environment of run for a POSIX shell: eval "$(keystead env)". '
        "It needs a server with --proxy.",
    )
    parser.add_argument("--data", metavar="DIR", default=default_data(), help="the server's data directory")
    parser.add_argument("--region", help="the region that clients are told (default: the server's)")
    parser.add_argument("--unset", action="store_true", help="print what takes it out again")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print exports, or unsets."""
    from keystead.proxy.environment import change
    from keystead.server.data.discovery import environment_access_key, running_server

    found = running_server(args.data)
    if found.proxy_url is None:
        raise OperatorError(
            "the server runs without a proxy", hint=f"start it with keystead serve --proxy --data {args.data}"
        )
    before = {name: value for name, value in os.environ.items() if value != found.proxy_url}
    made = change(
        before,
        access_key=environment_access_key(os.environ) or found.access_key(),
        region=args.region or found.region,
        proxy_url=found.proxy_url,
        ca_pem=found.proxy_ca.read_bytes(),
        folder=found.proxy_folder,
        endpoint=found.url,
        endpoint_ca=found.ca_file,
    )
    sys.stdout.write(made.undo() if args.unset else made.shell())
    return 0
