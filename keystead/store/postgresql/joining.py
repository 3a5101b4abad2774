"""How a server comes to use a database: looked at, brought up to date, and joined as one of its servers."""

from collections.abc import Callable
from typing import NamedTuple

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.clock import Clock
from keystead.errors import OperatorError
from keystead.store.failures import StoreFailure
from keystead.store.postgresql import schema
from keystead.store.postgresql.database import PostgresDatabase, failure
from keystead.store.postgresql.session import (
    Place,
    Session,
    durability,
    open_connection,
    refuse_held,
    refuse_unfit,
)

_JOIN = (
    "INSERT INTO servers VALUES ($1, $4::bigint + 1, $2, $3, $3, NULL, NULL) ON CONFLICT (server) DO UPDATE "
    "SET epoch = greatest(servers.epoch + 1, excluded.epoch), name = excluded.name, started = excluded.started, "
    "seen = excluded.seen, stopped = NULL WHERE servers.retired IS NULL RETURNING epoch"
)


class Joined(NamedTuple):
    """The connection of a server, the number of this start of it, and what of the database does not keep the promises."""

    session: Session
    epoch: int
    warnings: tuple[str, ...]


def join(
    place: Place, server: str, name: str, clock: Clock, after: int, first: Callable[[PostgresDatabase], None]
) -> Joined:
    """See PostgresStore.open."""
    session = Session(place, server, clock)
    try:
        with open_connection(place) as connection:
            refuse_unfit(connection, place.shown)
            schema.migrate(connection, place.shown, int(clock.now()))
            refuse_held(connection, place.shown)
            first(PostgresDatabase(connection))
        connection = session.connect()
        rows = RawCursor(connection).execute(_JOIN, (server, name, int(clock.now()), after)).fetchall()
        if not rows:
            raise OperatorError(
                f"this server, {server}, was retired from {place.shown}",
                hint="give it a new data directory; it joins as another server then",
            )
        return Joined(session, int(rows[0][0]), durability(connection))
    except StoreFailure as error:
        session.close()
        raise OperatorError(
            f"cannot use the database {place.shown}: {error}",
            hint="is PostgreSQL running there, and is no other process running with this data directory?",
        ) from None
    except psycopg.Error as error:
        session.close()
        raise OperatorError(
            f"cannot open the database {place.shown}: {failure(error)}",
            hint="check its address, user and password; psql with the same ones tells more",
        ) from None
    except BaseException:
        session.close()
        raise
