"""A whole copy of a database, of a running server's too, as of one moment."""

import os
from pathlib import Path

import apsw

from keystead.errors import OperatorError
from keystead.portable import sync


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


def copy(source: Path, target: Path) -> None:
    """Make the new file `target`, mode 0600 and durable, of what is committed in `source`. Nothing deleted is in it.

    The server that owns `source` goes on meanwhile. OperatorError if it can't be read or written; then there may be a part.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        connection = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            connection.execute("VACUUM INTO ?", (str(target),))
        finally:
            connection.close()
        sync(descriptor)
    except (apsw.Error, OSError) as error:
        raise OperatorError(
            f"cannot copy the database {source} to {target}: {error}",
            hint="check the free space there, and their owner",
        ) from None
    finally:
        os.close(descriptor)
