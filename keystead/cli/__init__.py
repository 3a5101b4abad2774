"""The command line: one module a noun; every rule for messages is in `output`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from keystead import __version__
from keystead.cli import output
from keystead.errors import OperatorError

COMMANDS = (
    "serve",
    "run",
    "env",
    "kms",
    "ram",
    "sts",
    "file",
    "exec",
    "key",
    "audit",
    "account",
    "access-key",
    "ca",
    "backup",
    "config",
)
PRODUCTS = ("kms", "ram", "sts")  # those of COMMANDS whose parameters are named as on the wire


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
    if sys.platform == "win32":
        return output.error(
            "keystead does not run on Windows itself",
            hint="run it in WSL 2: wsl --install, and install it there",
        )
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
    if words and words[0] in PRODUCTS:
        # What follows, --help included, argparse must not read.
        words = [words[0], "--", *words[1:]]
    if not words:
        parser().print_help(sys.stderr)
        return output.WRONG
    if words[0] == "help":
        # `keystead help NOUN VERB` is `keystead NOUN VERB --help`.
        words = [*words[1:], "--help"]
        if words[0] in PRODUCTS:
            words = [words[0], "--", *words[1:]]
    if words[0] == "version":
        words = ["--version", *words[1:]]
    only = words[0] if words[0] in COMMANDS else ""
    if not only and not words[0].startswith("-"):
        raise _unknown(words[0])
    args = parser(only).parse_args(words)
    return int(args.func(args))


def _unknown(word: str) -> output.WrongCommandLine:
    """The refusal of what is no command, with the command, verb or operation that was probably meant."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api.operation import CATALOGUE

    known = {name: name for name in COMMANDS}
    for name, command in output.subcommands(parser()).items():
        for verb in output.subcommands(command):
            known.setdefault(verb, f"{name} {verb}")
    for operation in CATALOGUE:
        if (noun := operation.product.name.lower()) in COMMANDS:
            known.setdefault(operation.action, f"{noun} {operation.action}")
    near = output.nearest(word, list(known))
    return output.WrongCommandLine(
        f"there is no command {word!r}",
        hint=f"did you mean keystead {known[near]}?" if near else "keystead --help lists all",
    )
