"""The command line: one module a noun; every rule for messages is in `output`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from keystead import __version__
from keystead.cli import output
from keystead.errors import OperatorError

COMMANDS = ("serve", "run", "env", "kms", "sts", "file", "exec", "key", "audit", "access-key", "config")


def parser(only: str = "") -> argparse.ArgumentParser:
    """The whole command line, or that of one command: the others need not be loaded for it."""
    top = output.Parser(
        prog="keystead",
        description="A key management service that you run yourself and that speaks Alibaba Cloud KMS on the wire.",
        epilog="keystead COMMAND --help tells more of one command.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"keystead {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        if only in ("", name):
            import_module(f"keystead.cli.commands.{name.replace('-', '_')}").add_parser(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            return _run(words)
        finally:
            output.flush()
    except OperatorError as problem:
        return output.trouble(problem)
    except KeyboardInterrupt as interrupt:
        return getattr(interrupt, "status", output.INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`| head`): no error, but not all was said.
        output.abandon()
        return output.FAILED


def _run(words: list[str]) -> int:
    if words[:1] in (["kms"], ["sts"]):
        # What follows is named as on the wire, --help included; argparse must not read it.
        words = [words[0], "--", *words[1:]]
    only = words[0] if words and words[0] in COMMANDS else ""
    args = parser(only).parse_args(words)
    return int(args.func(args))
