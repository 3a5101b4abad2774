"""The ends of a transfer in a data directory: SQLite databases.

A copy has another name until it is whole, and what was moved away has another one afterwards; so neither can be taken for a
database that is in use. Whatever is cut off, at no time two of them have that name.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw

from keystead.domain.audit import Head
from keystead.errors import OperatorError
from keystead.portable import replace, sync_directory
from keystead.store import migrate
from keystead.store.copying import durable
from keystead.store.failures import StoreFailure
from keystead.store.holds import Hold, hold_of
from keystead.store.sealed import META, Row
from keystead.store.sealed_table import SealedTable
from keystead.store.sqlite import check_version
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.transfer.ends import End, Occupied, Source, Target
from keystead.store.transfer.order import RECORDS, Carried


class Files(NamedTuple):
    """Where the databases of one data directory are, and the note of where the one that was moved is now."""

    database: Path
    copying: Path
    moved: Path
    note: Path


class _SqliteEnd(End):
    """What both ends have in common."""

    def __init__(self, path: Path | None) -> None:
        self._connection = apsw.Connection(":memory:") if path is None else _opened(path)
        self._database = SqliteDatabase(self._connection)

    @property
    def database(self) -> SqliteDatabase:
        return self._database

    def tables(self) -> frozenset[str]:
        rows = self.database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return frozenset(str(name) for (name,) in rows)

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(
            str(name) for (name,) in self.database.rows("SELECT name FROM pragma_table_info(?)", (table,))
        )

    def latest_position(self, table: str) -> int:
        row = self.database.row("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        if row is None:
            row = self.database.row(f"SELECT max(position) FROM {table}")  # noqa: S608 - our own names
        return int((row or (0,))[0] or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.rows("BEGIN")
        try:
            yield
            self.database.rows("COMMIT")
        finally:
            if self._connection.in_transaction:
                with suppress(apsw.Error):
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close(force=True)


class SqliteSource(_SqliteEnd, Source):
    """The database of a data directory that this process has locked."""

    def __init__(self, files: Files, shown: str) -> None:
        """OperatorError if there is none, or it is of another version."""
        self.shown = shown
        self._files = files
        self.moved = None
        path = files.database
        if not path.exists() and files.moved.exists():
            path = files.moved
            self.moved = moved_to(files)
            if self.moved is None:
                raise OperatorError(
                    f"the store of {shown} was moved away, and {files.note} does not say where to",
                    hint=f"look for it; {files.moved} is what it was then",
                )
        if not path.exists():
            raise OperatorError(f"there is no data in {shown}", hint="name a data directory that has some")
        super().__init__(path)
        try:
            ((version,),) = self.database.rows("PRAGMA user_version")
            if version != migrate.known()[-1].number or "migrations" not in self.tables():
                raise OperatorError(
                    f"the database {path} was last used by another version of keystead",
                    hint="start keystead serve on it once, which brings it up to date"
                    if self.moved is None
                    else "run the same keystead store copy with that version, which ends the move",
                )
        except BaseException:
            self.close()
            raise

    def latest_revision(self) -> int:
        return 0

    def hold(self, moved: Hold) -> None:
        if self.moved is not None:
            return
        self.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        with _told(self._files.note):
            replace(self._files.note, f"{moved.text}\n".encode(), 0o600)
        _rename(self._files.database, self._files.moved)


class SqliteTarget(_SqliteEnd, Target):
    """A database that is to be that of a data directory, which this process has locked."""

    def __init__(self, files: Files, shown: str) -> None:
        """OperatorError if the directory has one already."""
        check_version()
        self.shown = shown
        self._files = files
        self.begun = None
        self.emptied = f"remove {files.copying}"
        if files.database.exists():
            raise Occupied(
                f"there is data in {shown} already",
                hint="a store is copied to an empty place only; name another one",
            )
        # In memory until it is sure that there is something to be kept.
        super().__init__(files.copying if files.copying.exists() else None)
        try:
            self._configure()
            there = self.tables()
            if "copying" in there:
                self.begun = hold_of(str(self.database.rows("SELECT held FROM copying")[0][0]))
            elif "migrations" in there:  # it was about to get its name
                ((server,),) = self.database.rows("SELECT value FROM meta WHERE name = 'server_id'")
                self.begun = Hold(state="copying", move=server, other="", settled=True)
        except BaseException:
            self.close()
            raise

    def begin(self, hold: Hold, now: int) -> None:
        path = self._files.copying
        self.close()
        with _told(path):
            for one in (path, *_beside(path)):
                one.unlink(missing_ok=True)  # nothing is in it
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        super().__init__(path)
        self._configure()
        with self.transaction():
            migrate.migrate(self._connection, now)
            self.database.rows("CREATE TABLE copying (held TEXT NOT NULL) STRICT")
            self.database.rows("INSERT INTO copying VALUES (?)", (hold.text,))

    def _configure(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "fullfsync = ON", "cache_size = -65536"):
            self.database.rows(f"PRAGMA {pragma}")

    def put(self, table: Carried, columns: Sequence[str], rows: Sequence[Row], hold: Hold) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        with self.transaction():
            self.database.many(f"INSERT INTO {table.into} ({names}) VALUES ({marks})", rows)  # noqa: S608 - our own names
            self.keep(hold)

    def filled(self, table: Carried) -> None:
        pass

    def keep(self, hold: Hold) -> None:
        self.database.rows("UPDATE copying SET held = ?", (hold.text,))

    def go_on_from(self, positions: Mapping[str, int]) -> None:
        for table, position in positions.items():
            if table != RECORDS.name:  # whose next one is behind the last that is there
                self.database.rows("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                self.database.rows("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, position))

    def chain_of(self, server: str) -> str:
        return server

    def begin_chain(self, server: str, now: int, ends: Mapping[str, Head]) -> None:
        meta = SealedTable(self.database, META)
        if meta.put(("server_id", server)) is None:
            meta.insert(("server_id", server))
        if meta.get("horizon") is None:  # here it is there from the begin
            meta.insert(("horizon", 0))
        self.database.many(
            "INSERT INTO chains VALUES (?, ?, ?)",
            [(chain, end.count, end.hash) for chain, end in ends.items()],
        )

    def at_revision(self, revision: int) -> None:
        pass  # the sealed record alone says it

    def finish(self) -> None:
        self.database.rows("DROP TABLE IF EXISTS copying")
        self.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        _rename(self._files.copying, self._files.database)


def moved_to(files: Files) -> Hold | None:
    """Where the store of a data directory was moved to, if its note says so."""
    with suppress(OSError, UnicodeDecodeError, OperatorError):
        return hold_of(files.note.read_text(encoding="utf-8"))
    return None


def _opened(path: Path) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(5000)
        migrate.refuse_foreign(connection)
    except apsw.Error as error:
        raise OperatorError(
            f"cannot open the database {path}: {error}", hint="check its owner, its mode and the free space"
        ) from None
    return connection


def _beside(path: Path) -> list[Path]:
    """What SQLite may have beside a database that is in use."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]


def _rename(path: Path, to: Path) -> None:
    """Give a database that nobody uses another name, at once and durably."""
    with _told(path):
        if any(one.exists() for one in _beside(path)):
            raise StoreFailure(f"another program uses {path}")
        durable(path)
        path.rename(to)
        sync_directory(path.parent)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFailure(f"{path}: {error.strerror}") from None
