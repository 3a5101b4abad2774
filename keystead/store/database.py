"""A database as the repositories use it: rows out, StoreFailure instead of the errors of whoever keeps them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keystead.store.ports import StoreFailure
from keystead.store.seals import Seals

CACHED = 10_000  # entries of one read cache; beyond it the oldest goes


class Database(ABC):
    """One connection. Values stand for the question marks of a statement, in order.

    `revised` says that something but nonces, records and tallies is written in this batch.
    """

    def __init__(self) -> None:
        self.revised = False
        self.seals: Seals | None = None  # None: rows are neither checked nor sealed

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement."""

    @abstractmethod
    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, as they come."""

    @abstractmethod
    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """One statement for each of many rows."""

    def beside(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """As `many`, for what decides nothing: it is written with the batch, and need not be read in it again."""
        self.many(sql, values)

    @abstractmethod
    def next_position(self, table: str) -> int:
        """The position of the next row of a table; none is given twice."""

    @abstractmethod
    def failure(self, error: Exception) -> StoreFailure:
        """What a failed statement means to the caller."""

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def drop(self) -> None:
        """Forget what is known of the tables."""
        if self.seals is not None:
            self.seals.drop()


def remember(cache: dict[Any, Any], name: Any, value: Any) -> None:
    """Put a value into a bounded cache."""
    if len(cache) >= CACHED:
        del cache[next(iter(cache))]
    cache[name] = value
