"""Listings without scans: how many rows lie in each stretch of positions, by facets.

Rows of a table have positions that only grow. A page is found by adding up the amounts of the stretches before it and
walking the one or few stretches that hold it; with a million rows that is about a thousand small rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from keystead.store.database import Database

STRETCH = 1024
T = TypeVar("T")


class Listing:
    """The amounts of all listings of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, listing: str, position: int, facets: str, change: int) -> None:
        """Add 1 or -1 to the stretch of a position."""
        place = (listing, position // STRETCH, facets)
        if change > 0:
            self._database.rows(
                "INSERT INTO stretches VALUES (?, ?, ?, 1) "
                "ON CONFLICT (listing, stretch, facets) DO UPDATE SET amount = stretches.amount + 1",
                place,
            )
        else:
            self._database.rows(
                "UPDATE stretches SET amount = amount - 1 WHERE listing = ? AND stretch = ? AND facets = ?",
                place,
            )
            self._database.rows(
                "DELETE FROM stretches WHERE listing = ? AND stretch = ? AND facets = ? AND amount = 0", place
            )

    def page(
        self,
        listing: str,
        offset: int,
        limit: int,
        walk: Callable[[int, int], list[T]],
        wanted: Callable[[str], bool] = lambda facets: True,
    ) -> tuple[tuple[T, ...], int]:
        """The rows from `offset` on, at most `limit`, and the length of the whole.

        `walk(first, last)` gives the wanted rows of the positions first <= p < last, in order.
        """
        amounts = self._stretches(listing, wanted)

        def part(first: int, last: int, offset: int, limit: int) -> list[T]:
            return walk(first, last)[offset : offset + limit]

        return tuple(_walk(amounts.items(), offset, limit, part)), sum(amounts.values())

    def newest(
        self,
        listing: str,
        offset: int,
        limit: int,
        walk: Callable[[int, int, int, int], Sequence[T]],
        wanted: Callable[[str], bool],
    ) -> tuple[list[T], int]:
        """As `page`, in the other direction. `walk(first, last, offset, limit)` gives the wanted rows of the positions
        first <= p < last, the last one first, at most `limit` of them after `offset` others."""
        amounts = self._stretches(listing, wanted)
        return list(_walk(reversed(amounts.items()), offset, limit, walk)), sum(amounts.values())

    def amounts(self, kind: str) -> list[tuple[str, int]]:
        """Facets and how many rows have them, over all listings whose name begins with this word."""
        rows = self._database.rows(
            "SELECT facets, sum(amount) FROM stretches WHERE listing >= ? AND listing < ? GROUP BY facets",
            (f"{kind} ", f"{kind}!"),  # an exclamation mark is what follows a space
        )
        return [(str(facets), int(amount)) for facets, amount in rows]

    def _stretches(self, listing: str, wanted: Callable[[str], bool]) -> dict[int, int]:
        """How many wanted rows lie in each stretch that has any, in order."""
        amounts: dict[int, int] = {}
        for stretch, facets, amount in self._database.rows(
            "SELECT stretch, facets, amount FROM stretches WHERE listing = ? ORDER BY stretch", (listing,)
        ):
            if wanted(facets):
                amounts[stretch] = amounts.get(stretch, 0) + amount
        return amounts


def _walk(
    amounts: Iterable[tuple[int, int]],
    offset: int,
    limit: int,
    walk: Callable[[int, int, int, int], Sequence[T]],
) -> Iterator[T]:
    for stretch, amount in amounts:
        if offset >= amount:
            offset -= amount
            continue
        rows = walk(stretch * STRETCH, (stretch + 1) * STRETCH, offset, limit)
        yield from rows
        offset, limit = 0, limit - len(rows)
        if limit <= 0:
            return
