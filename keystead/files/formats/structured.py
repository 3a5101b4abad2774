"""Where the values stand in JSON, YAML and TOML: formats in which they are nested."""

import json
import re
import tomllib
from typing import Any

import tomlkit
import tomlkit.exceptions
import yaml

from keystead.errors import OperatorError
from keystead.files.formats.spans import Leaf, Path, invalid, named, unkept

# --- JSON

_JSON_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<other>[-+0-9.eE]+|true|false|null)|(?P<mark>[][{}:,]))'
)


def json_leaves(text: str) -> list[Leaf]:
    """Of JSON."""
    try:
        json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except RecursionError:
        raise OperatorError("it is nested too deeply", hint="flatten it") from None
    except ValueError as error:
        raise invalid("JSON", str(error)) from None
    # It is valid, so each token's place tells what it is.
    leaves: list[tuple[Leaf, str]] = []
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
                content = str(json.loads(word)) if kind == "string" else word
                leaves.append((Leaf(tuple(path), *found.span(str(kind))), content))
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
    return named(leaves)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# --- YAML

_ALIASED = 100_000  # aliases of aliases stand for more than any memory holds


def yaml_leaves(text: str) -> list[Leaf]:
    """Of YAML; a path begins with the number of the document where there are several."""
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
        raise invalid("YAML", f"{problem or 'unreadable'} (line {mark.line + 1})" if mark else "") from None
    # The scalars, each with every path that leads to it; a node's first path is its own, the others go by aliases.
    found: dict[int, tuple[yaml.ScalarNode, list[Path]]] = {}
    seen: set[int] = set()
    above: set[int] = set()
    aliased = 0

    def walk(node: yaml.Node, path: Path, name: Path, merged: bool = False) -> None:
        """`name` is the path with the merge keys left out, as the members below them are read; `merged` below one."""
        nonlocal aliased
        aliased += id(node) in seen
        if aliased > _ALIASED:
            raise OperatorError(
                f"its aliases stand for more than {_ALIASED} values",
                hint="encrypt the file as a whole: leave --values out",
            )
        if id(node) in above:  # it has itself in it
            return
        seen.add(id(node))
        above.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    line = key.start_mark.line + 1
                    raise OperatorError(
                        f"the key in line {line} is no plain word",
                        hint="give it a name; around {{…}} of a template put quotes",
                    )
                merges = key.tag == "tag:yaml.org,2002:merge"
                walk(value, (*path, key.value), name if merges else (*name, key.value), merges)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                walk(value, (*path, number), name if merged else (*name, number))
        elif isinstance(node, yaml.ScalarNode) and (node.value or node.style):  # else nothing stands there
            found.setdefault(id(node), (node, []))[1].extend((path, name))
        above.remove(id(node))

    for number, document in enumerate(documents):
        where = (number,) if len(documents) > 1 else ()
        walk(document, where, where)
    leaves: list[tuple[Leaf, str]] = []
    for node, paths in found.values():
        start, end = starts[node.end_mark.index], node.end_mark.index
        # A block ends with its line breaks; they stay, since what follows begins on a line of its own.
        end -= len(text[start:end]) - len(text[start:end].rstrip("\r\n \t"))
        leaves.append((Leaf(paths[0], start, end, tuple(dict.fromkeys(paths[1:]))), node.value))
    return named(sorted(leaves, key=lambda one: one[0].start))


# --- TOML


def toml_leaves(text: str) -> list[Leaf]:
    """Of TOML."""
    body = text.removeprefix("\ufeff")
    shift = len(text) - len(body)
    try:
        tomllib.loads(body)  # its messages say more than the other library's
        document = tomlkit.parse(body)
        paths: list[Path] = []
        spellings: list[str] = []
        contents: list[str] = []
        _mark(document, (), paths, spellings, contents)
        marked = tomlkit.dumps(document)
    except RecursionError:
        raise OperatorError("it is nested too deeply", hint="flatten it") from None
    except tomllib.TOMLDecodeError as error:
        raise invalid("TOML", str(error)) from None
    except tomlkit.exceptions.TOMLKitError:
        raise unkept() from None
    # The text between the marks is the file's own, so it tells where each value stands.
    leaves: list[tuple[Leaf, str]] = []
    at = 0
    rebuilt = []
    for number, between in enumerate(re.split(_TOML_MARK, marked)):
        if number % 2 and int(between) >= len(spellings):
            raise unkept()
        piece = spellings[int(between)] if number % 2 else between
        if number % 2:
            leaf = Leaf(paths[int(between)], at + shift, at + shift + len(piece))
            leaves.append((leaf, contents[int(between)]))
        rebuilt.append(piece)
        at += len(piece)
    if "".join(rebuilt) != body or len(leaves) != len(paths):
        raise unkept()
    return named(leaves)


_TOML_MARK = r'"\ue000([0-9]+)\ue000"'


def _mark(node: Any, path: Path, paths: list[Path], spellings: list[str], contents: list[str]) -> None:
    """Replace each value by a mark with its number; its path, its spelling and what it means are noted."""
    rows = enumerate(list(node)) if isinstance(node, list) else list(node.items())
    for step, item in rows:
        where = (*path, step)
        if isinstance(item, dict | list):
            _mark(item, where, paths, spellings, contents)
        else:
            node[step] = tomlkit.string(f"\ue000{len(paths)}\ue000")
            paths.append(where)
            contents.append(str(item))
            # The library gives a bool as Python's own.
            spellings.append(str(item).lower() if isinstance(item, bool) else item.as_string())
