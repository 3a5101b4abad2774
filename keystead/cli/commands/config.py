"""`keystead config`: check the settings of a server."""

import argparse
import os

import msgspec

from keystead import given_settings
from keystead.cli import output
from keystead.cli.commands import serve


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "config",
        help="check the settings of a server",
        description="Check the settings of a server.",
        examples=("keystead config check --config keystead.toml",),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="print the settings that serve would have, or what it would refuse",
        description="Print, as TOML, the settings that keystead serve would have with the same options, file and "
        "variables, and where each comes from. What a start would refuse of them is refused, and nothing is started or "
        "changed. Run it as the user of the server.",
        examples=("keystead config check --config keystead.toml",),
    )
    serve.add_settings(check)
    check.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print the settings as TOML, or say what is wrong."""
    from keystead.clock import SystemClock
    from keystead.server import preflight

    given = given_settings.gather(args.config, serve.flags(args), os.environ)
    found = given_settings.settle(given)
    preflight.check(found, SystemClock())
    for name, value in msgspec.to_builtins(found).items():
        # A JSON string, number, boolean or array of strings is the same in TOML.
        source = given[name].source if name in given else "default"
        output.text(f"{name} = {output.json_text(value)}  # {output.plain(source)}\n")
    return output.DONE
