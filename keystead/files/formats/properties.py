"""Java's .properties: keys and values as java.util.Properties reads them, their escapes and continued lines kept."""

import re

from keystead.errors import OperatorError
from keystead.files.formats.spans import Leaf, line_of, numbered

_CONTINUED = r"\\(?:\r\n|\r|\n)[ \t\f]*"
_GAP = rf"(?: [ \t\f] | {_CONTINUED} )*+"
_LINE = re.compile(
    rf"""
    {_GAP} (?:
        [\#!][^\r\n]*
      | (?P<key> (?: {_CONTINUED} | \\(?:.|\Z) | [^\\=:\ \t\f\r\n] )*+ ) {_GAP} (?: [=:] {_GAP} )?
        (?P<value> (?: \\(?:\r\n|.|\Z) | [^\\\r\n] )*+ )
    ) (?: \r\n | \r | \n | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rf"{_CONTINUED}|\\(?:u(?P<code>[0-9A-Fa-f]{{4}})|(?P<one>.)|\Z)", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def leaves(text: str) -> list[Leaf]:
    """Where the values stand."""
    found = []
    at = 1 if text.startswith("\ufeff") else 0
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None  # whatever a line is, it is a key
        if line["key"] is not None and line.end("value") > line.start("key"):
            found.append(Leaf((_key(line["key"], text, at),), *line.span("value")))
        at = line.end()
    return numbered(found)


def _key(spelled: str, text: str, at: int) -> str:
    # A byte of ISO-8859-1 is there as a lone surrogate.
    spelled = re.sub("[\udc80-\udcff]", lambda found: chr(ord(found[0]) - 0xDC00), spelled)
    try:
        return unescaped(spelled)
    except ValueError:
        raise OperatorError(
            f"line {line_of(text, at)} has \\u without four hexadecimal digits",
            hint="write \\\\ for a backslash",
        ) from None


def unescaped(spelled: str) -> str:
    """What a key or value means that is spelled so; ValueError if Java refuses it."""

    def meant(found: re.Match[str]) -> str:
        if found["code"]:
            return chr(int(found["code"], 16))
        if found["one"] == "u":
            raise ValueError("\\u")
        return _LETTERS.get(found["one"] or "", found["one"] or "")

    # A pair of \u is one character.
    return _ESCAPE.sub(meant, spelled).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
