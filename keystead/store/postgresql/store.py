"""The store that several servers share.

A batch runs on what is known of one revision, read statement by statement. Its commit is one round trip that carries its
nonces, its records, and the proof that the revision is still that one: see `fence`. Whoever finds another revision has done
nothing yet, and runs the batch anew (Superseded).

No answer leaves before COMMIT was answered. If it never is, the chain of this server says what became of it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.clock import Clock
from keystead.domain.audit import Head
from keystead.store.database_store import DatabaseStore
from keystead.store.lookup_tables import DatabaseLookups
from keystead.store.ports import StoreFailure, Superseded
from keystead.store.postgresql.database import PostgresDatabase, failure
from keystead.store.postgresql.fence import CHANGED, Fence, RunOver
from keystead.store.postgresql.joining import join
from keystead.store.postgresql.log import AuditLog
from keystead.store.postgresql.members import Membership
from keystead.store.postgresql.nonces import Nonces
from keystead.store.postgresql.round_trip import Statement, Step
from keystead.store.postgresql.session import Place, Session
from keystead.store.postgresql.snapshot import PostgresSnapshot, Readings
from keystead.store.seal_check import Examined, examine
from keystead.store.seals import Seals

_FOUND_OUT_WITHIN = 10.0  # seconds
_SKEW = 2.0  # seconds between clocks, beyond which requests are not judged alike
_COMMIT = Statement("commit", "COMMIT")
_TOUCHED = "UPDATE servers SET seen = seen WHERE server = $1 AND epoch = $2"
# Never by psycopg's own means: it forgets all statements that are prepared after one of these.
_ROLLBACK = Statement("rollback", "ROLLBACK")
_SAVEPOINT = Statement("savepoint", "SAVEPOINT one_call")
_UNDO = Statement("undo", "ROLLBACK TO one_call")
_RELEASE = Statement("release", "RELEASE one_call")
_LOOKS_EVERY = 1.0  # seconds


class PostgresStore(DatabaseStore):
    """See keystead.store.ports.Store."""

    def __init__(self, session: Session, place: Place, server: str, epoch: int, clock: Clock) -> None:
        database = PostgresDatabase(session.connection, self._changing, session.run, session.watch)
        super().__init__(database, f"{server}.{epoch}")
        self._pg = database
        self._session = session
        self._place = place
        self._fence = Fence(session, server, epoch)
        self._clock = clock
        self._nonces = Nonces(database)
        self.nonces = self._nonces
        self._log = AuditLog(database, self.server_id)
        self.audit = self._log
        self._readings = Readings(place, clock)
        self.lookups = DatabaseLookups(self._readings)
        self._revision: int | None = None  # that all caches are of; None: not known, and they are empty
        self._looked = -_LOOKS_EVERY  # when the revision was read last
        self._latest = 0  # the latest revision that was ever seen: none is earlier
        self._alone = False  # whether this batch holds the lock by itself
        self._doomed = False  # whether this batch can only be undone
        self._depth = 0  # of savepoints
        self._writes = 0
        self._trusted = session.connection  # the connection whose database was compared with what is known
        self.problem = ""  # why it can never commit again; "" is nothing
        self._membership = Membership(
            session, database, self._fence.identity, clock, self.problems, self._never_again
        )

    @classmethod
    def open(
        cls,
        place: Place,
        server: str,
        name: str,
        clock: Clock,
        *,
        after: int = 0,
        first: Callable[[PostgresDatabase], None] = lambda database: None,
    ) -> "PostgresStore":
        """Open the database as the server of this id, made ready if need be. OperatorError if that can't be.

        `after` is an epoch that this server had before, whatever the database says; `first` looks at the database before the
        server joins, which it then does not if that raises an error.
        """
        joined = join(place, server, name, clock, after, first)
        made = cls(joined.session, place, server, joined.epoch, clock)
        made._membership.warnings = joined.warnings
        return made

    @property
    def shared(self) -> Membership:
        return self._membership

    @property
    def revision(self) -> int:
        """How many batches have changed anything, with this one if it has."""
        return (self._revision or 0) + self._database.revised

    def problems(self) -> list[str]:
        """What keeps calls from being answered; nothing is []."""
        skew = self._session.skew
        apart = f"the clocks of this machine and of the database are {abs(skew):.1f} s apart"
        return [*filter(None, [self.problem]), *([apart] if abs(skew) > _SKEW else [])]

    @property
    def epoch(self) -> int:
        """How often this server has started, this time included."""
        return self._fence.identity[1]

    def advance(self, revision: int) -> None:
        self._changing()
        super().advance(revision)
        self._pg.rows("UPDATE fence SET revision = greatest(revision, ?)", (revision,))
        self._revision = max(self._revision or 0, revision)

    def begin(self, alone: bool = False) -> None:
        if self.problem:
            raise StoreFailure(self.problem)
        self._reset()
        connection = self._session.connect()
        self._pg.use(connection)
        try:
            if connection is not self._trusted or not self._log.known:
                self._compare(connection)
            if self._clock.monotonic() - self._looked >= _LOOKS_EVERY:
                self._look(connection)
            if alone:
                self._take_lock(again=False)
        except psycopg.Error as error:
            raise failure(error) from None

    def commit(self) -> None:
        if self._database.revised and self._database.seals is not None:
            self._database.seals.flush()
        nonces, records, later = self._nonces.pending, self._log.pending, self._pg.later
        if not (self._alone or nonces or records or later):
            return
        connection = self._session.connection
        if connection is None:
            raise StoreFailure("PostgreSQL: the connection was lost")
        try:
            self._keep(connection)
        except RunOver as over:
            raise self._never_again(str(over)) from None
        except _CommitLost:
            if not records or not self._find_out(Head(records[-1][0].sequence, records[-1][1])):
                raise Superseded("PostgreSQL: COMMIT was lost, and was not carried out") from None
        if self._session.unreplicated:
            self._session.unreplicated = False
            raise StoreFailure(
                "PostgreSQL: the commit may be on the primary alone; no standby has confirmed it"
            )
        if self._database.revised:
            assert self._revision is not None
            self._revision += 1
            self._latest = self._revision
        self._nonces.kept()
        self._log.kept()
        self._reset()

    def rollback(self) -> None:
        self._drop_caches()
        self._revision, self._looked = None, -_LOOKS_EVERY
        self._log.forget_pending()
        self._nonces.forget_pending()
        self._reset()
        connection = self._session.connection
        if connection is None:
            return
        if connection.closed or connection.broken:
            self._session.let_go()
            return
        try:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._session.run([(_ROLLBACK, ())])
        except psycopg.Error:
            self._session.let_go()

    @contextmanager
    def savepoint(self) -> Iterator[Callable[[], None]]:
        keep = True

        def undo() -> None:
            nonlocal keep
            keep = False

        seals = self._database.seals
        mark, revised, writes = 0 if seals is None else seals.mark(), self._database.revised, self._writes
        later, nonces, records = len(self._pg.later), self._nonces.pending, self._log.pending
        self._depth += 1
        if self._alone:
            self._pg.queued.append((_SAVEPOINT, ()))
        try:
            yield undo
        except BaseException:
            keep = False
            raise
        finally:
            self._depth -= 1
            if not self._doomed:
                if not keep:
                    del self._pg.later[later:]
                    self._nonces.pending, self._log.pending = nonces, records
                if not keep and self._writes != writes:
                    self._forget()
                    self._database.revised = revised
                    if seals is not None:
                        seals.undo(mark)
                    self._pg.queued.append((_UNDO, ()))
                if self._alone:
                    self._pg.queued.append((_RELEASE, ()))

    def close(self) -> None:
        with suppress(psycopg.Error):
            if self._session.connection is not None and not self.problem:
                RawCursor(self._session.connection).execute(
                    "UPDATE servers SET stopped = $3 WHERE server = $1 AND epoch = $2",
                    (*self._fence.identity, int(self._clock.now())),
                )
        self._session.close()
        self._readings.close()

    # --- inside

    def _reset(self) -> None:
        self._alone = self._doomed = False
        self._depth = 0
        self._database.revised = False
        self._pg.reset()

    def _changing(self) -> None:
        """Before a statement that writes: from here on no other server's batch can end."""
        self._writes += 1
        if not self._alone:
            self._take_lock(again=True)

    def _take_lock(self, again: bool) -> None:
        """Begin the transaction that has the lock alone. `again`: what was read before must still be so; Superseded."""
        self._doomed = True  # until all of it is done
        try:
            revision = self._fence.take()
        except RunOver as over:
            raise self._never_again(str(over)) from None
        self._alone = True
        if revision != self._revision:
            if again:
                raise self._fence.stale()
            self._drop_caches()
            self.reloads += 1
            self._revision = self._latest = revision
        self._doomed = False
        self._pg.queued += [(_SAVEPOINT, ())] * self._depth

    def _keep(self, connection: psycopg.Connection[Any]) -> None:
        """One round trip: prove that this batch knew the latest, keep what it brings, and commit."""
        assert self._revision is not None
        steps: list[Step] = []
        if not self._alone:
            steps += self._fence.shared(self._revision)
        elif self._database.revised:
            steps.append((CHANGED, ()))
        steps += [*self._pg.closing(), *self._nonces.steps(), *self._log.steps()]
        try:
            self._session.run([*steps, (_COMMIT, ())])
        except psycopg.errors.UniqueViolation as error:
            raise self._met(error) from None
        except psycopg.Error as error:
            if connection.closed:
                raise _CommitLost from None
            raise self._fence.failure(error) from None

    def _met(self, error: psycopg.errors.UniqueViolation) -> StoreFailure:
        """What it means that something was there already: mostly a request that another server has accepted before."""
        if error.diag.table_name == "audit":
            return self._never_again("another process appends to the audit chain of this server")
        if error.diag.table_name != "nonces":
            return failure(error)
        pending = list(self._nonces.pending)
        try:
            self._session.run([(_ROLLBACK, ())])
            self._nonces.find(pending)
        except (psycopg.Error, StoreFailure):
            self._session.let_go()
        return Superseded("PostgreSQL: another server has accepted the same request")

    def _never_again(self, problem: str) -> StoreFailure:
        self.problem = problem.removeprefix("PostgreSQL: ")
        return StoreFailure(f"PostgreSQL: {self.problem}")

    def _find_out(self, head: Head) -> bool:
        """Whether the batch that ended with this head was committed. StoreFailure if that can't be told in time."""
        self._session.let_go()
        end = self._clock.monotonic() + _FOUND_OUT_WITHIN
        while True:
            try:
                # It waits until the database has given up the connection that was lost: what is not there now never will be.
                connection = self._session.connect()
                found = self._log.stored(connection, head.count)
                if found == head:
                    self._await_standby(connection)
                self._pg.use(connection)
                self._trusted = connection if found == head else None
                return found == head
            except (StoreFailure, psycopg.Error) as error:
                if self._clock.monotonic() > end:
                    raise StoreFailure(f"PostgreSQL: what became of COMMIT is not known: {error}") from None
                self._session.let_go()
                self._session.watch.rest(0.2)

    def _await_standby(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until what is committed here is where it has to be before anybody is told.

        The connection that was lost may have waited for a standby; what it committed can be seen here all the same.
        Whatever is committed after that waits for it, too.
        """
        with self._session.watch.waiting():
            RawCursor(connection).execute(_TOUCHED, self._fence.identity)

    def _compare(self, connection: psycopg.Connection[Any]) -> None:
        """Look whether a database that was connected to anew is at least as late as all that is known of it."""
        revision = self._revision_of(connection)
        if revision < self._latest or not self._log.follows(connection):
            raise self._never_again(
                f"the database {self._place.shown} has gone back in time: it lacks what this server has written; "
                "it was restored from a backup, or a standby without it took its place"
            )
        if self._revision is not None and revision != self._revision:
            self._looked = -_LOOKS_EVERY
        self._trusted = connection

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        """Take over what others have changed: what commits nothing proves nothing, and shall not see old things long."""
        revision = self._revision_of(connection)
        if revision < self._latest:
            self._compare(connection)  # which ends it
        if revision != self._revision:
            self._drop_caches()
            self.reloads += 1
            self._revision = self._latest = revision
        self._looked = self._clock.monotonic()

    def _revision_of(self, connection: psycopg.Connection[Any]) -> int:
        """The latest one; -1 in a database that has lost it."""
        with self._session.watch.waiting():
            rows = RawCursor(connection).execute("SELECT revision FROM fence").fetchall()
        return int(rows[0][0]) if rows else -1

    def _forget(self) -> None:
        super()._forget()
        self._nonces.drop_cache()

    def _examine(self, seals: Seals) -> Examined:
        if self._alone:
            return super()._examine(seals)
        with self.snapshot() as database:
            return examine(database, seals.codes)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """What is committed by now, as of one moment, on a connection of its own; only to be read."""
        with closing(PostgresSnapshot(self._place)) as snapshot:
            yield snapshot


class _CommitLost(Exception):
    """The connection was lost after COMMIT was sent."""
