"""Wildcards in policies: `*` stands for any letters or none, `?` for one letter.

Source: the vendor's page "Policy structure and syntax". Matching costs time in proportion to pattern and text, whatever the
pattern: after the shortest stretch that a `*` can stand for, no other is tried, as none could help what comes after.
"""

import re
from collections.abc import Iterable

_WILD = re.compile(r"[*?]")


def wild(text: str) -> bool:
    """Whether the text has a wildcard."""
    return _WILD.search(text) is not None


class Patterns:
    """Texts with wildcards, one of which is to match; with `fold` in whatever case."""

    __slots__ = ("_fold", "_literal", "_wild", "texts")

    def __init__(self, texts: Iterable[str], *, fold: bool = False) -> None:
        self.texts = tuple(texts)
        self._fold = fold
        folded = [text.lower() for text in self.texts] if fold else self.texts
        self._literal = frozenset(text for text in folded if not wild(text))
        patterns = [_expression(text) for text in folded if wild(text)]
        self._wild = re.compile("|".join(patterns), re.DOTALL) if patterns else None

    def match(self, text: str) -> bool:
        """Whether one of them is this text as a whole."""
        if self._fold:
            text = text.lower()
        return text in self._literal or (self._wild is not None and self._wild.fullmatch(text) is not None)

    def __repr__(self) -> str:
        return f"<Patterns {', '.join(self.texts)}>"


def _expression(text: str) -> str:
    first, *rest = text.split("*")
    found = _letters(first)
    for number, part in enumerate(rest, 1):
        # `*?` is `?*`: what comes after `.*` begins with a letter, which is looked for quickly.
        fixed = part.lstrip("?")
        found += "." * (len(part) - len(fixed))
        if number == len(rest):
            found += f".*{_letters(fixed)}"
        elif fixed:
            # Atomic: what the group has taken it does not give back.
            found += f"(?>.*?{_letters(fixed)})"
    return found


def _letters(text: str) -> str:
    return "".join("." if letter == "?" else re.escape(letter) for letter in text)
