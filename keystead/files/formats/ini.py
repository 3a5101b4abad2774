"""INI files, as Python's configparser reads them; git's reader finds the same keys.

A value reaches to the end of its line and over the lines below that are indented more than its key. What only some readers
take for a comment, after a value, belongs to the value: else a secret with `#` in it would be encrypted in part. For MySQL,
git and most others an indented line is an option of its own, and a colon may be in a name: a value is under the paths that
these find too. Where two readers would disagree on where a value ends, the file is refused.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from keystead.errors import OperatorError
from keystead.files.formats.spans import Leaf, line_of, numbered

_LINE = re.compile(r"(?P<content>[^\n]*?)\r?(?:\n|\Z)")
_SECTION = re.compile(r'\s*\[(?P<name>(?:"(?:[^"\\]|\\.)*"|[^]"])*)\]')
_ASSIGNMENT = re.compile(r"\s*+(?P<key>[^=:]*+)[=:]\s*+")
_BACKSLASHES = re.compile(r"\\*\Z")
_COMMENT = ("#", ";")


def leaves(text: str) -> list[Leaf]:
    """Where the values stand; OperatorError where readers would disagree."""
    found = _with_others(numbered(_values(text)), numbered(_values(text, joined=False)))
    for leaf in found:
        value = text[leaf.start : leaf.end]
        # PHP's reader would go on to the next such quote, over lines that are keys for others.
        if value[:1] in ("'", '"') and value.count(value[0]) == 1:
            raise OperatorError(
                f"line {line_of(text, leaf.start)} opens quotes and does not close them",
                hint="close them, or leave them out",
            )
    return found


def _with_others(found: list[Leaf], apart: list[Leaf]) -> list[Leaf]:
    """Each leaf with the paths of those that stand where it does when every line is read for itself; both in order."""
    starts = [leaf.start for leaf in apart]
    return [
        Leaf(
            leaf.path,
            leaf.start,
            leaf.end,
            tuple(
                one.path for one in apart[bisect_left(starts, leaf.start) : bisect_right(starts, leaf.end)]
            ),
        )
        for leaf in found
    ]


def _values(text: str, *, joined: bool = True) -> Iterator[Leaf]:
    """The values in order; unless `joined`, all that are in each line for itself, and nothing is refused."""
    section: tuple[str, ...] = ()
    value: Leaf | None = None  # may go on in the next line
    indent = 0
    continued = False  # the line before ended with a backslash
    at = 1 if text.startswith("\ufeff") else 0
    number = 0
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None
        start, at, number = at, line.end(), number + 1
        content = line["content"]
        if "\r" in content:
            raise OperatorError(
                f"line {number} has a carriage return in its middle", hint="end every line in one way"
            )
        word = content.strip()
        if not word:
            continued = False
        if not word or word.startswith(_COMMENT):
            continue
        end = start + len(content.rstrip())
        column = len(content) - len(content.lstrip())
        header = _SECTION.match(content)
        assigned = _ASSIGNMENT.match(content)
        if joined and value is not None and (column > indent or (continued and not assigned and not header)):
            value = Leaf(value.path, value.start, end)
            continued = _is_continued(content)
            continue
        if joined and continued:
            raise OperatorError(
                f"some readers take line {number} for the end of the line before, which ends with a backslash",
                hint="indent what belongs to a value more than its key, or put an empty line in between",
            )
        if value is not None:
            yield value
        value, indent, continued = None, column, _is_continued(content)
        if header:
            section = (header["name"],)
            # Only git has a value beside its section.
            beside = _ASSIGNMENT.match(content, header.end())
            if beside and not content[header.end() :].lstrip().startswith(_COMMENT):
                yield Leaf(
                    (*section, beside["key"].rstrip()), start + beside.end(), max(end, start + beside.end())
                )
        elif assigned:
            value = Leaf(
                (*section, assigned["key"].rstrip()), start + assigned.end(), max(end, start + assigned.end())
            )
            equals = content.find("=") if content[assigned.end("key")] == ":" else -1
            if not joined and equals >= 0:  # what may have a colon in its name, as npm's //host/:_authToken
                yield value
                value = Leaf(
                    (*section, content[:equals].strip()), start + equals + 1, max(end, start + equals + 1)
                )
    if value is not None:
        yield value


def _is_continued(content: str) -> bool:
    found = _BACKSLASHES.search(content)
    return found is not None and len(found[0]) % 2 == 1
