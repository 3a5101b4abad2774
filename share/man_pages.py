"""Man pages, one a command, in the man(7) language: https://man7.org/linux/man-pages/man7/man.7.html."""

import argparse
import re
import textwrap
from collections.abc import Iterator, Sequence

from keystead import __version__
from keystead.api.operation import CATALOGUE
from keystead.cli import output
from keystead.cli.output import Parser
from share.command_tree import commands

_COLUMNS = 60  # of the source; what escapes add has room up to 80
_LETTERS = {"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga", "'": r"\(aq"}


def pages(parser: Parser, date: str = "") -> dict[str, str]:
    """The pages by file name, `keystead-file.1`. `date` is that of the release, 2026-01-02, as each page's foot has it."""
    names = {parser.prog: parser, **{f"{parser.prog}-{name}": one for name, _, one in commands(parser)}}
    summaries = {f"{parser.prog}-{name}": text for name, text, _ in commands(parser)}
    return {
        f"{name}.1": "\n".join(
            [
                f'.TH {name.upper()} 1 "{date}" "keystead {__version__}" "Keystead"',
                ".ad l",  # adjusted lines tear names of options apart
                ".nh",
                ".SH NAME",
                f"{name} \\- {_escaped(summaries.get(name, 'a key management service that you run yourself'))}",
                *_page(one),
                *_exit_statuses(one),
                ".SH SEE ALSO",
                ",\n".join(f"\\fB{_escaped(other)}\\fR(1)" for other in names if other != name),
                "",
            ]
        )
        for name, one in names.items()
    }


def _page(parser: Parser) -> Iterator[str]:
    product = parser.get_default("product")
    verbs = [] if product is not None or parser.prog == "keystead" else list(commands(parser))
    yield ".SH SYNOPSIS"
    for number, one in enumerate([command for _, _, command in verbs] or [parser]):
        yield from [".PP"] * (number > 0)
        yield from _synopsis(one)
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate((parser.description or "").split("\n\n")):
        yield from [".PP"] * (number > 0)
        yield from _text(paragraph)
    if product is not None:
        by_action = {name: command for name, _, command in commands(parser)}
        for family, operations in CATALOGUE.families(product).items():
            yield f".SH {_escaped(family.upper())}"
            for operation in operations:
                yield from _section(by_action[operation.action], ("parameters",))
    elif verbs:
        yield ".SH COMMANDS"
        for _, _, command in verbs:
            yield from _section(command, ("positional arguments", "options"))
    elif parser.prog == "keystead":
        yield ".SH COMMANDS"
        for name, summary, _ in commands(parser):
            yield from [".TP", f"\\fB{_escaped(name)}\\fR", *_text(summary)]
    groups = dict(_groups(parser, ("positional arguments", "options", "server")))
    for _, _, command in verbs:
        groups |= dict(_groups(command, ("server",)))  # the same for all that have it
    for title, group in groups.items():
        yield f".SH {'ARGUMENTS' if title == 'positional arguments' else title.upper()}"
        yield from _text(group.description or "")
        yield from _options(group)
    yield from _examples(parser, ".SH EXAMPLES")


def _section(command: Parser, of: Sequence[str]) -> Iterator[str]:
    """A verb or an operation, within the page of its command."""
    yield f".SS {_escaped(command.prog)}"
    yield from _text(command.description or "")
    for _, group in _groups(command, of):
        yield from _options(group)
    yield from _examples(command, ".PP")


def _groups(parser: Parser, titles: Sequence[str]) -> list[tuple[str, argparse._ArgumentGroup]]:
    """Those that have anything to show."""
    return [
        (group.title or "", group)
        for group in parser._action_groups
        if group.title in titles and any(map(_is_shown, group._group_actions))
    ]


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and not isinstance(
        action, argparse._SubParsersAction | argparse._HelpAction
    )


def _synopsis(parser: Parser) -> Iterator[str]:
    formatter = output.Layout(parser.prog, width=10_000)
    actions = [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]
    formatter.add_usage(parser.usage, actions, parser._mutually_exclusive_groups, "")
    words = formatter.format_help().strip().removeprefix(parser.prog)
    yield f"\\fB{_escaped(parser.prog)}\\fR"
    # What stands in brackets stays together.
    parts = re.findall(r"\[[^][]*\](?: \.\.\.)?|\S+", words)
    yield from (_escaped(part).replace(" ", r"\ ") for part in parts)


def _options(group: argparse._ArgumentGroup) -> Iterator[str]:
    for action in filter(_is_shown, group._group_actions):
        metavar = action.metavar or (
            f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper()
        )
        value = "" if action.nargs == 0 else f" \\fI{_escaped(str(metavar))}\\fR"
        names = [f"\\fB{_escaped(option)}\\fR{value}" for option in action.option_strings]
        yield from [".TP", ", ".join(names) or value.lstrip()]
        yield from _text((action.help or "").replace("%%", "%")) or [r"\&"]


def _examples(parser: Parser, head: str) -> Iterator[str]:
    if parser.examples:
        lines = [_escaped(line) for one in parser.examples for line in one.split("\n")]
        yield from [head, ".nf", *lines, ".fi"]


def _exit_statuses(parser: Parser) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    found = re.findall(r"^(\d+) +(.*)$", output.__doc__ or "", re.MULTILINE)
    if any(action.nargs == argparse.REMAINDER for action in parser._actions):
        yield from _text("That of the command. Without one:")
        found = [
            (str(output.WRONG), "the command line is wrong"),
            (str(output.NOT_STARTED), "the command was not started"),
            ("126", "it is no program that may be run"),
            ("127", "there is no such program"),
        ]
    for status, meaning in found:
        yield from [".TP", f"\\fB{status}\\fR", *_text(meaning)]


def _text(content: str) -> list[str]:
    return [_escaped(line) for line in textwrap.wrap(content, _COLUMNS, break_on_hyphens=False)]


def _escaped(line: str) -> str:
    """A line that is shown as it is: no letter of it is a request or an escape."""
    shown = re.sub(r"[\\\-^~`']", lambda found: _LETTERS[found[0]], line)
    return rf"\&{shown}" if shown.startswith(".") else shown
