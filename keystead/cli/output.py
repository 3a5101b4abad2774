"""Every rule for what a command prints, and for its exit status.

stdout   the answer: JSON for programs, tables for people; nothing else
stderr   `error:`, `warning:` and `hint:` lines, lower case, without a full stop, never a sensitive value

The exit status, with an `error:` line unless it is 0, 6 or 130:
0    done
1    failed
2    the command line, or a setting, is wrong
3    the server gave no answer, or asked to try again later
4    the server refused
5    the content does not open: it is damaged, cut off, or its encryption context is another one
6    the answer is that something would be refused: `access explain`, `simulate` and `diff`
130  interrupted by Ctrl-C

`run` and `exec` end with the status of their command, or with 125 if it was not started.

What comes from elsewhere (a server's answer, a client's user agent in a record) never reaches the terminal with control
characters or text directions in it: they are shown as escapes. Colours are this program's own: those of the labels on
stderr, and in tables and lines those of cells that are `Marked`.
"""

import argparse
import errno
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from keystead.cli.colour import painted
from keystead.cli.streams import output_closed
from keystead.errors import LATER, DoesNotOpen, OperatorError, Refused, Unreachable, WrongSetting
from keystead.forms import nearest as nearest

DONE = 0
FAILED = 1
WRONG = 2
UNREACHABLE = 3
REFUSED = 4
UNOPENED = 5
WOULD_REFUSE = 6
NOT_STARTED = 125  # as with env(1), timeout(1) and docker run: apart from whatever the command could end with
INTERRUPTED = 130

_LEVEL, _NAME = 9, 16  # characters of a column, with the space after it
_NARROW = 30  # characters beside a head that are worth wrapping in

# JSON escapes the characters below a space by itself.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class WrongCommandLine(OperatorError):
    """The words that were typed are not a command; the exit status is 2."""


class _Once(argparse._StoreAction):
    """An option with a value: of two that differ nobody knows which is meant."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if option_string is not None and isinstance(parser, Parser):
            if self.dest in parser.given:
                parser.error(f"{option_string} is given twice")
            parser.given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)


class Layout(argparse.HelpFormatter):
    """The layout of help; argparse measures names of commands without their indent and would break their lines."""

    def add_argument(self, action: argparse.Action) -> None:
        """Count an argument's width, and a command's with its indent."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


class Marked(str):
    """A cell or a line with a meaning, `good`, `doubtful` or `bad`, which a terminal shows by a colour."""

    __slots__ = ("meaning",)
    meaning: str

    def __new__(cls, content: str, meaning: str) -> "Marked":
        """Mark a text."""
        made = super().__new__(cls, content)
        made.meaning = meaning
        return made


class Parser(argparse.ArgumentParser):
    """Reads a command line; says what is wrong with it as everything else is said. Its help ends with `examples`."""

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        options.setdefault("formatter_class", Layout)
        options.setdefault("allow_abbrev", False)  # --fil might be another option tomorrow
        super().__init__(**options)
        self.examples = tuple(examples)
        self.given: set[str] = set()
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def format_help(self) -> str:
        """As argparse does, and examples at the end."""
        return super().format_help() + shown_examples(self.examples)

    def error(self, message: str) -> NoReturn:
        """Print the error and end the program."""
        error(message, hint=self._hint(message))
        self.exit(WRONG)

    def _hint(self, message: str) -> str:
        """The word that was probably meant, else where to read how it is written."""
        unknown = re.match(r"argument (\S+): invalid choice: '(.*?)' |there is no option (\S+)", message)
        if unknown is not None:
            options = {option: action for action in self._actions for option in action.option_strings}
            known = list(options)
            if unknown[1]:
                known = (
                    list(options[unknown[1]].choices or ())
                    if unknown[1] in options
                    else list(subcommands(self))
                )
            if near := nearest(unknown[2] or unknown[3], known):
                return did_you_mean(unknown[2] or unknown[3], near)
        if message.endswith(" is given twice"):
            return "give it once"
        return f"{self.prog} --help shows how to write it"

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """As argparse does; a command says itself that it does not know an option, or takes no further words."""
        self.given = set()
        found, unknown = super().parse_known_args(*given, **named)
        if unknown:
            # Other words than options are not shown: what is pasted beside an AccessKey id is its secret.
            options = [word.partition("=")[0] for word in unknown if is_option(word)]
            self.error(
                f"there is no option {options[0]}"
                if options
                else "there are more words than this command takes"
            )
        return found, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse itself is silent when help can't be written.
        if file is sys.stdout:
            text(message)
        else:
            super()._print_message(message, file)


def is_option(word: str) -> bool:
    """Whether a word looks like an option: --name, or - and a letter."""
    return word.startswith("--") or re.fullmatch("-[A-Za-z]", word) is not None


def did_you_mean(option: str, near: str) -> str:
    """The hint for an option that there is not; `near` is the one that there is."""
    return f"did you mean {near}{' json' if (option, near) == ('--json', '--output') else ''}?"


def shown_examples(examples: Sequence[str]) -> str:
    """Command lines, as they stand at the end of a help."""
    return (
        "\n".join(["", "examples:", *(f"  {line}" for one in examples for line in one.split("\n")), ""])
        if examples
        else ""
    )


def subcommands(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The commands that follow a command, by name."""
    return {
        name: command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, command in action.choices.items()
    }


def json_text(content: object, indent: int | None = None) -> str:
    """JSON with Chinese as it is, and as escapes what a terminal would not show or could not encode."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    text = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return json.dumps(content, indent=indent)
    return text


def answer(content: object) -> None:
    """Print JSON as the vendor's CLI does: indented, in the order of its members."""
    text(json_text(content, indent=2) + "\n")
    flush()


def record(content: object) -> None:
    """Print JSON on one line."""
    text(json_text(content) + "\n")


def text(content: str) -> None:
    """Print text that this program made; what the terminal has no letters for, as escapes."""
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(content.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise _lost(problem) from None


def raw(content: bytes) -> None:
    """Print bytes as they are: content that the user asked for."""
    try:
        sys.stdout.buffer.write(content)
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise _lost(problem) from None


def progress(name: str, done: int, total: int) -> None:
    """Show on a terminal how far a long work is; the line is gone when all is done."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return
    width = shutil.get_terminal_size().columns
    share = min(1.0, done / total)
    head = f"{plain(name)[-width // 2 :]}  {share:4.0%}  "
    bar = "#" * int(share * max(0, min(40, width - len(head) - 1)))
    sys.stderr.write(f"\r\x1b[K{'' if done >= total else head + bar}")
    sys.stderr.flush()


def line(content: str) -> None:
    """Print one line of an answer."""
    text(_cell(content) + "\n")


def row(cells: Sequence[str]) -> None:
    """Print cells on one line, parted by tabs."""
    text("\t".join(map(plain, cells)) + "\n")


def table(rows: Sequence[Sequence[str]], first: int) -> None:
    """Print rows in columns, the head first; on a terminal too narrow for them, those after `first` on a second line."""
    widths = [max(len(plain(cell)) for cell in column) for column in zip(*rows, strict=True)]
    folded = sys.stdout.isatty() and sum(widths) + 2 * (len(widths) - 1) > shutil.get_terminal_size().columns
    for row in rows:
        if folded:
            text(_columns(row[:first], widths[:first]) + "\n")
            if rest := "  ".join(map(_cell, filter(None, row[first:]))):
                text(f"  {rest}\n")
        else:
            text(_columns(row, widths) + "\n")


def _columns(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_cell(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(content: str, width: int = 0) -> str:
    """Of at least this width; in its colour, if it has one and standard output is to have colours."""
    shown = plain(content)
    padding = " " * (width - len(shown))
    return (painted(shown, content.meaning, sys.stdout) if isinstance(content, Marked) else shown) + padding


def fact(name: str, content: str) -> None:
    """Print what something is called and what it is, in two columns."""
    _hanging(f"{name:<{_NAME}}", content)


def amounts(found: Mapping[str, int], *tables: str) -> None:
    """Print how many rows some tables have, each as a fact."""
    for one in tables:
        fact(one.replace("_", " "), f"{found.get(one, 0):,}")


def finding(level: str, subject: str, content: str, remedy: str) -> None:
    """Print what a check found, and below it what to do, unless that is "": level, subject and text in three columns."""
    _hanging(f"{level:<{_LEVEL}}{subject:<{_NAME}}", content)
    if remedy:
        _hanging(" " * (_LEVEL + _NAME), f"hint: {remedy}")


def _hanging(head: str, content: str) -> None:
    """Print a head with text beside it, which a terminal gets wrapped, below where it begins."""
    shown = plain(content)
    width = shutil.get_terminal_size().columns - len(head)
    if not sys.stdout.isatty() or width < _NARROW:
        line(head + shown)
        return
    for number, part in enumerate(
        textwrap.wrap(shown, width, break_long_words=False, break_on_hyphens=False) or [""]
    ):
        line(f"{' ' * len(head) if number else head}{part}")


def amount(number: int, what: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def plain(content: str) -> str:
    """One line without anything that a terminal would obey."""
    if content.isprintable():
        return content
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in content
    )


def is_text(word: str) -> bool:
    """Whether a word of the command line was UTF-8: bytes that are not arrive as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def error(content: str, hint: str = "") -> int:
    """Say what was wrong and what to do; gives the exit status."""
    _say("error", content)
    if hint:
        _say("hint", hint)
    return FAILED


def warning(content: str) -> None:
    """Say what the user should know although the command goes on."""
    _say("warning", content)


def _say(label: str, content: str) -> None:
    sys.stderr.write(f"{painted(f'{label}:', label, sys.stderr)} {plain(content)}\n")


def note(content: str) -> None:
    """Say how it went, where that is no answer for a program."""
    sys.stderr.write(f"{plain(content)}\n")


def trouble(problem: OperatorError) -> int:
    """Print an operator's error; gives the exit status."""
    error(problem.message, problem.hint)
    return status(problem)


def refusal(members: Mapping[str, Any], hint: str = "") -> int:
    """Say that a server refused, by the members of its answer; gives the exit status: some refusals are only for now."""
    error(f"{members['Code']}: {members.get('Message', '')}", hint)
    return UNREACHABLE if members["Code"] in LATER else REFUSED


def status(problem: OperatorError) -> int:
    """The exit status that tells scripts which kind of error it was."""
    match problem:
        case WrongCommandLine() | WrongSetting():
            return WRONG
        case Unreachable():
            return UNREACHABLE
        case Refused():
            return REFUSED
        case DoesNotOpen():
            return UNOPENED
        case _:
            return FAILED


def flush() -> None:
    """Have everything written that was printed; OperatorError if that fails, BrokenPipeError if nobody reads it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise _lost(problem) from None


def abandon() -> None:
    """Drop what could not be written: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())


def _lost(problem: OSError) -> OperatorError:
    abandon()
    if problem.errno == errno.EBADF:
        return output_closed()
    return OperatorError(f"cannot write the answer: {problem.strerror}", hint="check where stdout leads")
