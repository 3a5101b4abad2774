"""The .env file: what the dotenv libraries agree on, and what its values mean as variables."""

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from keystead.errors import OperatorError
from keystead.files.formats.spans import Leaf, line_of

_ASSIGNMENT = re.compile(
    r"""
    [^\S\r\n]* (?:export[^\S\r\n]+)? (?P<name>[A-Za-z_][A-Za-z0-9_.-]*) [^\S\r\n]* = [^\S\r\n]*
    (?P<value> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*'
      | (?!["']) (?: (?:[^\s\#]|(?<!\s)\#|[^\S\r\n](?=["'])) \S*+ (?: [^\S\r\n]++ (?!\#) \S++ )*+ )?+ )
    [^\S\r\n]* (?:(?<=\s)\#[^\r\n]*)? (?=\r?\n|\r|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NO_ASSIGNMENT = re.compile(r"[^\S\r\n]*(?:\#[^\r\n]*)?(?=\r?\n|\r|\Z)")
_LINE_END = re.compile(r"\r?\n|\r")
# In double quotes; before any other letter a backslash is one, as for Compose and python-dotenv.
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {
    letter: letter for letter in "\\\"'$"
}
# \x24 is a dollar sign, which nobody can take for the end of the pattern.
_DOLLAR = re.compile(
    r"\\(?P<escaped>.)|\x24(?:\{(?P<braced>[^}]*)\}|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|(?P<wrong>[\x24{]))",
    re.DOTALL,
)
_BRACED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^\x24]*))?\Z")


class Assignment(NamedTuple):
    """One NAME=VALUE, the value as it is spelled between `start` and `end`."""

    name: str
    spelled: str
    start: int
    end: int


def assignments(text: str) -> Iterator[Assignment]:
    """Every assignment in order; OperatorError names a line that is none."""
    at = 1 if text.startswith("\ufeff") else 0
    while at < len(text):
        found = _NO_ASSIGNMENT.match(text, at) or _ASSIGNMENT.match(text, at)
        if found is None:
            raise OperatorError(
                f"line {line_of(text, at)} is not NAME=VALUE", hint="close its quotes, or put a # before it"
            )
        if found.re is _ASSIGNMENT:
            yield Assignment(found["name"], found["value"], *found.span("value"))
        end = _LINE_END.match(text, found.end())
        at = end.end() if end else len(text)


def leaves(text: str) -> list[Leaf]:
    """Where the values stand."""
    return [Leaf((one.name,), one.start, one.end) for one in assignments(text)]


def environment(text: str) -> dict[str, str]:
    """The variables of a .env file, every `$` as it is; the last of equal names counts."""
    return {one.name: _meant(one.spelled) for one in assignments(text)}


def references(text: str) -> list[str]:
    """The variables whose values look as if others were to be put in: `${NAME}` outside of single quotes."""
    return [
        one.name
        for one in assignments(text)
        if one.spelled[:1] != "'" and any(found["braced"] for found in _DOLLAR.finditer(one.spelled))
    ]


def interpolated(
    text: str, literal: Container[str], above: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """The variables of a .env file, with others put in for `$NAME`, `${NAME}` and `${NAME:-default}`.

    Single quotes, and the names in `literal`, keep every `$`. A name is looked for in `above`, which wins over the file,
    then in the lines before, then in `before`; what was put in is not read again. OperatorError where it is nowhere.
    """
    known = {**before, **above}
    result = {}
    for one in assignments(text):
        is_literal = one.name in literal or one.spelled[:1] == "'"
        value = _meant(one.spelled) if is_literal else _put_in(one, known)
        result[one.name] = value
        if one.name not in above:
            known[one.name] = value
    return result


def _put_in(one: Assignment, known: Mapping[str, str]) -> str:
    quoted = one.spelled[:1] == '"'

    def value(found: re.Match[str]) -> str:
        if (letter := found["escaped"]) is not None:
            return _ESCAPES.get(letter, found[0]) if quoted or letter == "$" else found[0]
        if found["wrong"]:
            raise OperatorError(
                f"{one.name} has {found[0]} in its value",
                hint="write \\$ for a dollar sign, or put the value in single quotes",
            )
        parts = _BRACED.match(found["plain"] or found["braced"])
        if parts is None:
            raise OperatorError(
                f"{one.name} has ${{…}} of an unknown form in its value",
                hint="there are ${NAME} and ${NAME:-default}, the default without a $",
            )
        name, default = parts["name"], parts["default"]
        if name in known and (known[name] or default is None):
            return known[name]
        if default is None:
            raise OperatorError(
                f"{one.name} needs {name}, which is not set",
                hint=f"set it above {one.name} or in the environment, or write ${{{name}:-default}}",
            )
        return default

    return _DOLLAR.sub(value, one.spelled[1:-1] if quoted else one.spelled)


def _meant(value: str) -> str:
    if value[:1] == "'" and len(value) > 1:
        return re.sub(r"\\([\\'])", r"\1", value[1:-1])
    if value[:1] == '"' and len(value) > 1:
        return re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[0]), value[1:-1], flags=re.DOTALL)
    return value
