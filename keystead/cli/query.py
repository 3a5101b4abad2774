"""`--query`: a part of an answer, by JMESPath (https://jmespath.org/specification.html).

An expression is read, and compared with the members that the operation's answer has, before anything is sent: a key is
not made for a query that can't tell its id.
"""

import re
from collections.abc import Sequence
from typing import Any

import jmespath
import jmespath.exceptions
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

from keystead.cli.output import WrongCommandLine, nearest
from keystead.errors import OperatorError
from keystead.forms import listed

_UNKNOWN = object()  # what an expression gives that the shape of the answer does not tell


class Query:
    """One expression. WrongCommandLine if it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._parsed: ParsedResult = jmespath.compile(text)
        except jmespath.exceptions.JMESPathError as problem:
            raise _wrong(text, problem) from None

    def check(self, shape: dict[str, Any]) -> None:
        """WrongCommandLine if no answer of this shape (see Reply) has what is asked for."""
        _walk(self._parsed.parsed, shape, self.text)
        try:
            self._parsed.search(shape)
        except jmespath.exceptions.JMESPathTypeError as problem:
            raise WrongCommandLine(
                f"--query {self.text!r} does not fit the answer: {_mismatch(problem)}",
                hint=f"it has {', '.join(names(shape))}",
            ) from None
        except jmespath.exceptions.JMESPathError as problem:
            raise _wrong(self.text, problem) from None

    def of(self, answer: dict[str, Any]) -> Any:
        """What the answer has there; OperatorError if it has nothing."""
        try:
            found = self._parsed.search(answer)
        except jmespath.exceptions.JMESPathError as problem:
            # Its own text quotes the value, which may be a secret.
            typed = isinstance(problem, jmespath.exceptions.JMESPathTypeError)
            why = _mismatch(problem) if typed else _first_line(problem)
            raise OperatorError(
                f"the call succeeded, and --query does not fit its answer: {why}",
                hint=_members(answer),
            ) from None
        if found is None:
            raise OperatorError(
                f"the call succeeded, and {self._too_far(answer) or f'its answer has nothing at {self.text}'}",
                hint=_members(answer),
            )
        return found

    def _too_far(self, answer: dict[str, Any]) -> str:
        """That a list has no element of the first index, if that is so; else "".

        Of a filter's index nothing is said: it counts what the filter left."""
        index = re.match(r"([\w.]+)\[-?[0-9]+\]", self.text)
        found = jmespath.search(index[1], answer) if index else None
        if index is None or not isinstance(found, list):
            return ""
        if not found:
            return f"the list {index[1]} is empty"
        beyond = jmespath.search(index[0], answer) is None
        return f"the list {index[1]} has {len(found)} of them" if beyond else ""


def names(content: object, before: str = "") -> list[str]:
    """The paths of an answer's members, as a query writes them: `Keys.Key[].KeyId`. No values."""
    if isinstance(content, dict):
        found: list[str] = []
        for name, value in content.items():
            found += names(value, f"{before}.{name}" if before else name)
        return found
    if isinstance(content, list) and content and isinstance(content[0], dict | list):
        return names(content[0], f"{before}[]")
    return [before] if before else []


def _members(answer: object) -> str:
    return f"it has {', '.join(names(answer))}; the call is done and need not be repeated"


def _wrong(text: str, problem: Exception) -> WrongCommandLine:
    return WrongCommandLine(
        f"--query {text!r} is not a JMESPath expression: {_first_line(problem)}",
        hint="a text stands in single quotes, as in [?KeyId=='x']"
        if "[?" in text
        else "KeyMetadata.KeyId is a member, Keys.Key[].KeyId one of each in a list, [A, B] two of them",
    )


_KINDS = {
    "string": "a text", "str": "a text", "number": "a number", "int": "a number", "float": "a number", "array": "a list",
    "list": "a list", "object": "an object", "dict": "an object", "boolean": "true or false", "bool": "true or false",
    "null": "nothing", "NoneType": "nothing", "array-string": "a list of texts", "array-number": "a list of numbers",
    "expref": "an expression after &",
}  # fmt: skip


def _mismatch(problem: Any) -> str:
    """What a function takes, and what it is given instead; no value."""
    takes = listed([_KINDS.get(str(kind), str(kind)) for kind in problem.expected_types])
    given = _KINDS.get(problem.actual_type, problem.actual_type)
    return f"{problem.function_name}() takes {takes}, and is given {given}"


def _first_line(problem: Exception) -> str:
    if token := getattr(problem, "token_value", None):
        return f"{token!r} is not expected at column {getattr(problem, 'lex_position', 0) + 1}"
    said = str(problem).split("\n")[0].rstrip(":.")
    return re.sub(r"^invalid jmespath expression: ", "", said, flags=re.IGNORECASE).lower()


def _walk(node: Any, value: Any, text: str) -> Any:
    """What the node gives of this value, or _UNKNOWN; WrongCommandLine for a member that can't be there."""
    if value is _UNKNOWN:
        return _UNKNOWN
    children: Sequence[Any] = node.get("children", ())
    match node["type"]:
        case "field":
            return _member(node["value"], value, text)
        case "index" | "slice":
            if not isinstance(value, list):
                raise _no_list(text)
            return value[0] if node["type"] == "index" else value
        case "subexpression" | "index_expression" | "pipe":
            for child in children:
                value = _walk(child, value, text)
            return value
        case "flatten":
            found = _walk(children[0], value, text)
            return found[0] if isinstance(found, list) and found and isinstance(found[0], list) else found
        case "projection" | "filter_projection":
            found = _walk(children[0], value, text)
            if found is _UNKNOWN:
                return _UNKNOWN
            if not isinstance(found, list):
                raise _no_list(text)
            if len(children) > 2:
                _walk(children[2], found[0], text)
            return [_walk(children[1], found[0], text)]
        case "multi_select_dict":
            return {child["value"]: _walk(child["children"][0], value, text) for child in children}
        case "comparator":
            left, right = children
            _walk(left, value, text)
            _walk(_no_text(right, value, text) if left["type"] == "field" else right, value, text)
            return _UNKNOWN
        case "multi_select_list" | "and_expression" | "not_expression":
            for child in children:
                _walk(child, value, text)
            return _UNKNOWN
        case "current" | "identity":
            return value
        case _:  # a function, a literal, an alternative (`A || B` is for members that may be missing)
            return _UNKNOWN


def _no_text(child: Any, value: Any, text: str) -> Any:
    """The right side of a comparison with a member; WrongCommandLine for a word that can only be meant as a text."""
    if child["type"] == "field" and isinstance(value, dict) and child["value"] not in value:
        word = child["value"]
        if not nearest(word, list(value), 0.8):
            raise WrongCommandLine(
                f"--query {text!r}: the answer has no member {word!r} there",
                hint=f"if it is a text, put it in single quotes: '{word}'",
            )
    return child


def _member(name: str, value: Any, text: str) -> Any:
    if isinstance(value, dict) and name in value:
        return value[name]
    if name in Functions.FUNCTION_TABLE:
        raise WrongCommandLine(
            f"--query {text!r}: {name} is a function, and is given nothing", hint=f"write {name}(@)"
        )
    if isinstance(value, dict):
        near = nearest(name, list(value))
        deeper = [path for path in names(value) if path.rpartition(".")[2] == name]
        hint = f"did you mean {near}?" if near else f"it has {', '.join(value)}"
        if deeper:
            hint = f"did you mean {deeper[0]}?"
        raise WrongCommandLine(f"--query {text!r}: the answer has no member {name!r} there", hint=hint)
    if isinstance(value, list):
        raise WrongCommandLine(
            f"--query {text!r}: {name!r} is asked of a list",
            hint=f"write [].{name} for that of each, [0].{name} for that of the first",
        )
    raise WrongCommandLine(
        f"--query {text!r}: {name!r} is asked of a single value", hint="end the query before it"
    )


def _no_list(text: str) -> WrongCommandLine:
    return WrongCommandLine(f"--query {text!r}: a list is expected where there is none", hint="leave [] out")
