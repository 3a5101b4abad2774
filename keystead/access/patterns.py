"""Wildcards in policies: `*` stands for any letters or none, `?` for one letter.

Source: the vendor's page "Policy structure and syntax". Matching costs time in proportion to pattern and text, whatever the
pattern: after the shortest stretch that a `*` can stand for no other is tried, as none could help what comes after; and what
comes after is looked for at all places at once, which are the bits of a number.
"""

from collections.abc import Iterable
from functools import lru_cache


def wild(text: str) -> bool:
    """Whether the text has a wildcard."""
    return "*" in text or "?" in text


class Patterns:
    """Texts with wildcards, one of which is to match; with `fold` in whatever case."""

    __slots__ = ("_fold", "_literal", "_wild", "texts")

    def __init__(self, texts: Iterable[str], *, fold: bool = False) -> None:
        self.texts = tuple(texts)
        self._fold = fold
        folded = [text.lower() for text in self.texts] if fold else self.texts
        self._literal = frozenset(text for text in folded if not wild(text))
        self._wild = [text.split("*") for text in dict.fromkeys(folded) if wild(text)]

    def match(self, text: str) -> bool:
        """Whether one of them is this text as a whole."""
        if self._fold:
            text = text.lower()
        return text in self._literal or any(_matches(parts, text) for parts in self._wild)

    def __repr__(self) -> str:
        return f"<Patterns {', '.join(self.texts)}>"


def _matches(parts: list[str], text: str) -> bool:
    """Whether the text is these parts with anything between them."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return len(first) == len(text) and _is_at(first, text, 0)
    begin, end = len(first), len(text) - len(last)
    if begin > end or not _is_at(first, text, 0) or not _is_at(last, text, end):
        return False
    for part in parts[1:-1]:
        if part:
            begin = _behind(part, text, begin)
            if not 0 <= begin <= end:
                return False
    return True


def _is_at(part: str, text: str, place: int) -> bool:
    if "?" not in part:
        return text.startswith(part, place)
    return all(letter in ("?", text[place + number]) for number, letter in enumerate(part))


def _behind(part: str, text: str, begin: int) -> int:
    """The place behind the first occurrence of a part at `begin` or later; -1 if there is none."""
    room = len(text) - begin - len(part)
    places = (2 << room) - 1 if room >= 0 else 0
    known = _places(text)
    for number, letter in enumerate(part):
        if letter != "?":
            places &= known.get(letter, 0) >> begin + number
            if not places:
                return -1
    return begin + (places & -places).bit_length() - 1 + len(part) if places else -1


@lru_cache(8)
def _places(text: str) -> dict[str, int]:
    """Where each letter stands in a text: bit N for place N."""
    found: dict[str, bytearray] = {}
    for place, letter in enumerate(text):
        bits = found.get(letter)
        if bits is None:
            bits = found[letter] = bytearray(len(text) // 8 + 1)
        bits[place >> 3] |= 1 << (place & 7)
    return {letter: int.from_bytes(bits, "little") for letter, bits in found.items()}
