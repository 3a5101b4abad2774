"""The command line: one module a noun; every rule for messages is in `output`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from keystead import __version__, variables
from keystead.cli import edition, output, streams
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
    "access",
    "account",
    "access-key",
    "console",
    "ca",
    "wrapping-key",
    "backup",
    "restore",
    "rootkey",
    "store",
    "node",
    "config",
    "completion",
    "status",
    "doctor",
)
PRODUCTS = ("kms", "ram", "sts")  # those of COMMANDS whose parameters are named as on the wire
# These may well have nothing to print.
_ANSWER_NOTHING = ("serve", "run", "exec", "file")


def parser(only: str = "") -> output.Parser:
    """The whole command line, or that of one command: the others need not be loaded for it."""
    top = output.Parser(
        prog="keystead",
        description="A key management service that you run yourself and that speaks Alibaba Cloud KMS on the wire.",
        epilog="keystead COMMAND --help tells more of one command.",
        examples=(
            "keystead serve",
            "keystead kms CreateKey",
            "keystead run -- python your_program.py",
            "keystead help file encrypt",
        ),
    )
    top.add_argument("--version", action="version", version=f"keystead {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if edition.WHOLE else edition.CLIENT_COMMANDS:
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
    streams.open_closed()
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
    _check_options(words)
    only = words[0] if words[0] in COMMANDS else ""
    if only and only not in edition.CLIENT_COMMANDS:
        edition.needs_whole(f"keystead {only}")
    if not only and not words[0].startswith("-"):
        raise _unknown(words[0])
    if (
        edition.WHOLE
    ):  # the client file does not know the settings, whose variables it would take for mistakes
        _tell_of_variables(words[0])
    if only and only not in _ANSWER_NOTHING:
        streams.check_output()
    args = parser(only).parse_args(words)
    return int(args.func(args))


def _check_options(words: list[str]) -> None:
    """WrongCommandLine for an option that stands before the command, or without one."""
    option = words[0].partition("=")[0]
    command = next((word for word in words if word in COMMANDS), "")
    if not option.startswith("-") or option in ("--", "-h", "--help", "--version"):
        return
    if command:
        raise output.WrongCommandLine(
            f"{option} stands before the command", hint=f"write it after: keystead {command} … {option} …"
        )
    if output.is_option(option):
        hint = "keystead --help shows what there is; most options stand after a command"
        if near := output.nearest(option, ["--version", "--help", "--output"]):
            hint = output.did_you_mean(option, near)
            if near == "--output":
                hint = hint.removesuffix("?") + ", after a command?"
        raise output.WrongCommandLine(f"there is no option {option}", hint=hint)


def _tell_of_variables(command: str) -> None:
    """Warn of variables that look like ours and mean nothing. Where settings are read, misspelt ones are refused there."""
    if not any(variables.unknown(os.environ, ())):
        return  # the settings take time to load, and most environments name none
    from keystead.settings import SETTINGS

    of_a_server = command in ("serve", "config")
    for name, near in variables.unknown(os.environ, [one.variable for one in SETTINGS]):
        if near and not of_a_server:
            output.warning(f"there is no variable {name}; did you mean {near}?")
        elif not near and of_a_server:
            output.warning(f"the variable {name} means nothing to a server")


def _unknown(word: str) -> output.WrongCommandLine:
    """The refusal of what is no command, with the command, verb or operation that was probably meant."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api.catalogue import CATALOGUE

    known = {name: name for name in COMMANDS}
    for name, command in output.subcommands(parser()).items():
        for verb in output.subcommands(command):
            known.setdefault(verb, f"{name} {verb}")
    for operation in CATALOGUE:
        if (noun := operation.product.name.lower()) in PRODUCTS:
            known.setdefault(operation.action, f"{noun} {operation.action}")
    near = output.nearest(word, list(known))
    return output.WrongCommandLine(
        f"there is no command {word!r}",
        hint=f"did you mean keystead {known[near]}?" if near else "keystead --help lists all",
    )
