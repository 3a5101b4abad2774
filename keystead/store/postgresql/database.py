"""A PostgreSQL connection as the repositories use it.

Outside of a transaction each statement sees what is committed by then; what a batch believed is proved by the fence in its
commit. The first statement that writes begins the transaction that no other server's can run beside.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.store.database import Database
from keystead.store.ports import StoreFailure
from keystead.store.postgresql.watch import Watch

_NUL = "\0"  # no text of PostgreSQL has it; texts of ours may
_MARK = "\ufdd0"  # is no character, and stands for it: as itself and a digit
_HINT = re.compile(r"INDEXED BY \w+ ")  # by which index to look
_WRITES = ("INSERT", "UPDATE", "DELETE")


@lru_cache(4096)
def numbered(sql: str) -> str:
    """The statement with $1, $2 … for its question marks, and without what only SQLite is told."""
    parts = _HINT.sub("", sql).split("?")
    return "".join(part + (f"${place}" if place < len(parts) else "") for place, part in enumerate(parts, 1))


def stored(value: Any) -> Any:
    """A value as PostgreSQL can keep it."""
    if isinstance(value, str) and (_NUL in value or _MARK in value):
        return value.replace(_MARK, f"{_MARK}1").replace(_NUL, f"{_MARK}0")
    return value


def as_given(value: Any) -> Any:
    """The value that was `stored`."""
    if isinstance(value, str) and _MARK in value:
        return value.replace(f"{_MARK}0", _NUL).replace(f"{_MARK}1", _MARK)
    return value


def stored_row(row: Iterable[Any]) -> list[Any]:
    """Values as PostgreSQL can keep them."""
    # Hardly any is changed, and most of the time would be calls.
    return [
        stored(value) if isinstance(value, str) and (_NUL in value or _MARK in value) else value
        for value in row
    ]


def row_as_given(row: Iterable[Any]) -> tuple[Any, ...]:
    """The values that were `stored`."""
    return tuple([as_given(value) if isinstance(value, str) and _MARK in value else value for value in row])


def failure(error: Exception) -> StoreFailure:
    """What an error of the database means to the caller: its first line, without a statement or a value."""
    state = getattr(error, "sqlstate", None) or type(error).__name__
    told = getattr(getattr(error, "diag", None), "message_primary", None) or str(error).splitlines()[0:1]
    text = told if isinstance(told, str) else " ".join(told)
    return StoreFailure(f"PostgreSQL: {state}: {text}")


class PostgresDatabase(Database):
    """See keystead.store.database.Database. `changing` is called before a statement that writes."""

    def __init__(
        self,
        connection: psycopg.Connection[Any] | None,
        changing: Callable[[], None] = lambda: None,
        watch: Watch | None = None,
    ) -> None:
        super().__init__()
        self._waiting = nullcontext if watch is None else watch.waiting
        self._changing = changing
        self.later: list[tuple[str, list[Sequence[Any]]]] = []  # what `beside` was given, for the commit
        self._connection = connection

    def use(self, connection: psycopg.Connection[Any] | None) -> None:
        """Go on with another connection, or with none for now."""
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if sql.startswith(_WRITES):
            self._changing()
        try:
            cursor = self._cursor()
            with self._waiting():
                cursor.execute(numbered(sql), [stored(value) for value in values] or None)
            if cursor.description is None:
                return []
            return list(map(row_as_given, cursor.fetchall()))
        except psycopg.Error as error:
            raise self.failure(error) from None

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        # All at once: while one streams, the connection can do nothing else.
        yield from self.rows(sql, values)

    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        self._changing()
        try:
            with self._waiting():
                self._cursor().executemany(numbered(sql), [[stored(one) for one in row] for row in values])
        except psycopg.Error as error:
            raise self.failure(error) from None

    def beside(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        self.later.append((sql, list(values)))

    def write_later(self) -> None:
        """Write what `beside` was given."""
        cursor = self._cursor()
        with self._waiting():
            for sql, values in self.later:
                cursor.executemany(numbered(sql), [[stored(one) for one in row] for row in values])

    def next_position(self, table: str) -> int:
        ((position,),) = self.rows(f"SELECT nextval('{table}_position')")
        return int(position)

    def failure(self, error: Exception) -> StoreFailure:
        return failure(error)

    def _cursor(self) -> RawCursor[Any]:
        if self._connection is None:
            raise StoreFailure("PostgreSQL: there is no connection to the database now")
        return RawCursor(self._connection)
