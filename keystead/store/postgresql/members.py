"""The servers of a database. Each that runs holds a lock by its id, whatever else the database says of it."""

from collections.abc import Callable

import psycopg

from keystead.clock import Clock
from keystead.domain.audit import Head
from keystead.domain.members import Member, MemberState
from keystead.errors import OperatorError
from keystead.store.ports import StoreFailure
from keystead.store.postgresql.database import PostgresDatabase, failure
from keystead.store.postgresql.fence import RunOver
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.session import LOCKS, Session, durability, open_connection

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
_CURRENT = (
    "SELECT count(*) FROM servers, fence WHERE server = ? AND epoch = ? AND retired IS NULL AND held = ''"
)
_SEEN = "UPDATE servers SET seen = ? WHERE server = ? AND epoch = ?"
_NOTED_EVERY = 60  # seconds
_END = (
    "SELECT sequence, hash, EXISTS (SELECT FROM audit WHERE chain = ? AND sequence > ? AND action <> 'NoteHeads') "
    "FROM audit WHERE chain = ? ORDER BY sequence DESC LIMIT 1"
)
_RETIRE = "UPDATE servers SET retired = ? WHERE server = ? AND retired IS NULL"


def members(database: PostgresDatabase) -> tuple[Member, ...]:
    """All servers that ever joined, by their names."""
    return tuple(
        Member(server=server, name=name, epoch=epoch, started=started, seen=seen, state=_state(*state))
        for server, name, epoch, started, seen, *state in database.rows(_ALL, (LOCKS,))
    )


class Membership:
    """See keystead.store.ports.Shared, for one server. `problems` are those of its store, which `never_again`
    tells why it commits nothing any more."""

    def __init__(
        self,
        session: Session,
        database: PostgresDatabase,
        identity: tuple[str, int],
        clock: Clock,
        problems: Callable[[], list[str]],
        never_again: Callable[[str], StoreFailure],
    ) -> None:
        self._session = session
        self._database = database
        self._identity = identity
        self._clock = clock
        self._never_again = never_again
        self._noted = 0  # when it was written last that this server is there, in seconds since 1970
        self.problems = problems
        self.warnings: tuple[str, ...] = ()
        self.size = 0

    @property
    def skew(self) -> float:
        return self._session.skew

    @property
    def connected(self) -> bool:
        return self._session.connection is not None

    def members(self) -> tuple[Member, ...]:
        return members(self._database)

    def end(self, chain: str, after: int) -> tuple[Head, bool]:
        row = self._database.row(_END, (chain, after, chain))
        return (Head(), False) if row is None else (Head(row[0], row[1]), row[2])

    def retire(self, server: str) -> None:
        self._database.rows(_RETIRE, (int(self._clock.now()), server))

    def _weaknesses(self) -> tuple[str, ...]:
        connection = self._session.connection
        assert connection is not None
        try:
            with self._session.watch.waiting():
                return durability(connection)
        except psycopg.Error as error:
            raise failure(error) from None

    def tend(self) -> None:
        try:
            with self._session.watch.waiting():
                self._session.compare_clocks()
        except psycopg.Error as error:
            raise failure(error) from None
        ((current,),) = self._database.rows(_CURRENT, self._identity)
        if not current:
            raise self._never_again(str(RunOver()))
        now = int(self._clock.now())
        if not 0 <= now - self._noted < _NOTED_EVERY:
            ((self.size,),) = self._database.rows("SELECT pg_database_size(current_database())")
            self.warnings = self._weaknesses()
            self._database.beside(_SEEN, [(now, *self._identity)])
            self._noted = now


def members_at(place: Place) -> tuple[Member, ...]:
    """As `members`, for whoever is none of them. OperatorError if the database can't be read."""
    try:
        with open_connection(place) as connection:
            return members(PostgresDatabase(connection))
    except (psycopg.Error, StoreFailure) as error:
        told = error if isinstance(error, StoreFailure) else failure(error)
        raise OperatorError(
            f"cannot read the database {place.shown}: {told}",
            hint="check its address, user and password; psql with the same ones tells more",
        ) from None


def _state(stopped: int | None, retired: int | None, holds: bool) -> MemberState:
    if retired is not None:
        return MemberState.RETIRED
    if holds:
        return MemberState.RUNNING
    return MemberState.LOST if stopped is None else MemberState.STOPPED
