"""The store that several servers share.

A batch that only uses what there is runs on what is known of one revision, and is proved at its end: one transaction takes
the fence's lock with others of its kind, finds that the revision is still that one, and keeps nonces and records. A batch
that changes something takes the lock alone, before its first write; so nobody else's ends between what it read and what it
wrote. Whoever finds another revision has done nothing yet, and runs the batch anew (Superseded).

Rule 1: the lock and what is read under it are statements of their own, in READ COMMITTED: in one, the snapshot may be older
than the lock, and an acknowledged change be missed.
Rule 2: no answer leaves before COMMIT was answered. If it never is, the chain of this server says what became of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.clock import Clock
from keystead.domain.audit import Head
from keystead.errors import OperatorError
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import StoreFailure, Superseded
from keystead.store.postgresql import schema
from keystead.store.postgresql.database import PostgresDatabase, failure
from keystead.store.postgresql.log import AuditLog
from keystead.store.postgresql.nonces import Nonces
from keystead.store.postgresql.round_trip import Statement, Step
from keystead.store.postgresql.session import (
    FENCE,
    LOCKS,
    Place,
    Session,
    durability,
    open_connection,
    refuse_held,
    refuse_unfit,
)
from keystead.store.seal_check import Examined, examine
from keystead.store.seals import Seals

_STALE, _OVER = "KS001", "KS002"  # what keep_out raises
_FOUND_OUT_WITHIN = 10.0  # seconds
_SKEW = 2.0  # seconds between clocks, beyond which requests are not judged alike
_BEGIN, _COMMIT = Statement("begin", "BEGIN"), Statement("commit", "COMMIT")
# Never by psycopg's own means: it forgets all statements that are prepared after one of these.
_ROLLBACK = Statement("rollback", "ROLLBACK")
_SAVEPOINT = Statement("savepoint", "SAVEPOINT one_call")
_UNDO = Statement("undo", "ROLLBACK TO one_call")
_RELEASE = Statement("release", "RELEASE one_call")
_LOCK = Statement("lock", "SELECT pg_advisory_xact_lock($1::int, $2::int)")
_SHARED = Statement("shared", "SELECT pg_advisory_xact_lock_shared($1::int, $2::int)")
_KEEP_OUT = Statement("keep_out", "SELECT keep_out($1::text, $2::bigint, $3::bigint)")
_STATE = Statement(
    "state",
    "SELECT (SELECT revision FROM fence), "
    "(SELECT count(*) FROM servers, fence "
    "WHERE server = $1::text AND epoch = $2::bigint AND retired IS NULL AND held = '')",
)
_CHANGED = Statement("changed", "UPDATE fence SET revision = revision + 1")
_JOIN = (
    "INSERT INTO servers VALUES ($1, $4::bigint + 1, $2, $3, $3, NULL, NULL) ON CONFLICT (server) DO UPDATE "
    "SET epoch = greatest(servers.epoch + 1, excluded.epoch), name = excluded.name, started = excluded.started, "
    "seen = excluded.seen, stopped = NULL WHERE servers.retired IS NULL RETURNING epoch"
)
_SEEN = "UPDATE servers SET seen = ? WHERE server = ? AND epoch = ?"


class PostgresStore(DatabaseStore):
    """See keystead.store.ports.Store."""

    def __init__(self, session: Session, place: Place, server: str, epoch: int, clock: Clock) -> None:
        database = PostgresDatabase(session.connection, self._changing, session.watch)
        super().__init__(database, f"{server}.{epoch}")
        self._pg = database
        self._session = session
        self._place = place
        self._identity = (server, epoch)
        self._clock = clock
        self.nonces: Nonces = Nonces(database)
        self.audit: AuditLog = AuditLog(database, self.server_id)
        self._revision: int | None = None  # that all caches are of; None: not known, and they are empty
        self._latest = 0  # the latest revision that was ever seen: none is earlier
        self._alone = False  # whether this batch holds the lock by itself
        self._doomed = False  # whether this batch can only be undone
        self._depth = 0  # of savepoints
        self._writes = 0
        self._trusted = session.connection  # the connection whose database was compared with what is known
        self.problem = ""  # why it can never commit again; "" is nothing
        self.warnings: tuple[str, ...] = ()

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
            made = cls(session, place, server, int(rows[0][0]), clock)
            made.warnings = durability(connection)
            return made
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
        return self._identity[1]

    @property
    def skew(self) -> float:
        """Seconds by which the clock here is ahead of the database's."""
        return self._session.skew

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the database, as far as is known."""
        return self._session.connection is not None

    def tend(self) -> None:
        """In a batch, once a minute: compare the clocks, and keep that this server was there then."""
        try:
            self._session.compare_clocks()
        except psycopg.Error as error:
            raise failure(error) from None
        self._pg.beside(_SEEN, [(int(self._clock.now()), *self._identity)])

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
            if connection is not self._trusted or not self.audit.known:
                self._compare(connection)
            if self._revision is None:
                self.reloads += 1
                ((self._revision,),) = RawCursor(connection).execute("SELECT revision FROM fence").fetchall()
                self._latest = self._revision
            if alone:
                self._take_lock(again=False)
        except psycopg.Error as error:
            raise failure(error) from None

    def commit(self) -> None:
        if self._database.revised and self._database.seals is not None:
            self._database.seals.flush()
        nonces, records, later = self.nonces.pending, self.audit.pending, self._pg.later
        if not (self._alone or nonces or records or later):
            return
        connection = self._session.connection
        if connection is None:
            raise StoreFailure("PostgreSQL: the connection was lost")
        try:
            self._keep(connection)
        except psycopg.errors.UniqueViolation as error:
            raise self._met(error) from None
        except psycopg.Error as error:
            raise self._failed(connection, error) from None
        except _CommitLost:
            if not records or not self._find_out(Head(records[-1][0].sequence, records[-1][1])):
                raise StoreFailure(
                    "PostgreSQL: the connection was lost in COMMIT, which was not carried out"
                ) from None
        if self._session.unreplicated:
            self._session.unreplicated = False
            raise StoreFailure(
                "PostgreSQL: the commit may be on the primary alone; no standby has confirmed it"
            )
        if self._database.revised:
            assert self._revision is not None
            self._revision += 1
            self._latest = self._revision
        self.nonces.kept()
        self.audit.kept()
        self._reset()

    def rollback(self) -> None:
        self._drop_caches()
        self._revision = None
        self.audit.forget_pending()
        self.nonces.forget_pending()
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
        later, nonces, records = len(self._pg.later), self.nonces.pending, self.audit.pending
        self._depth += 1
        if self._alone:
            self._say(_SAVEPOINT)
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
                    self.nonces.pending, self.audit.pending = nonces, records
                if not keep and self._writes != writes:
                    self._forget()
                    self._database.revised = revised
                    if seals is not None:
                        seals.undo(mark)
                    self._say(_UNDO)
                if self._alone:
                    self._say(_RELEASE)

    def close(self) -> None:
        with suppress(psycopg.Error):
            if self._session.connection is not None and not self.problem:
                RawCursor(self._session.connection).execute(
                    "UPDATE servers SET stopped = $3 WHERE server = $1 AND epoch = $2",
                    (*self._identity, int(self._clock.now())),
                )
        self._session.close()

    # --- inside

    def _reset(self) -> None:
        self._alone = self._doomed = False
        self._depth = 0
        self._database.revised = False
        self._pg.later.clear()

    def _say(self, statement: Statement) -> None:
        try:
            self._session.run([(statement, ())])
        except psycopg.Error as error:
            raise failure(error) from None

    def _changing(self) -> None:
        """Before a statement that writes: from here on no other server's batch can end."""
        self._writes += 1
        if not self._alone:
            self._take_lock(again=True)

    def _take_lock(self, again: bool) -> None:
        """Begin the transaction that holds the lock alone. `again`: what was read before must still be so; Superseded."""
        connection = self._session.connection
        if connection is None:
            raise StoreFailure("PostgreSQL: the connection was lost")
        self._doomed = True  # until all of it is done
        here = (LOCKS, FENCE)
        try:
            found = self._session.run([(_BEGIN, ()), (_LOCK, here), (_STATE, self._identity)])
        except psycopg.Error as error:
            raise failure(error) from None
        revision, current = (int(value or 0) for value in found[-1][0])
        if not current:
            raise self._over()
        self._alone = True
        if revision != self._revision:
            if again:
                raise Superseded("PostgreSQL: another server has changed something")
            self._drop_caches()
            self.reloads += 1
            self._revision = self._latest = revision
        self._doomed = False
        for _ in range(self._depth):
            self._say(_SAVEPOINT)

    def _keep(self, connection: psycopg.Connection[Any]) -> None:
        """One round trip: prove that this batch knew the latest, keep what it brings, and commit."""
        assert self._revision is not None
        steps: list[Step] = []
        if not self._alone:
            fence = (*self._identity, self._revision)
            steps += [(_BEGIN, ()), (_SHARED, (LOCKS, FENCE)), (_KEEP_OUT, fence)]
        elif self._database.revised:
            steps.append((_CHANGED, ()))
        if self._pg.later:  # once a minute
            if not self._alone:
                self._session.run(steps)
                steps = []
            self._pg.write_later()
        try:
            self._session.run([*steps, *self.nonces.steps(), *self.audit.steps(), (_COMMIT, ())])
        except psycopg.OperationalError:
            if connection.closed:
                raise _CommitLost from None
            raise

    def _met(self, error: psycopg.errors.UniqueViolation) -> StoreFailure:
        """What it means that something was there already: mostly a request that another server has accepted before."""
        if error.diag.table_name != "nonces":
            self.problem = "another process appends to the audit chain of this server"
            return StoreFailure(f"PostgreSQL: {self.problem}")
        pending = list(self.nonces.pending)
        connection = self._session.connection
        assert connection is not None
        try:
            self._session.run([(_ROLLBACK, ())])
            self.nonces.find(pending)
        except (psycopg.Error, StoreFailure):
            self._session.let_go()
        return Superseded("PostgreSQL: another server has accepted the same request")

    def _failed(self, connection: psycopg.Connection[Any], error: psycopg.Error) -> StoreFailure:
        if error.sqlstate == _STALE:
            return Superseded("PostgreSQL: another server has changed something")
        if error.sqlstate == _OVER:
            return self._over()
        return failure(error)

    def _over(self) -> StoreFailure:
        self.problem = (
            "this server was retired, its store was moved, or another process runs with its data directory"
        )
        return StoreFailure(f"PostgreSQL: {self.problem}")

    def _find_out(self, head: Head) -> bool:
        """Whether the batch that ended with this head was committed. StoreFailure if that can't be told in time."""
        self._session.let_go()
        end = self._clock.monotonic() + _FOUND_OUT_WITHIN
        while True:
            try:
                # It waits until the database has given up the connection that was lost: what is not there now never will be.
                connection = self._session.connect()
                found = self.audit.stored(connection, head.count)
                self._pg.use(connection)
                self._trusted = connection if found == head else None
                return found == head
            except (StoreFailure, psycopg.Error) as error:
                if self._clock.monotonic() > end:
                    raise StoreFailure(f"PostgreSQL: what became of COMMIT is not known: {error}") from None
                self._session.watch.rest(0.2)

    def _compare(self, connection: psycopg.Connection[Any]) -> None:
        """Look whether a database that was connected to anew is at least as late as all that is known of it."""
        rows = RawCursor(connection).execute("SELECT revision FROM fence").fetchall()
        if not rows or rows[0][0] < self._latest or not self.audit.follows(connection):
            self.problem = (
                f"the database {self._place.shown} has gone back in time: it lacks what this server has written; "
                "it was restored from a backup, or a standby without it took its place"
            )
            raise StoreFailure(f"PostgreSQL: {self.problem}")
        if self._revision is not None and rows[0][0] != self._revision:
            self._drop_caches()
            self._revision = None
        self._trusted = connection

    def _forget(self) -> None:
        super()._forget()
        self.nonces.drop_cache()

    def _examine(self, seals: Seals) -> Examined:
        if self._alone:
            return super()._examine(seals)
        with self.snapshot() as database:
            return examine(database, seals.codes)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresDatabase]:
        """What is committed by now, as of one moment, on a connection of its own; only to be read."""
        try:
            with open_connection(self._place) as connection:
                connection.execute("SET statement_timeout = 0")
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield PostgresDatabase(connection)
        except psycopg.Error as error:
            raise failure(error) from None


class _CommitLost(Exception):
    """The connection was lost after COMMIT was sent."""
