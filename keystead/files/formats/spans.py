"""What every format tells of a text: its values, as spans of characters under a path.

Only spans are ever replaced, so comments, order and white space stay as they are, and a value comes back as it was spelled.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from keystead.errors import OperatorError

Path = tuple[str | int, ...]

# The members of a mapping that give a value beside them its name: Kubernetes', AWS' tags, CloudFormation's parameters.
_NAMING = {"name": "value", "key": "value", "parameterkey": "parametervalue"}
_NAMES = 1_000_000  # merged lists name each item after all the others
_ITEM = re.compile(r"([^\s=]+)=")  # of a list: docker compose's NAME=value, a command's --name=value
_LINE = re.compile(r"""^[ \t]*(?:export[ \t]+)?["']?([A-Za-z_][\w.-]*)["']?[ \t]*[=:]""", re.MULTILINE)


class Leaf(NamedTuple):
    """One value: its path, and the characters from `start` to before `end` that spell it.

    `others`: further paths under which a reader may find it, or a part of it. A pattern for one of them means it too.
    """

    path: Path
    start: int
    end: int
    others: tuple[Path, ...] = ()

    @property
    def pointers(self) -> list[str]:
        """Its path and the further ones, as JSON pointers, each once."""
        return list(dict.fromkeys(map(pointer, (self.path, *self.others))))


class Format(NamedTuple):
    """A kind of file: what finds its leaves, and the quotes around a string without special characters.

    `bytewise`: a file that is not UTF-8 is one of ISO-8859-1. `suffixes` are those of its files' names.
    """

    name: str
    leaves: Callable[[str], list[Leaf]]
    suffixes: tuple[str, ...]
    quote: str = ""
    bytewise: bool = False


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901): what is shown, and what a ciphertext is bound to."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def numbered(leaves: Iterable[Leaf]) -> list[Leaf]:
    """The leaves of a format in which a key may stand more than once: the second one has 1 after its path, and so on."""
    seen: Counter[Path] = Counter()
    found = []
    for leaf in leaves:
        number = seen[leaf.path]
        seen[leaf.path] += 1
        found.append(Leaf((*leaf.path, number), leaf.start, leaf.end) if number else leaf)
    return found


def named(found: Iterable[tuple[Leaf, str]]) -> list[Leaf]:
    """Leaves of a nested format, of which the content is given too, with the names that a list or a text hides.

    A list's item `NAME=value`, and the value in `{name: NAME, value: value}`, are under NAME instead of their number too,
    and a text of several lines under each `NAME=` and `NAME:` that a line begins with.
    OperatorError if there are more than a million of these names.
    """
    found = list(found)
    left = _NAMES
    beside: defaultdict[Path, list[str]] = defaultdict(list)
    for leaf, content in found:
        for path in (leaf.path, *leaf.others):
            if path and (value := _NAMING.get(str(path[-1]).casefold())):
                beside[(*path[:-1], value)].append(content)
    leaves = []
    for leaf, content in found:
        names = tuple(islice(_names(leaf, content, beside), left + 1))
        left -= len(names)
        if left < 0:
            raise OperatorError(
                f"its lists and texts give its values more than {_NAMES} names",
                hint="encrypt the file as a whole: leave --values out",
            )
        leaves.append(Leaf(leaf.path, leaf.start, leaf.end, (*leaf.others, *names)))
    return leaves


def _names(leaf: Leaf, content: str, beside: dict[Path, list[str]]) -> Iterator[Path]:
    lines = _LINE.findall(content) if "\n" in content else []
    item = _ITEM.match(content)
    for path in (leaf.path, *leaf.others):
        if item and path and isinstance(path[-1], int):
            yield (*path[:-1], item[1])
        for line in lines:
            yield (*path, line)
        for at, step in enumerate(path):
            for name in beside.get((*path[:at], str(step).casefold()), ()):
                yield (
                    *(path[: at - 1] if at and isinstance(path[at - 1], int) else path[:at]),
                    name,
                    *path[at + 1 :],
                )


def line_of(text: str, at: int) -> int:
    """The number of the line of a character, from 1."""
    return text.count("\n", 0, at) + 1


def invalid(kind: str, reason: str) -> OperatorError:
    """What is said of a text that its format does not allow; the reason quotes none of it."""
    return OperatorError(
        f"it is not valid {kind}{reason and ': '}{reason}",
        hint="correct it, name another --format, or encrypt the file as a whole: leave --values out",
    )


def unkept() -> OperatorError:
    """What is said of a text in which no value can be replaced safely."""
    return OperatorError("its layout cannot be kept", hint="encrypt the file as a whole: leave --values out")
