"""A whole copy of a database, of a running server's too, as of one moment; with its wrapping keys or without."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from keystead.domain.accounts import WrappingKey
from keystead.errors import OperatorError
from keystead.portable import sync, sync_directory
from keystead.store.ports import StoreFailure
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.tables import Keyring

# How far the write-ahead log may grow beside a copy that is being made: as long as a snapshot is read, nothing of what was
# written since can leave the log.
LOG_BYTES = 1 << 30
_STEP = 1024  # pages between two looks at the log


def server_of(database: Path) -> str | None:
    """The id of the server whose data a database holds, of whichever version; None if it is none that can be read.

    Nothing is written beside it, and it must not change meanwhile.
    """
    try:
        connection = apsw.Connection(
            f"{database.absolute().as_uri()}?immutable=1",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
        try:
            rows = connection.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchall()
        finally:
            connection.close()
    except apsw.Error:
        return None
    return str(rows[0][0]) if rows else None


def copy(source: Path, target: Path, most_log: int = LOG_BYTES) -> None:
    """Make the new file `target`, mode 0600, of what is committed in `source`.

    The server that owns `source` goes on meanwhile; its log grows by no more than `most_log` bytes, and some megabytes.
    OperatorError if that does not do, or it can't be read or written; then there may be a part.
    """
    log = source.with_name(f"{source.name}-wal")
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_directory(target.parent)  # what is cut off is to be seen, however early that was
        with (
            closing(apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)) as origin,
            closing(apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)) as made,
        ):
            origin.set_busy_timeout(5000)
            made.execute("PRAGMA synchronous = OFF").fetchall()  # nobody has it yet, and a part is of no use
            made.execute("PRAGMA journal_mode = OFF").fetchall()
            origin.execute("BEGIN")
            origin.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            before = _size(log)
            with made.backup("main", origin, "main") as backup:
                while not backup.done:
                    backup.step(_STEP)
                    if _size(log) - before > most_log:
                        raise OperatorError(
                            f"{log} has grown by {most_log >> 20} MiB since the backup began, and none is made: the "
                            "server writes faster than its database can be copied",
                            hint="try again when it has less to do, or name a faster disk with --aside",
                        )
    except (apsw.Error, OSError) as error:
        raise OperatorError(
            f"cannot copy the database {source} to {target}: {error}",
            hint="check the free space there, and their owner",
        ) from None


def take_out_wrapping_keys(database: Path) -> tuple[WrappingKey, ...]:
    """Have a copy without the wrapping keys that it had, and give these. What they wrapped stays, and opens no more."""
    with _alone(database) as connection:
        kept = Keyring(SqliteDatabase(connection)).all()
        connection.execute("UPDATE wrapping_keys SET blob = x''")
    return kept


def put_in_wrapping_keys(database: Path, keys: Sequence[WrappingKey]) -> None:
    """Undo `take_out_wrapping_keys`."""
    with _alone(database) as connection:
        connection.executemany(
            "UPDATE wrapping_keys SET blob = ? WHERE generation = ?",
            [(one.blob, one.generation) for one in keys],
        )


def durable(database: Path) -> None:
    """Have a database that nobody has open on the disk itself, in its one file. OSError if that can't be."""
    if _size(
        log := database.with_name(f"{database.name}-wal")
    ):  # closing it could not write that back, and does not tell
        raise OSError(errno.EIO, f"{os.strerror(errno.EIO)}, and {log.name} is left", str(database))
    descriptor = os.open(database, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(database: Path) -> Iterator[apsw.Connection]:
    """A transaction on a database that nobody else has, which leaves one file and nothing of what it overwrites."""
    try:
        with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            for pragma in ("journal_mode = DELETE", "secure_delete = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            with connection:
                yield connection
    except (apsw.Error, StoreFailure) as error:
        raise OperatorError(
            f"cannot write to {database}: {error}", hint="check the free space there, and its owner"
        ) from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # no server has it
        return 0
