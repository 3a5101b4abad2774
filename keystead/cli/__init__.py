"""The command line: one module a noun; every rule for messages is in `output`."""

import argparse
import os
import sys
from collections.abc import Sequence

from keystead import __version__
from keystead.cli import output
from keystead.errors import OperatorError


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    # Here and not at the top: modules of one room that import one another have no order.
    from keystead.cli import access_key, audit, config, env, kms, run, serve

    top = argparse.ArgumentParser(
        prog="keystead",
        description="A key management service that you run yourself and that speaks Alibaba Cloud KMS on the wire.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"keystead {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (serve, run, env, kms, audit, access_key, config):
        module.add_parser(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["kms"]:
        # What follows is named as on the wire, --help included; argparse must not read it.
        words.insert(1, "--")
    args = parser().parse_args(words)
    try:
        return int(args.func(args))
    except OperatorError as problem:
        return output.trouble(problem)
    except KeyboardInterrupt:
        return output.INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`); the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return output.FAILED
