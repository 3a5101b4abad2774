"""A PostgreSQL connection as the repositories use it.

Outside of a transaction each statement sees what is committed by then; what a batch believed is proved by the fence in its
commit. The first statement that writes begins the transaction that no other server's can run beside.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.store.database import Database
from keystead.store.failures import StoreFailure, Superseded
from keystead.store.postgresql.round_trip import Statement, Step
from keystead.store.postgresql.watch import Watch

_NUL = "\0"  # no text of PostgreSQL has it; texts of ours may
MARK = "\ufdd0"  # is no character, and stands for it: as itself and a digit
# What SQLite says otherwise, or is told beside the matter: by which index to look, and by which not to.
_OTHERWISE = (
    (re.compile(r"INDEXED BY \w+ "), ""),
    (re.compile(r"(?<=[ (])\+(?=[a-z])"), ""),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\bLIKE\b"), "ILIKE"),  # A to Z in either case, as all columns have the collation "C"
)
_MOST = 1000  # statements that wait to be written
_WRITES = ("INSERT", "UPDATE", "DELETE")
_IDLE = psycopg.pq.TransactionStatus.IDLE
_AT_ONCE = 2000  # rows that `each` has underway


@lru_cache(4096)
def numbered(sql: str) -> str:
    """The statement in PostgreSQL's words, with $1, $2 … for its question marks."""
    for pattern, other in _OTHERWISE:
        sql = pattern.sub(other, sql)
    parts = sql.split("?")
    return "".join(part + (f"${place}" if place < len(parts) else "") for place, part in enumerate(parts, 1))


def stored(value: Any) -> Any:
    """A value as PostgreSQL can keep it."""
    if isinstance(value, str) and (_NUL in value or MARK in value):
        return value.replace(MARK, f"{MARK}1").replace(_NUL, f"{MARK}0")
    return value


def as_given(value: Any) -> Any:
    """The value that was `stored`."""
    if isinstance(value, str) and MARK in value:
        return value.replace(f"{MARK}0", _NUL).replace(f"{MARK}1", MARK)
    return value


def stored_row(row: Iterable[Any]) -> list[Any]:
    """Values as PostgreSQL can keep them."""
    # Hardly any is changed, and most of the time would be calls.
    return [
        stored(value) if isinstance(value, str) and (_NUL in value or MARK in value) else value
        for value in row
    ]


def row_as_given(row: Iterable[Any]) -> tuple[Any, ...]:
    """The values that were `stored`."""
    return tuple([as_given(value) if isinstance(value, str) and MARK in value else value for value in row])


def failure(error: Exception) -> StoreFailure:
    """What an error of the database means to the caller: its first line, without a statement or a value."""
    state = getattr(error, "sqlstate", None) or type(error).__name__
    told = getattr(getattr(error, "diag", None), "message_primary", None) or str(error).splitlines()[0:1]
    text = told if isinstance(told, str) else " ".join(told)
    return StoreFailure(f"PostgreSQL: {state}: {text}")


class PostgresDatabase(Database):
    """See keystead.store.database.Database.

    `changing` is called before a statement that writes. What is written waits in `queued` until something is read, or the
    batch is committed: so a change of many rows is a round trip or two.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any] | None,
        changing: Callable[[], None] = lambda: None,
        run: Callable[[Sequence[Step]], object] = lambda steps: None,
        watch: Watch | None = None,
    ) -> None:
        super().__init__()
        self._waiting = nullcontext if watch is None else watch.waiting
        self._connection = connection
        self._changing = changing
        self._run = run
        self._positions: dict[str, int] = {}  # the latest of each table
        self._given: set[str] = set()  # tables of which this batch has given some
        self.queued: list[Step] = []
        self.later: list[tuple[str, list[Sequence[Any]]]] = []  # what `beside` was given, for the commit
        self._cursors = 0  # that were made

    def use(self, connection: psycopg.Connection[Any] | None) -> None:
        """Go on with another connection, or with none for now."""
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if sql.startswith(_WRITES):
            self._changing()
            self.queued.append((_statement(sql), stored_row(values)))
            if len(self.queued) >= _MOST:
                self.flush()
            return []
        self.flush()
        return self._fetch(sql, values)

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        connection = self._connection
        if connection is None or (connection.autocommit and connection.info.transaction_status == _IDLE):
            yield from self.rows(sql, values)  # no cursor outlives its transaction
            return
        # Whoever stops before the end leaves it to the end of the transaction, which may be over by then.
        self._cursors += 1
        name = f"rows_{self._cursors}"
        self.flush()
        self._fetch(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", values)
        while rows := self._fetch(f"FETCH {_AT_ONCE} FROM {name}"):
            yield from rows
        self._fetch(f"CLOSE {name}")

    def many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        for row in values:
            self.rows(sql, row)

    def beside(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        self.later.append((sql, list(values)))

    def flush(self) -> None:
        """Write what waits to be written."""
        if self.queued:
            queued, self.queued = self.queued, []
            try:
                self._run(queued)
            except psycopg.Error as error:
                raise self.failure(error) from None

    def closing(self) -> list[Step]:
        """What is left to be written before the batch is committed."""
        steps, self.queued = self.queued, []
        steps += [(_GIVEN, (table, self._positions[table])) for table in self._given]
        for sql, values in self.later:
            steps += [(_statement(sql), stored_row(row)) for row in values]
        return steps

    def next_position(self, table: str) -> int:
        # Nobody else gives any while this batch is alone, and what others gave before shows as another revision.
        self._changing()
        latest = self._positions.get(table)
        if latest is None:
            row = self.row("SELECT latest FROM positions WHERE name = ?", (table,))
            latest = 0 if row is None else int(row[0])
        self._positions[table] = latest + 1
        self._given.add(table)
        return latest + 1

    def reset(self) -> None:
        """Forget what the batch was about to write."""
        self._given.clear()
        self.queued.clear()
        self.later.clear()

    def drop(self) -> None:
        self._positions.clear()
        super().drop()

    def failure(self, error: Exception) -> StoreFailure:
        found = failure(error)
        # Nothing of the batch was done: it may be run anew, on another connection.
        lost = self._connection is not None and self._connection.closed
        return Superseded(str(found)) if lost else found

    def _fetch(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement, if it has any."""
        try:
            cursor = self._cursor()
            with self._waiting():
                cursor.execute(numbered(sql).encode(), stored_row(values) or None)
            if cursor.description is None:
                return []
            return list(map(row_as_given, cursor.fetchall()))
        except psycopg.Error as error:
            raise self.failure(error) from None

    def _cursor(self) -> RawCursor[Any]:
        if self._connection is None:
            raise StoreFailure("PostgreSQL: there is no connection to the database now")
        return RawCursor(self._connection)


@lru_cache(4096)
def _statement(sql: str) -> Statement:
    # Those that write are few: which table, and which of its columns.
    return Statement(f"w {sha256(sql.encode()).hexdigest()[:24]}", numbered(sql))


_GIVEN = Statement(
    "given",
    "INSERT INTO positions VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET latest = excluded.latest",
)
