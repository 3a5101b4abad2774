"""A SQLite connection as the repositories use it: rows out, StoreFailure instead of SQLite's errors."""

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from keystead.store.ports import StoreFailure

CACHED = 10_000  # entries of one read cache; beyond it the oldest goes


class Database:
    """One connection. `revise` must be called before anything but nonces, records and tallies is written."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.revised = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self.failure(error) from None

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """One statement for each of many rows."""
        try:
            self._connection.executemany(sql, values)
        except apsw.Error as error:
            raise self.failure(error) from None

    def revise(self) -> None:
        """Count the state's revision up, once in a batch."""
        if not self.revised:
            self.rows("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
            self.revised = True

    def failure(self, error: Exception) -> StoreFailure:
        """What a failed statement means to the caller."""
        return StoreFailure(f"{self._connection.filename}: {type(error).__name__}: {error}")


def remember(cache: dict[Any, Any], name: Any, value: Any) -> None:
    """Put a value into a bounded cache."""
    if len(cache) >= CACHED:
        del cache[next(iter(cache))]
    cache[name] = value
