"""Which signed requests were accepted, by any server: the index of the table itself refuses the second one.

What this server has accepted or met lately is known by heart. What it does not know is found out by the commit.
"""

from collections.abc import Sequence

from keystead.store.failures import StoreFailure
from keystead.store.postgresql.database import PostgresDatabase
from keystead.store.postgresql.round_trip import Statement, Step
from keystead.store.sealed import META
from keystead.store.sealed_table import SealedTable

KNOWN = 65_536  # of the latest that were accepted here; some 10 MB
Nonce = tuple[int, bytes]
# As two values: arrays would cost more than all else of a commit. In order, so that two servers never wait crosswise.
_WRITE = Statement(
    "nonces",
    "INSERT INTO nonces SELECT second::bigint, substr($2::bytea, (16 * n - 15)::int, 16) "
    "FROM string_to_table($1::text, ',') WITH ORDINALITY AS given (second, n) ORDER BY 1, 2",
)
_FIND = "SELECT second, digest FROM nonces WHERE (second, digest) IN (SELECT * FROM unnest(?::bigint[], ?::bytea[]))"


class Nonces:
    """See keystead.store.ports.Nonces. What is added is `pending` until it is committed."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._meta = SealedTable(database, META)
        self._horizon: int | None = None
        self._known: dict[Nonce, None] = {}
        self.pending: dict[Nonce, None] = {}

    def drop_cache(self) -> None:
        self._horizon = None

    def seen(self, second: int, digest: bytes) -> bool:
        return (second, digest) in self._known or (second, digest) in self.pending

    def add(self, rows: Sequence[Nonce]) -> None:
        if len(set(rows)) < len(rows) or any(self.seen(*row) for row in rows):
            raise StoreFailure("PostgreSQL: a nonce was to be remembered twice")
        self.pending = {**self.pending, **dict.fromkeys(rows)}  # anew: a savepoint may have kept the old ones

    def horizon(self) -> int:
        if self._horizon is None:
            row = self._meta.get("horizon")
            self._horizon = 0 if row is None else int(row[1])
        return self._horizon

    def purge(self, second: int) -> None:
        ((latest,),) = self._database.rows("SELECT max(second) FROM nonces WHERE second <= ?", (second,))
        old = {row for row in self.pending if row[0] <= second}
        if latest is not None or old:
            self._database.rows("DELETE FROM nonces WHERE second <= ?", (second,))
            self.pending = {row: None for row in self.pending if row not in old}
            self.move_horizon(max([latest or 0, *(row[0] for row in old)]))

    def move_horizon(self, second: int) -> None:
        horizon = max(self.horizon(), second)
        self._horizon = None
        if self._meta.put(("horizon", str(horizon))) is None:
            self._meta.insert(("horizon", str(horizon)))

    def steps(self) -> list[Step]:
        """What writes that which is pending."""
        if not self.pending:
            return []
        seconds = ",".join([str(second) for second, _ in self.pending])
        return [(_WRITE, (seconds, b"".join([digest for _, digest in self.pending])))]

    def kept(self) -> None:
        """What was pending is committed."""
        self._remember(self.pending)
        self.pending = {}

    def forget_pending(self) -> None:
        """What was pending is not committed, as far as is known."""
        self.pending = {}

    def find(self, some: Sequence[Nonce]) -> None:
        """Know from here on which of these were accepted, by whichever server."""
        rows = self._database.rows(_FIND, _columns(some))
        self._remember({(int(second), bytes(digest)): None for second, digest in rows})

    def _remember(self, some: dict[Nonce, None]) -> None:
        self._known.update(some)
        while len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]


def _columns(nonces: Sequence[Nonce]) -> tuple[list[int], list[bytes]]:
    return [second for second, _ in nonces], [digest for _, digest in nonces]
