"""The fence between the servers of a database: nobody commits what rests on another state than the latest.

A batch that only uses what there is takes a lock that others of its kind may have, too, and proves that its revision is the
latest. A batch that changes something has the lock alone, from before its first write to its end.

The lock and what is read under it are statements of their own, in READ COMMITTED: in one statement, what it reads may be
older than the lock, and an acknowledged change be missed.
"""

import psycopg

from keystead.store.failures import StoreFailure, Superseded
from keystead.store.postgresql.database import failure
from keystead.store.postgresql.round_trip import Statement, Step
from keystead.store.postgresql.session import FENCE, LOCKS, Session

BEGIN = Statement("begin", "BEGIN")
CHANGED = Statement("changed", "UPDATE fence SET revision = revision + 1")
_LOCK = Statement("lock", "SELECT pg_advisory_xact_lock($1::int, $2::int)")
_SHARED = Statement("shared", "SELECT pg_advisory_xact_lock_shared($1::int, $2::int)")
_KEEP_OUT = Statement("keep_out", "SELECT keep_out($1::text, $2::bigint, $3::bigint)")
_STATE = Statement(
    "state",
    "SELECT (SELECT revision FROM fence), "
    "(SELECT count(*) FROM servers, fence "
    "WHERE server = $1::text AND epoch = $2::bigint AND retired IS NULL AND held = '')",
)
_HERE = (LOCKS, FENCE)
_STALE, _OVER = "KS001", "KS002"  # what keep_out raises
_AGAIN = ("40P01", "40001")  # a deadlock, and its like: nothing was done
_CHANGED_ELSEWHERE = "PostgreSQL: another server has changed something"


class RunOver(StoreFailure):
    """This run of the server commits nothing any more."""

    def __init__(self) -> None:
        super().__init__(
            "PostgreSQL: this server was retired, or another process runs with its data directory, or its store was moved"
        )


class Fence:
    """See the module; for this run of a server."""

    def __init__(self, session: Session, server: str, epoch: int) -> None:
        self._session = session
        self.identity = (server, epoch)

    def take(self) -> int:
        """Begin the transaction that has the lock alone; gives the latest revision. RunOver."""
        try:
            found = self._session.run([(BEGIN, ()), (_LOCK, _HERE), (_STATE, self.identity)])
        except psycopg.Error as error:
            raise self.failure(error) from None
        revision, current = (int(value or 0) for value in found[-1][0])
        if not current:
            raise RunOver
        return revision

    def shared(self, revision: int) -> list[Step]:
        """What begins the transaction of a batch that changes nothing and knows this revision."""
        return [(BEGIN, ()), (_SHARED, _HERE), (_KEEP_OUT, (*self.identity, revision))]

    def failure(self, error: psycopg.Error) -> StoreFailure:
        """What an error means to the batch that met it."""
        if error.sqlstate == _STALE:
            return Superseded(_CHANGED_ELSEWHERE)
        if error.sqlstate == _OVER:
            return RunOver()
        if error.sqlstate in _AGAIN:
            return Superseded(f"PostgreSQL: {error.sqlstate}: another server was in the way")
        return failure(error)

    @staticmethod
    def stale() -> Superseded:
        """For a batch that has believed another revision."""
        return Superseded(_CHANGED_ELSEWHERE)
