"""The embedded store: one SQLite database, owned by one process.

Rule 1: a commit has returned only if the data is on disk (synchronous=FULL) in the very files that the path names.
Rule 2: SQLite ≥ 3.51.3: older ones can corrupt a database when the WAL is reset (fixed upstream in that release).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from keystead.clock import Clock
from keystead.entropy import Entropy, uuid4
from keystead.errors import OperatorError
from keystead.portable import sync_directory
from keystead.store import migrate, tables
from keystead.store.database_store import DatabaseStore
from keystead.store.lookup_tables import DatabaseLookups
from keystead.store.nonce_tables import Nonces
from keystead.store.ports import StoreFailure
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.sqlite_snapshot import readings

MINIMUM = (3, 51, 3)
_WAL_PAGES = 4000  # of 4 KiB; when the WAL is longer, it is written back to the database after a commit
_WAL_LIMIT = 64 * 1024 * 1024


class SqliteStore(DatabaseStore):
    """See keystead.store.ports.Store."""

    def __init__(self, connection: apsw.Connection, path: Path, server_id: str, clock: Clock) -> None:
        database = SqliteDatabase(connection)
        super().__init__(database, server_id)
        self._connection = connection
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._identity = _identity(path)
        self._size = path.stat().st_size
        self._wal_identity = _identity(self._wal)
        self._suspect = False
        self._astray = False
        self._written = -1  # SQLite's count of what other connections wrote
        self._nonces = Nonces(database)
        self.nonces = self._nonces
        self.audit = tables.AuditLog(database)
        self.lookups = DatabaseLookups(readings(path, clock))
        connection.set_wal_hook(self._after_commit)

    @classmethod
    def open(cls, path: Path, *, clock: Clock, entropy: Entropy) -> "SqliteStore":
        """Open the database, or make it (mode 0600). OperatorError if it is damaged, foreign or newer."""
        check_version()
        fresh = not path.exists()
        connection: apsw.Connection | None = None
        try:
            if fresh:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(5000)
            migrate.refuse_foreign(connection)
            _configure(connection)
            migrate.migrate(connection, int(clock.now()))
            rows = connection.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchall()
            if not rows:
                with connection:
                    connection.execute(
                        "INSERT INTO meta (name, value) VALUES ('server_id', ?), ('horizon', 0)",
                        (uuid4(entropy),),
                    )
                rows = connection.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchall()
            if fresh:
                sync_directory(path.parent)
            return cls(connection, path, str(rows[0][0]), clock)
        except OperatorError:
            _close(connection)
            raise
        except (apsw.NotADBError, apsw.CorruptError) as error:
            _close(connection)
            raise OperatorError(
                f"the database {path} is damaged: {error}", hint="restore the data directory from a backup"
            ) from None
        except (apsw.Error, OSError) as error:
            _close(connection)
            raise OperatorError(
                f"cannot open the database {path}: {error}",
                hint="check its owner, its mode and the free space",
            ) from None

    def begin(self, alone: bool = False) -> None:
        if self._astray:
            self._check_files()
        try:
            if self._suspect:
                # After a failed write nobody knows which pages of the WAL reached the disk, and a hole in it would
                # hide all that follows. Writing it back to the database, with fsync, settles that first.
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
                self._size = self._path.stat().st_size
                self._suspect = False
            self._connection.execute("BEGIN IMMEDIATE")
        except (apsw.Error, OSError) as error:
            raise self._database.failure(error) from None
        self._database.revised = False
        written = int(self._database.rows("PRAGMA data_version")[0][0])
        if written != self._written:  # none but this connection has any business to write
            self._drop_caches()
            if self._written >= 0 and self._database.seals is not None:
                self.blocked.foreign(len(self.examine().found))
            self._written = written

    def commit(self) -> None:
        if self._database.revised and self._database.seals is not None:
            self._database.seals.flush()
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self._suspect = True
            raise self._database.failure(error) from None
        self._check_files()

    def rollback(self) -> None:
        self._drop_caches()
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            self._suspect = True

    @contextmanager
    def savepoint(self) -> Iterator[Callable[[], None]]:
        keep = True

        def undo() -> None:
            nonlocal keep
            keep = False

        seals = self._database.seals
        mark, revised = 0 if seals is None else seals.mark(), self._database.revised
        self._database.rows("SAVEPOINT one_call")
        try:
            yield undo
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                self._forget()
                self._database.revised = revised
                if seals is not None:
                    seals.undo(mark)
                self._database.rows("ROLLBACK TO one_call")
            self._database.rows("RELEASE one_call")

    def close(self) -> None:
        self._connection.close()

    # --- inside

    def _forget(self) -> None:
        super()._forget()
        self._nonces.drop_cache()

    def _after_commit(self, connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages > _WAL_PAGES:
            # If it fails, the commit is durable in the WAL all the same, and the next one tries again. Even then the
            # database may have grown.
            with suppress(apsw.Error):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            with suppress(OSError):
                self._size = self._path.stat().st_size
        return apsw.SQLITE_OK

    def _check_files(self) -> None:
        """StoreFailure unless the database and WAL that the path names are still the files that we write to."""
        self._astray = True
        try:
            status = os.stat(self._path)
            wal = _identity(self._wal)
        except OSError:
            raise StoreFailure(f"{self._path} or its WAL was deleted while the server was running") from None
        if (status.st_dev, status.st_ino) != self._identity or wal != self._wal_identity:
            raise StoreFailure(f"{self._path} or its WAL was replaced while the server was running")
        if status.st_size != self._size:
            raise StoreFailure(f"{self._path} was overwritten while the server was running")
        self._astray = False


def check_version(found: str | None = None) -> None:
    """OperatorError if the SQLite library is older than this store can trust."""
    version = apsw.sqlite_lib_version() if found is None else found
    if tuple(int(part) for part in version.split(".")) < MINIMUM:
        raise OperatorError(
            f"SQLite {version} is too old: it can corrupt a database when its log is reset",
            hint="install apsw 3.51.3 or newer; its wheels bring SQLite with them",
        )


def _configure(connection: apsw.Connection) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    for name, value in (
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("fullfsync", "ON"),  # macOS: its fsync leaves the data in the disk's cache
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("secure_delete", "ON"),
        ("temp_store", "MEMORY"),
        ("journal_size_limit", str(_WAL_LIMIT)),
        ("cache_size", "-65536"),
    ):
        connection.execute(f"PRAGMA {name} = {value}").fetchall()


def _close(connection: apsw.Connection | None) -> None:
    if connection is not None:
        connection.close(force=True)


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
