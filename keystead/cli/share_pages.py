"""Shares of a root key as pages to print: one a share, as text and as HTML with a QR code. And the words of such pages.

Whoever holds a page needs to know nothing else: what it is, of which server and key, and how many of them are needed.
"""

import html
import re
import textwrap
from collections.abc import Iterator
from io import BytesIO

import segno

from keystead.clock import iso8601

_BEGIN, _END = "----- BEGIN SHARE -----", "----- END SHARE -----"
_BLOCK = re.compile(rf"{_BEGIN}(.*?)(?:{_END}|\Z)", re.DOTALL)
_FEW = 20  # words: a line with fewer is part of a share, not one
_COLUMNS = 4
_WIDTH = 76
_HOW = (
    "To put the key together again: keystead rootkey import, which asks for the words. They are those of SLIP-0039, without "
    "a passphrase, so other programs for it read them as well."
)


class Page:
    """One share with what stands beside it. It shows nothing of its words."""

    def __init__(
        self, words: str, *, number: int, of: int, needed: int, server: str, fingerprint: str, made: int
    ) -> None:
        self._words = words
        self.title = f"Keystead root key: share {number} of {of}"
        self.facts = (
            ("server", server),
            ("fingerprint", fingerprint),
            ("needed", f"any {needed} of the {of} shares"),
            ("made", iso8601(made)),
        )
        self.name = f"share-{number}-of-{of}-{fingerprint}"
        self._what = (
            f"With any {needed} of these shares and a backup, everything that this server protects can be opened; fewer "
            "say nothing. Keep each with another person, in a sealed envelope, apart from the backups."
        )

    @property
    def text(self) -> str:
        """For a printer of text, and for `words_in`."""
        facts = "\n".join(f"{name:<13}{value}" for name, value in self.facts)
        return (
            f"{self.title}\n\n{facts}\n\n{_BEGIN}\n{self._rows()}\n{_END}\n\n"
            + "\n\n".join(textwrap.fill(one, _WIDTH) for one in (self._what, _HOW))
            + "\n"
        )

    @property
    def document(self) -> str:
        """HTML that needs nothing else, and prints on one page."""
        picture = BytesIO()
        segno.make_qr(self._words, error="m").save(picture, kind="svg", scale=4, xmldecl=False, svgns=True)
        facts = "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in self.facts
        )
        advice = "".join(f"<p>{html.escape(one)}</p>" for one in (self._what, _HOW))
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            "<style>body{font:11pt sans-serif;margin:2cm;max-width:17cm}pre{font-size:13pt;line-height:1.5}"
            "dt{float:left;width:8em}svg{width:7cm;height:7cm}@page{margin:1cm}</style>"
            f"<h1>{html.escape(self.title)}</h1><dl>{facts}</dl><pre>{_BEGIN}\n{self._rows()}\n{_END}</pre>"
            f"{picture.getvalue().decode()}{advice}</html>\n"
        )

    def _rows(self) -> str:
        cells = [f"{number:>2} {word:<10}" for number, word in enumerate(self._words.split(), 1)]
        return "\n".join(
            "".join(cells[start : start + _COLUMNS]).rstrip() for start in range(0, len(cells), _COLUMNS)
        )


def words_in(text: str) -> Iterator[str]:
    """The words of each share in a text: of pages as above, or bare, one share a line or one in all."""
    blocks = [one for one in _BLOCK.findall(text) if one.strip()]
    if not blocks:
        lines = [one for one in text.splitlines() if one.strip()]
        blocks = lines if all(len(one.split()) >= _FEW for one in lines) else [" ".join(lines)]
    for block in blocks:
        yield " ".join(re.findall(r"[^\W\d_]+", block))
