"""A snapshot of a SQLite database, of one that a server uses too."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from keystead.clock import Clock
from keystead.errors import OperatorError
from keystead.store.lookups import LONGEST
from keystead.store.migrate import known
from keystead.store.snapshot import HashedRow, Snapshot, Unreadable
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.verification import SELECT_HASHED

_STEPS = 100_000  # of SQLite's, between two looks at the clock


class SqliteSnapshot(SqliteDatabase, Snapshot):
    """See keystead.store.snapshot.Snapshot."""

    def __init__(self, path: Path, patience: int = 5000) -> None:
        """`patience` is how many milliseconds to wait for whoever has it for himself."""
        self.place = str(path)
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            connection.set_busy_timeout(patience)
            connection.execute("BEGIN")
        except apsw.Error as error:
            raise self.failure(error) from None
        super().__init__(connection)

    def hashed(self, where: str, values: Sequence[Any]) -> list[HashedRow]:
        rows: list[Any] = self.rows(f"{SELECT_HASHED} WHERE {where} ORDER BY position", values)
        return rows

    def tables(self) -> set[str]:
        return {str(name) for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    def damage(self) -> str:
        for (found,) in self.each("PRAGMA integrity_check(1)"):
            if found != "ok":
                return str(found).splitlines()[-1]
        for row in self.each("PRAGMA foreign_key_check"):
            return f"a row of {row[0]} belongs to none of {row[2]}"
        return ""

    def give_up(self, late: Callable[[], bool]) -> None:
        """Let what is looked for fail once that takes too long."""
        self._connection.set_progress_handler(late, _STEPS)

    def renew(self) -> None:
        self.rows("END")
        self.rows("BEGIN")

    def close(self) -> None:
        self._connection.close(force=True)

    def failure(self, error: Exception) -> Unreadable:
        if isinstance(error, UnicodeError):  # which only another program can have written
            return Unreadable(
                f"the database {self.place} was altered: it has text that is not UTF-8",
                hint="keystead audit verify names the record, if it is one; compare with a backup",
            )
        return Unreadable(
            f"cannot read the database {self.place}: {error}",
            hint="check its owner and mode, or restore a backup",
        )


def open_snapshot(path: Path) -> SqliteSnapshot:
    """A snapshot of a database of this version. OperatorError if it can't be read, or another one has used it last."""
    snapshot = SqliteSnapshot(path)
    try:
        snapshot.rows("SELECT count(*) FROM migrations")
        ((version,),) = snapshot.rows("PRAGMA user_version")
        if version != known()[-1].number:
            raise OperatorError(
                f"the database {path} was last used by another version of keystead",
                hint="start keystead serve on it once, which brings it up to date",
            )
    except BaseException:
        snapshot.close()
        raise
    return snapshot


def readings(path: Path, clock: Clock) -> Callable[[], AbstractContextManager[Snapshot]]:
    """Gives each look-up what is committed by then: on a connection of its own, which takes no time worth saving."""

    @contextmanager
    def reading() -> Iterator[SqliteSnapshot]:
        end = clock.monotonic() + LONGEST
        snapshot = SqliteSnapshot(path, 1000)
        try:
            snapshot.give_up(lambda: clock.monotonic() > end)
            yield snapshot
        finally:
            snapshot.close()

    return reading
