"""A snapshot of a PostgreSQL database, on a connection of its own; and those that lookups use again and again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import Format
from psycopg.raw_cursor import RawCursor

from keystead.clock import Clock
from keystead.domain.audit import COLUMNS, hashed
from keystead.store.lookups import LONGEST
from keystead.store.postgresql import schema
from keystead.store.postgresql.database import MARK, PostgresDatabase, failure
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.session import open_connection
from keystead.store.postgresql.watch import Watch
from keystead.store.snapshot import HashedRow, Snapshot, Unreadable

_KEPT = 2  # connections, for as many threads as look something up
_STALE = 60.0  # seconds after which one that was kept is given up: by then another host may be the primary
_LENGTHS = [f"octet_length({column}::text), ':', {column}" for column in COLUMNS]
_REVISION = f"CASE WHEN format = 1 AND revision = 0 THEN '' ELSE concat({_LENGTHS[-1]}) END"  # the first format has none
_HASHED = ", ".join([*_LENGTHS[:-1], _REVISION])
_SELECT_HASHED = (
    f"SELECT convert_to(chain, 'UTF8'), sequence, convert_to(concat({_HASHED}), 'UTF8'), hash, position "  # noqa: S608
    "FROM audit"
)
_WHOLE = f"SELECT {', '.join(COLUMNS)} FROM audit WHERE position = ?"  # noqa: S608 - constant names
_CHAIN, _SEQUENCE = COLUMNS.index("chain"), COLUMNS.index("sequence")
_MARKED = MARK.encode()


class PostgresSnapshot(PostgresDatabase, Snapshot):
    """See keystead.store.snapshot.Snapshot. `seconds` is what a statement may take, and whoever reads between two of them;
    0: as long as they like. `watch` ends the wait for a database that says nothing."""

    def __init__(self, place: Place, seconds: float = 0, watch: Watch | None = None) -> None:
        self.place = place.shown
        self._watch = watch
        longest = str(int(seconds * 1000))
        try:
            connection = open_connection(
                place, statement_timeout=longest, idle_in_transaction_session_timeout=longest
            )
        except psycopg.Error as error:
            raise self.failure(error) from None
        if watch is not None:
            watch.follow(connection)
        connection.autocommit = False
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        self._reading = connection
        super().__init__(connection, watch=watch)

    def hashed(self, where: str, values: Sequence[Any]) -> list[HashedRow]:
        rows = self.rows(f"{_SELECT_HASHED} WHERE {where} ORDER BY position", values)
        return [
            (chain, sequence, text, link) if _MARKED not in text else self._hashed_here(position, link)
            for chain, sequence, text, link, position in rows
        ]

    def tables(self) -> set[str]:
        return {str(name) for (name,) in self.rows(schema.TABLES)}

    def damage(self) -> str:
        return ""  # it has checksums of its own, and says so when it reads

    def renew(self) -> None:
        try:
            with self._waiting():
                self._reading.rollback()
        except psycopg.Error as error:
            raise self.failure(error) from None

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        with suppress(psycopg.Error, OSError):
            self._reading.close()

    def failure(self, error: Exception) -> Unreadable:
        return Unreadable(
            f"cannot read the database {self.place}: {failure(error)}",
            hint="is PostgreSQL running there, and may this user read it? psql with the same words tells more",
        )

    def require_current(self) -> None:
        """OperatorError unless the database is of this version."""
        try:
            schema.require_current(self._reading, self.place)
        except psycopg.Error as error:
            raise self.failure(error) from None

    def _hashed_here(self, position: int, link: bytes) -> HashedRow:
        """Of a record with a text that the database can't keep as it was."""
        (values,) = self.rows(_WHOLE, (position,))
        return str(values[_CHAIN]).encode(), values[_SEQUENCE], hashed(values), link

    def _cursor(self) -> RawCursor[Any]:
        cursor = super()._cursor()
        cursor.format = Format.BINARY
        return cursor


def open_snapshot(place: Place) -> PostgresSnapshot:
    """A snapshot of a database of this version. OperatorError if it can't be read, or another one has used it last."""
    snapshot = PostgresSnapshot(place)
    try:
        snapshot.require_current()
    except BaseException:
        snapshot.close()
        raise
    return snapshot


class Readings:
    """Gives each look-up what is committed by then. Connections are kept: to make one takes longer than most of them do."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._kept: list[tuple[PostgresSnapshot, float]] = []  # with when they were last used

    @contextmanager
    def __call__(self) -> Iterator[PostgresSnapshot]:
        snapshot = self._take() or PostgresSnapshot(self._place, LONGEST, Watch(self._clock))
        try:
            yield snapshot
            snapshot.renew()
        except BaseException:
            snapshot.close()
            raise
        self._kept.append((snapshot, self._clock.monotonic()))
        self._leave(_KEPT)

    def close(self) -> None:
        """Let go of those that are kept."""
        self._leave(0)

    def _take(self) -> PostgresSnapshot | None:
        """One that was kept and still answers."""
        while True:
            try:
                snapshot, used = self._kept.pop()
            except IndexError:  # no look at how many there are: another thread may take it in between
                return None
            if self._clock.monotonic() - used < _STALE:
                with suppress(Unreadable):
                    snapshot.rows("SELECT 1")
                    return snapshot
            snapshot.close()

    def _leave(self, amount: int) -> None:
        while len(self._kept) > amount:
            with suppress(IndexError):
                self._kept.pop(0)[0].close()
