"""Which signed requests were accepted, in the embedded store."""

from collections.abc import Sequence

from keystead.store.database import Database
from keystead.store.sealed import META
from keystead.store.sealed_table import SealedTable

RECENT_NONCES = 512  # from which on they are put in their places
KNOWN_NONCES = 65_536  # of the newest seconds, known by heart: some 6 MB
_SEEN = (
    "SELECT 1 FROM nonces WHERE second = ?1 AND digest = ?2"
    " UNION ALL SELECT 1 FROM recent_nonces WHERE second = ?1 AND digest = ?2"
)
_NEWEST = (
    "SELECT max(coalesce((SELECT max(second) FROM nonces), -1), coalesce((SELECT max(second) FROM recent_nonces), -1)),"
    " (SELECT count(*) FROM recent_nonces)"
)


class Nonces:
    """Accepted nonces and the horizon.

    New ones lie in a short table; some hundred at a time they are put in their places in the long one. One by one, each
    would rewrite another page of that. Those of the newest seconds, which nearly all requests are about, are known by heart.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._meta = SealedTable(database, META)
        self._horizon: int | None = None
        self._newest: dict[int, set[bytes]] | None = None  # by second
        self._since = 0  # the second from which on all are in `_newest`
        self._known = 0  # how many are in it
        self._recent = 0  # how many are in the short table

    def drop_cache(self) -> None:
        self._horizon = None
        self._newest = None

    def seen(self, second: int, digest: bytes) -> bool:
        newest = self._load()
        if second >= self._since:
            return digest in newest.get(second, ())
        return bool(self._database.rows(_SEEN, (second, digest)))

    def add(self, rows: Sequence[tuple[int, bytes]]) -> None:
        newest = self._load()
        self._database.many("INSERT INTO recent_nonces VALUES (?, ?)", rows)
        for second, digest in rows:
            if second >= self._since:
                newest.setdefault(second, set()).add(digest)
                self._known += 1
        while self._known > KNOWN_NONCES:
            oldest = min(newest)
            self._since = oldest + 1
            self._known -= len(newest.pop(oldest))
        self._recent += len(rows)
        if self._recent >= RECENT_NONCES:
            self._settle()

    def horizon(self) -> int:
        if self._horizon is None:
            row = self._meta.get("horizon")
            self._horizon = 0 if row is None else int(row[1])
        return self._horizon

    def purge(self, second: int) -> None:
        self._settle()
        latest = self._database.rows("SELECT max(second) FROM nonces WHERE second <= ?", (second,))[0][0]
        if latest is not None:
            self._database.rows("DELETE FROM nonces WHERE second <= ?", (second,))
            self.move_horizon(latest)

    def move_horizon(self, second: int) -> None:
        horizon = max(self.horizon(), second)
        self.drop_cache()
        self._meta.put(("horizon", horizon))

    def _load(self) -> dict[int, set[bytes]]:
        if self._newest is None:
            latest, self._recent = self._database.rows(_NEWEST)[0]
            self._newest, self._known, self._since = {}, 0, latest + 1
        return self._newest

    def _settle(self) -> None:
        self._load()
        if self._recent:
            self._database.rows(
                "INSERT OR IGNORE INTO nonces SELECT second, digest FROM recent_nonces ORDER BY second, digest"
            )
            self._database.rows("DELETE FROM recent_nonces")
            self._recent = 0
