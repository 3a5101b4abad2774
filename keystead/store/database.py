"""A SQLite connection as the repositories use it: rows out, StoreFailure instead of SQLite's errors."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from keystead.store.ports import StoreFailure
from keystead.store.seals import Seals

_UNREADABLE = (apsw.Error, UnicodeError)  # a text that somebody wrote may be none
CACHED = 10_000  # entries of one read cache; beyond it the oldest goes


class Database:
    """One connection. `revised` says that something but nonces, records and tallies is written in this batch."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.revised = False
        self.seals: Seals | None = None  # None: rows are neither checked nor sealed
        self._positions: dict[str, int] = {}  # the latest of each table

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, as they come."""
        try:
            yield from self._connection.execute(sql, values)
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """One statement for each of many rows."""
        try:
            self._connection.executemany(sql, values)
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def next_position(self, table: str) -> int:
        """The position of the next row of a table; none is given twice."""
        latest = self._positions.get(table)
        if latest is None:
            row = self.row("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
            latest = 0 if row is None else int(row[0])
        self._positions[table] = latest + 1
        return latest + 1

    def drop(self) -> None:
        """Forget what is known of the tables."""
        self._positions.clear()
        if self.seals is not None:
            self.seals.drop()

    def failure(self, error: Exception) -> StoreFailure:
        """What a failed statement means to the caller."""
        return StoreFailure(f"{self._connection.filename}: {type(error).__name__}: {error}")


def remember(cache: dict[Any, Any], name: Any, value: Any) -> None:
    """Put a value into a bounded cache."""
    if len(cache) >= CACHED:
        del cache[next(iter(cache))]
    cache[name] = value
