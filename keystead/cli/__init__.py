"""The command line: one module a noun; every rule for messages is in `output`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from keystead import __version__
from keystead.cli import output
from keystead.errors import OperatorError

COMMANDS = ("serve", "run", "env", "kms", "file", "exec", "key", "audit", "access-key", "config")


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
    _name_commands(top)
    return top


def _name_commands(parser: argparse.ArgumentParser, words: str = "") -> None:
    """Let each command know its name, as `file encrypt`: it says to a server who calls."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                name = f"{words} {word}".lstrip()
                command.set_defaults(command_name=name)
                _name_commands(command, name)


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
    if words[:1] == ["kms"]:
        # What follows is named as on the wire, --help included; argparse must not read it.
        words = ["kms", "--", *words[1:]]
    only = words[0] if words and words[0] in COMMANDS else ""
    args, more = parser(only).parse_known_args(words)
    if more:
        # Other words than options are not shown: what is pasted beside an AccessKey id is its secret.
        options = [word.partition("=")[0] for word in more if word.startswith("--")]
        raise output.WrongCommandLine(
            f"there is no option {options[0]}" if options else "there are more words than this command takes",
            hint=f"keystead {args.command_name} --help shows how to write it",
        )
    return int(args.func(args))
