"""A SQLite connection as the repositories use it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from keystead.store.database import Database
from keystead.store.ports import StoreFailure

_UNREADABLE = (apsw.Error, UnicodeError)  # a text that somebody wrote may be none


class SqliteDatabase(Database):
    """See keystead.store.database.Database."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__()
        self._connection = connection
        self._positions: dict[str, int] = {}  # the latest of each table

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(sql, values)
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(sql, values)
        except _UNREADABLE as error:
            raise self.failure(error) from None

    def next_position(self, table: str) -> int:
        latest = self._positions.get(table)
        if latest is None:
            row = self.row("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
            latest = 0 if row is None else int(row[0])
        self._positions[table] = latest + 1
        return latest + 1

    def drop(self) -> None:
        self._positions.clear()
        super().drop()

    def failure(self, error: Exception) -> StoreFailure:
        return StoreFailure(f"{self._connection.filename}: {type(error).__name__}: {error}")
