"""Where the values of a configuration file stand in its text: .env, YAML, JSON and TOML.

Each function gives the leaves of a text in their order: the path of a value and the span of its spelling. Only spans are
ever replaced, so comments, order and white space stay as they are, and a value comes back as it was spelled.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import tomlkit
import tomlkit.exceptions
import yaml

from keystead.errors import OperatorError

Path = tuple[str | int, ...]


class Leaf(msgspec.Struct, frozen=True):
    """One value: its path, and the characters from `start` to before `end` that spell it."""

    path: Path
    start: int
    end: int


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of file: what finds its leaves, and the quotes around a string without special characters."""

    name: str
    leaves: Callable[[str], list[Leaf]]
    quote: str


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901): what is shown, and what a ciphertext is bound to."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


# --- .env: what the dotenv libraries agree on

_ASSIGNMENT = re.compile(
    r"""
    [^\S\r\n]* (?:export[^\S\r\n]+)? (?P<name>[A-Za-z_][A-Za-z0-9_.-]*) [^\S\r\n]* = [^\S\r\n]*
    (?P<value> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?!["']) (?:(?![^\S\r\n]+\#)[^\r\n])*? )
    [^\S\r\n]* (?:(?<=\s)\#[^\r\n]*)? (?=\r?\n|\r|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NO_ASSIGNMENT = re.compile(r"[^\S\r\n]*(?:\#[^\r\n]*)?(?=\r?\n|\r|\Z)")
_LINE_END = re.compile(r"\r?\n|\r")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _env(text: str) -> list[Leaf]:
    return [leaf for leaf, _ in _assignments(text)]


def _assignments(text: str) -> Iterator[tuple[Leaf, str]]:
    at = 1 if text.startswith("\ufeff") else 0
    while at < len(text):
        found = _NO_ASSIGNMENT.match(text, at) or _ASSIGNMENT.match(text, at)
        if found is None:
            raise OperatorError(
                f"line {_line(text, at)} is not NAME=VALUE", hint="close its quotes, or put a # before it"
            )
        if found.re is _ASSIGNMENT:
            yield Leaf((found["name"],), *found.span("value")), found["value"]
        end = _LINE_END.match(text, found.end())
        at = end.end() if end else len(text)


def environment(text: str) -> dict[str, str]:
    """The variables of a .env file; the last of equal names counts."""
    return {str(leaf.path[0]): _spelled(value) for leaf, value in _assignments(text)}


def _spelled(value: str) -> str:
    if value[:1] == "'" and len(value) > 1:
        return re.sub(r"\\([\\'])", r"\1", value[1:-1])
    if value[:1] == '"' and len(value) > 1:
        return re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), value[1:-1], flags=re.DOTALL)
    return value


# --- JSON

_JSON_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<other>[-+0-9.eE]+|true|false|null)|(?P<mark>[][{}:,]))'
)


def _json(text: str) -> list[Leaf]:
    try:
        json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except RecursionError:
        raise OperatorError("it is nested too deeply", hint="flatten it") from None
    except ValueError as error:
        raise _invalid("JSON", str(error)) from None
    # It is valid, so each token's place tells what it is.
    leaves: list[Leaf] = []
    path: list[str | int] = []
    arrays: list[bool] = []
    is_name = False
    at = 1 if text.startswith("\ufeff") else 0
    while found := _JSON_TOKEN.match(text, at):
        at = found.end()
        kind, word = found.lastgroup, found[found.lastgroup or 0]
        if kind != "mark":
            if is_name:
                path[-1], is_name = str(json.loads(word)), False
            else:
                leaves.append(Leaf(tuple(path), *found.span(str(kind))))
        elif word in "{[":
            arrays.append(word == "[")
            is_name = word == "{"
            path.append("" if is_name else 0)
        elif word in "}]":
            arrays.pop()
            path.pop()
            is_name = False
        elif word == ",":
            is_name = not arrays[-1]
            path[-1] = "" if is_name else int(path[-1]) + 1
    return leaves


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# --- YAML


def _yaml(text: str) -> list[Leaf]:
    try:
        # A node begins at its anchor or tag, its token at the value itself.
        starts = {
            token.end_mark.index: token.start_mark.index
            for token in yaml.scan(text)
            if isinstance(token, yaml.ScalarToken)
        }
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except RecursionError:
        raise OperatorError("it is nested too deeply", hint="flatten it") from None
    except yaml.YAMLError as error:
        # Its whole text quotes the line, and so a secret.
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        raise _invalid("YAML", f"{problem or 'unreadable'} (line {mark.line + 1})" if mark else "") from None
    leaves: list[Leaf] = []
    seen: set[int] = set()

    def walk(node: yaml.Node | None, path: Path) -> None:
        if node is None or id(node) in seen:  # an alias stands for a value that has its place already
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if not isinstance(name, yaml.ScalarNode):
                    line = name.start_mark.line + 1
                    raise OperatorError(f"the key in line {line} is no plain word", hint="give it a name")
                walk(value, (*path, name.value))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                walk(value, (*path, number))
        elif (start := starts.get(node.end_mark.index)) is not None:
            end = node.end_mark.index
            # A block ends with its line breaks; they stay, since what follows begins on a line of its own.
            end -= len(text[start:end]) - len(text[start:end].rstrip("\r\n \t"))
            leaves.append(Leaf(path, start, end))

    for number, document in enumerate(documents):
        walk(document, (number,) if len(documents) > 1 else ())
    return sorted(leaves, key=lambda leaf: leaf.start)


# --- TOML


def _toml(text: str) -> list[Leaf]:
    body = text.removeprefix("\ufeff")
    shift = len(text) - len(body)
    try:
        tomllib.loads(body)  # its messages say more than the other library's
        document = tomlkit.parse(body)
        paths: list[Path] = []
        spellings: list[str] = []
        _mark(document, (), paths, spellings)
        marked = tomlkit.dumps(document)
    except RecursionError:
        raise OperatorError("it is nested too deeply", hint="flatten it") from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid("TOML", str(error)) from None
    except tomlkit.exceptions.TOMLKitError:
        raise _unkept() from None
    # The text between the marks is the file's own, so it tells where each value stands.
    leaves: list[Leaf] = []
    at = 0
    rebuilt = []
    for number, between in enumerate(re.split(_TOML_MARK, marked)):
        if number % 2 and int(between) >= len(spellings):
            raise _unkept()
        piece = spellings[int(between)] if number % 2 else between
        if number % 2:
            leaves.append(Leaf(paths[int(between)], at + shift, at + shift + len(piece)))
        rebuilt.append(piece)
        at += len(piece)
    if "".join(rebuilt) != body or len(leaves) != len(paths):
        raise _unkept()
    return leaves


_TOML_MARK = r'"\ue000([0-9]+)\ue000"'


def _mark(node: Any, path: Path, paths: list[Path], spellings: list[str]) -> None:
    """Replace each value by a mark with its number; its path and spelling are noted."""
    rows = enumerate(list(node)) if isinstance(node, list) else list(node.items())
    for step, item in rows:
        where = (*path, step)
        if isinstance(item, dict | list):
            _mark(item, where, paths, spellings)
        else:
            node[step] = tomlkit.string(f"\ue000{len(paths)}\ue000")
            paths.append(where)
            # The library gives a bool as Python's own.
            spellings.append(str(item).lower() if isinstance(item, bool) else item.as_string())


# --- which it is

FORMATS = {
    one.name: one
    for one in (
        Format(name="env", leaves=_env, quote=""),
        Format(name="yaml", leaves=_yaml, quote='"'),
        Format(name="json", leaves=_json, quote='"'),
        Format(name="toml", leaves=_toml, quote='"'),
    )
}
_SUFFIXES = {".env": "env", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}


def by_name(file_name: str) -> Format | None:
    """The format that a file's name tells: config.yaml, .env.production, settings.toml.cipher; None if it tells none."""
    name = file_name.removesuffix(".cipher")
    if name == ".env" or name.startswith(".env."):
        return FORMATS["env"]
    dot = name.rfind(".")
    return FORMATS.get(_SUFFIXES.get(name[dot:], "")) if dot >= 0 else None


def _invalid(kind: str, reason: str) -> OperatorError:
    return OperatorError(
        f"it is not valid {kind}{reason and ': '}{reason}", hint="correct it, or name another --format"
    )


def _unkept() -> OperatorError:
    return OperatorError("its layout cannot be kept", hint="encrypt the file as a whole: leave --values out")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
