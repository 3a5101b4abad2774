"""The servers of a database. Each that runs holds a lock by its id, whatever else the database says of it."""

import psycopg

from keystead.domain.members import Member, MemberState
from keystead.errors import OperatorError
from keystead.store.postgresql.database import PostgresDatabase, failure
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.session import LOCKS, open_connection

# A lock by one number of 64 bits shows as two of 32.
_HOLDS = (
    "EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
    "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(s.server, ?))"
)
_ALL = (
    f"SELECT server, name, epoch, started, seen, stopped, retired, {_HOLDS} FROM servers AS s "  # noqa: S608 - a constant
    "ORDER BY name, server"
)
_RETIRE = "UPDATE servers SET retired = ? WHERE server = ? AND retired IS NULL"


def members(database: PostgresDatabase) -> tuple[Member, ...]:
    """All servers that ever joined, by their names."""
    return tuple(
        Member(server=server, name=name, epoch=epoch, started=started, seen=seen, state=_state(*state))
        for server, name, epoch, started, seen, *state in database.rows(_ALL, (LOCKS,))
    )


def retire(database: PostgresDatabase, server: str, now: int) -> None:
    """Let a server commit nothing from here on, and never start again."""
    database.rows(_RETIRE, (now, server))


def members_at(place: Place) -> tuple[Member, ...]:
    """As `members`, for whoever is none of them. OperatorError if the database can't be read."""
    try:
        with open_connection(place) as connection:
            return members(PostgresDatabase(connection))
    except psycopg.Error as error:
        raise OperatorError(
            f"cannot read the database {place.shown}: {failure(error)}",
            hint="check its address, user and password; psql with the same ones tells more",
        ) from None


def _state(stopped: int | None, retired: int | None, holds: bool) -> MemberState:
    if retired is not None:
        return MemberState.RETIRED
    if holds:
        return MemberState.RUNNING
    return MemberState.LOST if stopped is None else MemberState.STOPPED
