"""What every format tells of a text: its values, as spans of characters under a path.

Only spans are ever replaced, so comments, order and white space stay as they are, and a value comes back as it was spelled.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from keystead.errors import OperatorError

Path = tuple[str | int, ...]


class Leaf(NamedTuple):
    """One value: its path, and the characters from `start` to before `end` that spell it."""

    path: Path
    start: int
    end: int


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


def line_of(text: str, at: int) -> int:
    """The number of the line of a character, from 1."""
    return text.count("\n", 0, at) + 1


def invalid(kind: str, reason: str) -> OperatorError:
    """What is said of a text that its format does not allow; the reason quotes none of it."""
    return OperatorError(
        f"it is not valid {kind}{reason and ': '}{reason}", hint="correct it, or name another --format"
    )


def unkept() -> OperatorError:
    """What is said of a text in which no value can be replaced safely."""
    return OperatorError("its layout cannot be kept", hint="encrypt the file as a whole: leave --values out")
