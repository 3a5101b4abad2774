"""The one connection that a server's batches run on: made, checked, and made again when it was lost."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.raw_cursor import RawCursor

from keystead.clock import Clock
from keystead.errors import OperatorError
from keystead.store.holds import hold_of
from keystead.store.ports import StoreFailure
from keystead.store.postgresql.database import failure
from keystead.store.postgresql.place import Place as Place
from keystead.store.postgresql.round_trip import Prepared, Step
from keystead.store.postgresql.watch import Watch

MINIMUM = 140000  # PostgreSQL 14
LOCKS = 0x4B657973  # of all advisory locks of ours, the first number
FENCE, MIGRATIONS = 1, 2  # the second
_AGAIN = 0.5  # seconds after which a connection that failed is tried again
_UNREPLICATED = "01000"
# A server that is stopped in the middle of a batch must not hold up the others: the database ends its transaction.
_SETTINGS = {
    "application_name": "keystead",
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "search_path": "",
    "timezone": "UTC",
}
_CONNECTING = {
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
    "target_session_attrs": "read-write",
}


class Session:
    """See the module. `lost` says that the connection has gone, or is not to be trusted."""

    def __init__(self, place: Place, server: str, clock: Clock) -> None:
        self._place = place
        self._server = server
        self._clock = clock
        self._connection: psycopg.Connection[Any] | None = None
        self._prepared: Prepared | None = None
        self._failed = -_AGAIN
        self.watch = Watch(clock)
        self.unreplicated = False  # a commit was told to be on this database alone
        self.skew = 0.0  # seconds by which the clock here is ahead of the database's

    @property
    def connection(self) -> psycopg.Connection[Any] | None:
        """The connection, None if there is none now."""
        return self._connection

    def connect(self) -> psycopg.Connection[Any]:
        """The connection, made if need be. StoreFailure if it can't be had now."""
        if self._connection is not None:
            return self._connection
        if self._clock.monotonic() - self._failed < _AGAIN:
            raise StoreFailure(f"PostgreSQL: no connection to {self._place.shown}")
        try:
            self._connection = open_connection(self._place)
            self._claim(self._connection)
            self.compare_clocks()
        except (psycopg.Error, StoreFailure) as error:
            self.let_go()
            self._failed = self._clock.monotonic()
            raise error if isinstance(error, StoreFailure) else failure(error) from None
        self.watch.follow(self._connection)
        self._connection.add_notice_handler(self._noticed)
        self._prepared = Prepared(self._connection)
        return self._connection

    def run(self, steps: Sequence[Step]) -> list[list[tuple[bytes | None, ...]]]:
        """Statements in one round trip; see Prepared.run."""
        if self._connection is None or self._prepared is None:
            raise StoreFailure("PostgreSQL: the connection was lost")
        with self.watch.waiting():
            return self._prepared.run(steps)

    def let_go(self) -> None:
        """Close the connection: whatever it was about is over."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                connection.close()

    def close(self) -> None:
        """Let go of it for good."""
        self.watch.close()
        self.let_go()

    def compare_clocks(self) -> None:
        """Find out how far the clocks are apart."""
        assert self._connection is not None
        before = self._clock.now()
        ((there,),) = (
            RawCursor(self._connection)
            .execute("SELECT extract(epoch FROM clock_timestamp())::double precision")
            .fetchall()
        )
        after = self._clock.now()
        # Somewhere between both readings: what is beyond them is the least that they are apart.
        self.skew = before - there if there < before else min(0.0, after - there)

    def _claim(self, connection: psycopg.Connection[Any]) -> None:
        """Be the only one that writes for this server. Waits for what an earlier connection of it does still."""
        RawCursor(connection).execute(
            "SELECT pg_advisory_lock(hashtextextended($1, $2))", (self._server, LOCKS)
        )

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        # It was committed here, and a standby that was to have it may not: nobody may be told that it is safe.
        if notice.sqlstate == _UNREPLICATED:
            self.unreplicated = True


def open_connection(place: Place, schema: str = "public", **settings: str) -> psycopg.Connection[Any]:
    """A connection with our settings, and others; each statement is a transaction of its own unless one is begun.
    psycopg.Error."""
    asked = {**_CONNECTING, **conninfo_to_dict(place.conninfo)}
    made = psycopg.connect(autocommit=True, **asked)  # type: ignore[arg-type]
    try:
        made.prepare_threshold = 2
        wanted = {**_SETTINGS, "search_path": schema, **settings}
        each = ", ".join(["set_config(%s, %s, false)"] * len(wanted))
        made.execute(f"SELECT {each}".encode(), [word for setting in wanted.items() for word in setting])
    except BaseException:
        made.close()
        raise
    return made


def refuse_unfit(connection: psycopg.Connection[Any], shown: str) -> None:
    """OperatorError if this database can't be a store."""
    info = connection.info
    if info.server_version < MINIMUM:
        raise OperatorError(
            f"{shown} is PostgreSQL {info.server_version // 10000}, which is too old",
            hint="use PostgreSQL 14 or newer",
        )
    rows = connection.execute(
        "SELECT pg_backend_pid(), current_setting('server_encoding'), current_setting('transaction_read_only'), "
        "pg_is_in_recovery()"
    ).fetchall()
    pid, encoding, read_only, recovering = rows[0]
    if pid != info.backend_pid:
        raise OperatorError(
            f"{shown} is behind a pooler of connections (such as PgBouncer), which breaks the locks of servers",
            hint="name PostgreSQL's own address: Keystead needs one connection a server and a few for readers",
        )
    if encoding != "UTF8":
        raise OperatorError(
            f"the database {shown} has the encoding {encoding}",
            hint="make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )
    if read_only == "on" or recovering:
        raise OperatorError(
            f"the database {shown} can only be read",
            hint="name the primary, or all hosts with target_session_attrs=read-write",
        )


def refuse_held(connection: psycopg.Connection[Any], shown: str) -> None:
    """OperatorError if nobody may use this store."""
    for (held,) in connection.execute("SELECT held FROM fence").fetchall():
        if (hold := hold_of(held)) is not None:
            raise hold.refusal(shown)


def durability(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """What of the database's settings does not keep the promise that an answered call is never lost."""
    asked = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names")
    rows = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(asked),)
    ).fetchall()
    found = {str(name): str(value) for name, value in rows}
    problems = [
        f"{name} is {found[name]}: an answered call can be lost when the database's machine fails"
        for name in ("fsync", "full_page_writes")
        if found[name] != "on"
    ]
    if found["synchronous_commit"] not in ("on", "remote_apply"):
        problems.append(
            f"synchronous_commit is {found['synchronous_commit']}: an answered call can be lost when a machine fails"
        )
    if not found["synchronous_standby_names"]:
        problems.append(
            "synchronous_standby_names is empty: an answered call can be lost when a standby takes the place of the primary"
        )
    return tuple(problems)
