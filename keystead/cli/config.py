"""`keystead config`: check a configuration file."""

import argparse
import json

import msgspec

from keystead import settings
from keystead.cli import output


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("config", help="check a configuration file")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", help="read a file and print the settings that it makes")
    check.add_argument("--config", metavar="FILE", required=True)
    check.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print the settings as TOML, or say what is wrong."""
    found = settings.load(args.config, {})
    for name, value in msgspec.to_builtins(found).items():
        # A JSON string, number, boolean or array of strings is the same in TOML.
        output.line(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return 0
