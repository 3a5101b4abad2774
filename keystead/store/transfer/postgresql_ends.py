"""The ends of a transfer in PostgreSQL databases.

As long as one is open it has the fence's lock, so that no server's batch can end, and the lock of each server that ever
joined, so that none can be connected. A copy that is not whole, and what was moved away, bear a hold: no batch ends with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.domain.audit import Head
from keystead.errors import OperatorError
from keystead.store.holds import Hold, hold_of
from keystead.store.postgresql import schema
from keystead.store.postgresql.database import PostgresDatabase, failure, stored_row
from keystead.store.postgresql.round_trip import Prepared
from keystead.store.postgresql.session import FENCE, LOCKS, Place, open_connection, refuse_unfit
from keystead.store.sealed import META, Row
from keystead.store.transfer.ends import End, Occupied, Source, Target
from keystead.store.transfer.order import ALL, RECORDS, Carried

# An answer may take long; but that nobody waits for it any more is noticed.
_PATIENT = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
_NOTICED = "SET client_connection_check_interval = '1s'"
_OURS = frozenset(one.name for one in ALL) - {"servers"}
_RECORDS = "audit_position_seq"
_NAME = "keystead store copy"  # of the server that records what was done


class _PostgresEnd(End):
    """What both ends have in common."""

    def __init__(self, place: Place) -> None:
        self.shown = place.shown
        self._begin = "BEGIN"
        try:
            self._connection = open_connection(place, **_PATIENT)
        except psycopg.Error as error:
            raise OperatorError(
                f"cannot open the database {place.shown}: {failure(error)}",
                hint="check its address, user and password; psql with the same ones tells more",
            ) from None
        self._database = PostgresDatabase(self._connection, run=Prepared(self._connection).run)
        try:
            refuse_unfit(self._connection, place.shown)
            with suppress(psycopg.errors.InvalidParameterValue):  # not every system can notice that
                self._connection.execute(_NOTICED)
        except BaseException:
            self.close()
            raise

    @property
    def database(self) -> PostgresDatabase:
        return self._database

    def tables(self) -> frozenset[str]:
        return frozenset(str(name) for (name,) in self.database.rows(schema.TABLES))

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(name for name, _ in self._typed(table))

    def latest_position(self, table: str) -> int:
        if table == RECORDS.name:
            row = self.database.row(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_RECORDS}")  # noqa: S608
        else:
            row = self.database.row("SELECT latest FROM positions WHERE name = ?", (table,))
        return 0 if row is None else int(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.rows(self._begin)
        try:
            yield
            self.database.rows("COMMIT")
        finally:
            self._database.reset()
            if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        with suppress(psycopg.Error, OSError):
            self._connection.close()

    def _claim(self) -> None:
        """Keep every server out. OperatorError if one is there."""
        if not self._lock("SELECT pg_advisory_lock(%s, %s)", (LOCKS, FENCE)):
            raise OperatorError(
                f"the store {self.shown} is in use",
                hint="stop all servers on it, and every other keystead store copy",
            )
        for server, name in self.database.rows("SELECT server, name FROM servers ORDER BY server"):
            if not self._lock("SELECT pg_advisory_lock(hashtextextended(%s, %s))", (server, LOCKS)):
                raise OperatorError(
                    f"the server on {name} ({server}) is connected to the store {self.shown}",
                    hint="stop all servers on it first; keystead node list names them",
                )

    def _lock(self, sql: LiteralString, values: Sequence[Any]) -> bool:
        """Whether it could be had, soon: whoever was killed has it a moment longer."""
        with self._told():
            try:
                self._connection.execute(sql, values)
            except psycopg.errors.LockNotAvailable:
                return False
        return True

    def _held(self) -> Hold | None:
        row = self.database.row("SELECT held FROM fence")
        if row is None:
            raise OperatorError(
                f"the database {self.shown} is damaged: it has no revision", hint="restore a backup of it"
            )
        return hold_of(str(row[0]))

    def _has_rows(self, table: str) -> bool:
        return bool(self.database.rows(f"SELECT 1 FROM {table} LIMIT 1"))  # noqa: S608 - our own names

    def _typed(self, table: str) -> list[tuple[str, str]]:
        rows = self.database.rows(
            "SELECT attname, atttypid::regtype::text FROM pg_attribute "
            "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (table,),
        )
        return [(str(name), str(kind)) for name, kind in rows]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise failure(error) from None


class PostgresSource(_PostgresEnd, Source):
    """A database that no server uses meanwhile."""

    def __init__(self, place: Place) -> None:
        """OperatorError if there is no store, or it is in use, a copy that is not whole, or of another version."""
        super().__init__(place)
        try:
            schema.require_current(self._connection, self.shown)
            if not self._has_rows("accounts"):
                raise OperatorError(f"there is no data in {self.shown}", hint="name the database that has it")
            self._claim()
            self.moved = self._held()
            if self.moved is not None and self.moved.state != "moved":
                raise self.moved.refusal(self.shown)
        except BaseException:
            self.close()
            raise
        self._begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def latest_revision(self) -> int:
        ((revision,),) = self.database.rows("SELECT revision FROM fence")
        return int(revision)

    def hold(self, moved: Hold) -> None:
        self._begin = "BEGIN"
        with self.transaction():
            self.database.rows("UPDATE fence SET held = ?", (moved.text,))


class PostgresTarget(_PostgresEnd, Target):
    """A database that is to be a store, and that nobody uses meanwhile."""

    def __init__(self, place: Place, now: int) -> None:
        """OperatorError if there is something in it that is no copy which was begun, or a server is about to use it."""
        super().__init__(place)
        self.emptied = f"DROP DATABASE and CREATE DATABASE give an empty {place.shown}"
        try:
            schema.migrate(self._connection, place.shown, now)
            self._claim()
            self.begun = self._held()
            if self.begun is not None and self.begun.state != "copying":
                raise self.begun.refusal(self.shown)
            if self.begun is None and any(self._has_rows(one) for one in _OURS & self.tables()):
                raise Occupied(
                    f"there is a store in the database {self.shown} already",
                    hint="a store is copied to an empty place only: CREATE DATABASE makes one",
                )
        except BaseException:
            self.close()
            raise

    def begin(self, hold: Hold, now: int) -> None:
        with self.transaction():
            self.database.rows("DELETE FROM servers")  # of starts that came to nothing
            self.keep(hold)

    def put(self, table: Carried, columns: Sequence[str], rows: Sequence[Row], hold: Hold) -> None:
        types = dict(self._typed(table.into))
        statement = f"COPY {table.into} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        with self.transaction(), self._told():
            with RawCursor(self._connection).copy(statement.encode()) as copy:
                copy.set_types([types[one] for one in columns])
                for row in map(_texts, rows) if table.name == META.name else rows:
                    copy.write_row(stored_row(row))
            self.keep(hold)

    def filled(self, table: Carried) -> None:
        # What refers to it is looked up by the wrong index, as long as nobody has counted.
        self.database.rows(f"ANALYZE {table.into}")

    def keep(self, hold: Hold) -> None:
        self.database.rows("UPDATE fence SET held = ?", (hold.text,))

    def go_on_from(self, positions: Mapping[str, int]) -> None:
        for table, position in positions.items():
            if table == RECORDS.name and position:
                self.database.rows("SELECT setval(?, ?)", (_RECORDS, position))
            elif position:
                self.database.rows("INSERT INTO positions VALUES (?, ?)", (table, position))

    def chain_of(self, server: str) -> str:
        return f"{server}.1"

    def begin_chain(self, server: str, now: int, ends: Mapping[str, Head]) -> None:
        self.database.rows("INSERT INTO servers VALUES (?, 1, ?, ?, ?, ?, ?)", (server, _NAME, *[now] * 4))

    def at_revision(self, revision: int) -> None:
        self.database.rows("UPDATE fence SET revision = ?", (revision,))

    def finish(self) -> None:
        with self.transaction():
            self.database.rows("UPDATE fence SET held = ''")
        self.close()


def _texts(row: Row) -> Row:
    """A row of which only texts are kept here, but for its seal."""
    return (*map(str, row[:-1]), row[-1])
