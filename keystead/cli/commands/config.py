"""`keystead config`: check a configuration file."""

import argparse

import msgspec

from keystead import settings
from keystead.cli import output


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "config",
        help="check a configuration file",
        description="Check a configuration file of keystead serve.",
        examples=("keystead config check --config keystead.toml",),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="read a file and print the settings that it makes",
        description="Read a configuration file of keystead serve, and print the settings that it makes as TOML.",
        examples=("keystead config check --config keystead.toml",),
    )
    check.add_argument("--config", metavar="FILE", required=True, help="the TOML file")
    check.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print the settings as TOML, or say what is wrong."""
    from keystead.server.network.certificates import Files, names_for
    from keystead.server.network.listener import parse_address

    found = settings.load(args.config, {})
    host, _ = parse_address(found.listen)
    names_for(host, found.name)
    if found.ops_listen:
        parse_address(found.ops_listen)
    if found.tls_cert:
        Files(found.tls_cert, found.tls_key).renewed()
    for name, value in msgspec.to_builtins(found).items():
        # A JSON string, number, boolean or array of strings is the same in TOML.
        output.text(f"{name} = {output.json_text(value)}\n")
    return output.DONE
