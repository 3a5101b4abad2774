"""The whole command line as parsers: for `kms`, `ram` and `sts`, which read their words themselves, too."""

import argparse
from collections.abc import Iterator

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import cli
from keystead.api.operation import CATALOGUE, Operation
from keystead.cli import answers, output, target
from keystead.cli.call_examples import example
from keystead.cli.commands import kms


def whole() -> output.Parser:
    """Every command with its verbs, its operations and their parameters."""
    top = cli.parser()
    for command in output.subcommands(top).values():
        if (product := command.get_default("product")) is not None:
            _with_operations(command, CATALOGUE.of(product))
    return top


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, output.Parser]]:
    """Name, summary and parser of each command that follows a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {one.dest: one.help or "" for one in action._choices_actions}
            for name, command in action.choices.items():
                yield name, summaries.get(name, ""), command


def _with_operations(command: argparse.ArgumentParser, operations: tuple[Operation, ...]) -> None:
    """In place of the words that follow, an operation with its parameters and the options."""
    command._remove_action(next(one for one in command._actions if one.dest == "words"))
    command.usage = None
    command.description = kms.INTRODUCTION
    command.add_argument("-h", "--help", action="help", help="show all operations, or one of them")
    _add_options(command)
    found = command.add_subparsers(title="operations", metavar="ACTION")
    for one in operations:
        summary = _plain(one.summary)
        parser = found.add_parser(one.action, help=summary, description=summary, examples=[example(one)])
        group = parser.add_argument_group("parameters")
        for field in one.fields:
            choices = field.param.choices or (("true", "false") if field.param.kind == "Boolean" else None)
            text = "; ".join([*(["required"] if field.required else []), *kms.about(field)])
            group.add_argument(f"--{field.name}", metavar="VALUE", choices=choices, help=_plain(text))
        if "DryRun" not in {field.name for field in one.fields}:
            parser.add_argument(
                "--DryRun",
                metavar="VALUE",
                choices=("true", "false"),
                help="tell whether the call would succeed",
            )
        _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `keystead kms`, which stand before the operation or after it."""
    target.add_options(parser)
    for name, metavar, text in kms.OWN_OPTIONS:
        names = ("-q", name) if name == "--query" else (name,)
        if metavar:
            choices = answers.FORMS if metavar == "FORM" else None
            parser.add_argument(*names, metavar=metavar, choices=choices, help=_plain(text))
        else:
            parser.add_argument(*names, action="store_true", help=_plain(text))


def _plain(text: str) -> str:
    return text.replace("%", "%%")
