"""Applies the numbered migrations to a SQLite database and refuses one that it does not know."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import apsw

from keystead.errors import OperatorError

APPLICATION_ID = 0x4B657973  # "Keys"


class Migration(NamedTuple):
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> tuple[Migration, ...]:
    """All migrations of this program, in order."""
    return steps_in(resources.files("keystead.store.migrations"))


def steps_in(folder: Traversable) -> tuple[Migration, ...]:
    """The steps that a folder has, each in a file NUMBER_NAME.sql, in order."""
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name[:-4].partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return tuple(sorted(found))


def refuse_foreign(connection: apsw.Connection) -> None:
    """OperatorError if the database is another program's. Nothing was changed by then."""
    application = connection.pragma("application_id")
    unmarked = application == 0 and not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if application != APPLICATION_ID and not unmarked:
        raise OperatorError(
            f"{connection.filename} is the database of another program",
            hint="choose another data directory with --data",
        )


def migrate(connection: apsw.Connection, now: int, migrations: tuple[Migration, ...] | None = None) -> None:
    """Bring the database up to date, each step in one transaction together with its record.

    OperatorError if the database belongs to another program or a newer keystead, if an applied step was altered, or if
    another program has put something into the database that a step can't be applied to.
    """
    steps = known() if migrations is None else migrations
    path = connection.filename
    refuse_foreign(connection)
    applied: dict[int, str] = {}
    if connection.pragma("application_id") == APPLICATION_ID:
        rows = connection.execute("SELECT number, checksum FROM migrations")
        applied = {int(number): str(checksum) for number, checksum in rows}
    for number, checksum in applied.items():
        step = next((one for one in steps if one.number == number), None)
        if step is None:
            raise OperatorError(
                f"{path} was written by a newer keystead (it has migration {number}, this program knows {len(steps)})",
                hint="upgrade keystead; an older program must not touch newer data",
            )
        if step.checksum != checksum:
            raise OperatorError(
                f"migration {number} of {path} is not the one this program knows",
                hint="run the release that made this database, or restore a backup",
            )
    for step in steps:
        if step.number in applied:
            continue
        try:
            with _whole(connection):
                if step.number == steps[0].number:
                    connection.pragma("application_id", APPLICATION_ID)
                    connection.execute(
                        "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                        "checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT"
                    )
                connection.execute(step.sql)
                connection.execute(
                    "INSERT INTO migrations VALUES (?, ?, ?, ?)", (step.number, step.name, step.checksum, now)
                )
                connection.pragma("user_version", step.number)
        except (apsw.ConstraintError, apsw.SQLError) as error:
            raise OperatorError(
                f"{path} can't be brought up to date (migration {step.number}): {error}",
                hint="another program has changed the database, which is as it was; the version before still opens it, and "
                "its keystead store verify names what was altered",
            ) from None


@contextmanager
def _whole(connection: apsw.Connection) -> Iterator[None]:
    """All or nothing, within a transaction too. What fails is raised as it is, even where SQLite has rolled back by itself,
    as on a full disk."""
    connection.execute("SAVEPOINT step")
    try:
        yield
        connection.execute("RELEASE step")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO step; RELEASE step")
        raise
