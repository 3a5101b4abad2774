"""The schema in PostgreSQL: applied by numbered steps, each in a transaction of its own, by one server at a time."""

from importlib import resources
from typing import Any

import psycopg

from keystead.errors import OperatorError
from keystead.store.migrate import Migration, steps_in
from keystead.store.postgresql.session import LOCKS, MIGRATIONS

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_MADE = (
    "CREATE TABLE migrations "
    "(number bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied bigint NOT NULL)"
)


def known() -> tuple[Migration, ...]:
    """All steps of this program, in order."""
    return steps_in(resources.files("keystead.store.postgresql.migrations"))


def migrate(
    connection: psycopg.Connection[Any], shown: str, now: int, steps: tuple[Migration, ...] | None = None
) -> None:
    """Bring the database up to date. OperatorError if it is another program's, a newer version's, or altered."""
    steps = known() if steps is None else steps
    lock = (LOCKS, MIGRATIONS)
    connection.execute("SELECT pg_advisory_lock(%s, %s)", lock)
    try:
        applied = _applied(connection, shown)
        _refuse_unknown(applied, steps, shown)
        for step in steps:
            if step.number in applied:
                continue
            with connection.transaction():
                if step.number == steps[0].number:
                    connection.execute(_MADE)
                connection.execute(step.sql.encode())
                connection.execute(
                    "INSERT INTO migrations VALUES (%s, %s, %s, %s)",
                    (step.number, step.name, step.checksum, now),
                )
    except psycopg.errors.InsufficientPrivilege as error:
        raise OperatorError(
            f"the user of {shown} may not make its tables: {error.diag.message_primary}",
            hint="make it the owner of the database: ALTER DATABASE … OWNER TO …",
        ) from None
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


def require_current(connection: psycopg.Connection[Any], shown: str) -> None:
    """OperatorError unless the database has all steps of this program, and no others."""
    applied, steps = _applied(connection, shown), known()
    _refuse_unknown(applied, steps, shown)
    if len(applied) < len(steps):
        raise OperatorError(
            f"the database {shown} was last used by an earlier keystead"
            if applied
            else f"there is no data in {shown}",
            hint="start keystead serve on it once, which brings it up to date",
        )


def _applied(connection: psycopg.Connection[Any], shown: str) -> dict[int, str]:
    there = {str(name) for (name,) in connection.execute(TABLES).fetchall()}
    if "migrations" not in there:
        if there:
            raise OperatorError(
                f"the database {shown} is another program's: it has the table {min(there)}",
                hint="give Keystead a database of its own: CREATE DATABASE keystead",
            )
        return {}
    try:
        rows = connection.execute("SELECT number, checksum FROM migrations").fetchall()
    except psycopg.errors.UndefinedColumn:
        raise OperatorError(
            f"the database {shown} is another program's: its table migrations is none of ours",
            hint="give Keystead a database of its own: CREATE DATABASE keystead",
        ) from None
    return {int(number): str(checksum) for number, checksum in rows}


def _refuse_unknown(applied: dict[int, str], steps: tuple[Migration, ...], shown: str) -> None:
    for number, checksum in applied.items():
        step = next((one for one in steps if one.number == number), None)
        if step is None:
            raise OperatorError(
                f"{shown} was written by a newer keystead (it has step {number}, this program knows {len(steps)})",
                hint="upgrade keystead here, too; an older program must not touch newer data",
            )
        if step.checksum != checksum:
            raise OperatorError(
                f"step {number} of the schema of {shown} is not the one that this program knows",
                hint="run the release that made this database, or restore a backup of it",
            )
