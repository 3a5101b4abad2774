"""A batch: the calls that share one commit, with their nonces and audit records."""

from keystead.domain.accounts import LAST_USED_EVERY, AccessKey
from keystead.domain.audit import Head, Record, link
from keystead.domain.keys.uses import Place, Use, User
from keystead.domain.sessions import USED_EVERY, Session
from keystead.store.ports import Store


class Batch:
    """Opened by the pipeline after `store.begin()`; `write` hands nonces and records to the store before the commit."""

    def __init__(self, store: Store, chain: str) -> None:
        self._store = store
        self.chain = chain  # of its records: the id of the server that writes them
        self._head = store.audit.head(chain)
        self._count = self._head.count
        self._hash = self._head.hash
        self._nonces: dict[tuple[int, bytes], None] = {}
        self._records: list[tuple[Record, bytes]] = []
        self._used: dict[str, int] = {}
        # Uses of keys: of which, by whom (as `User`), when, and 1 if it was refused.
        self.uses: list[tuple[Place, tuple[str, ...], int, int]] = []
        # Of the tallies, what this batch writes:
        self.written_uses: dict[Place, dict[User, Use]] = {}
        self.written_minutes: dict[tuple[str, int], tuple[int, int]] = {}
        self._sessions: dict[bytes, int] = {}
        # Of the chains of servers that share the store, see keystead.api.chains:
        self.joins = False
        self.noted: dict[str, Head] = {}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit: it is known of no call in it who sent it."""
        return not self._records and not self._nonces

    @property
    def records(self) -> int:
        """How many records the batch will write."""
        return len(self._records)

    @property
    def appended(self) -> list[tuple[Record, bytes]]:
        """Those records, with their hashes."""
        return self._records

    @property
    def writes_tallies(self) -> bool:
        """Whether it writes any already."""
        return bool(self.written_uses or self.written_minutes)

    def use_nonce(self, second: int, digest: bytes) -> bool:
        """Take a nonce; False if it was taken before, in this batch or ever."""
        nonce = (second, digest)
        if nonce in self._nonces or self._store.nonces.seen(second, digest):
            return False
        self._nonces[nonce] = None
        return True

    def wait_for_disk(self, second: int, digest: bytes) -> None:
        """Write something that is forgotten soon, so that this batch takes as long as one with a record."""
        self._nonces[second, digest] = None

    def release_nonce(self, second: int, digest: bytes) -> None:
        """Give back a nonce that this batch took; whoever reserves it instead uses it in a later batch."""
        del self._nonces[second, digest]

    @property
    def head(self) -> Head:
        """The end of its chain, once it is durable."""
        return Head(self._count, self._hash)

    @property
    def next(self) -> int:
        """The sequence of its next record."""
        return self._count + 1

    @property
    def revision(self) -> int:
        """How many batches have changed anything, with this one once it has."""
        return self._store.revision

    def append(self, record: Record) -> None:
        """Append an audit record, the next one of the chain."""
        self._count = record.sequence
        self._hash = link(self._hash, record)
        self._records.append((record, self._hash))

    def note_use(self, access_key: AccessKey, now: int) -> None:
        """An AccessKey was used; kept if what is known is older than that by LAST_USED_EVERY, and a record is written."""
        if abs(now - access_key.last_used) >= LAST_USED_EVERY:  # a clock may have been put back
            self._used[access_key.access_key_id] = now

    def note_session(self, session: Session, now: int) -> None:
        """A session was used; as with `note_use`."""
        if abs(now - session.used) >= USED_EVERY:
            self._sessions[session.digest] = now

    def write(self) -> None:
        """Give all of it to the store."""
        if self._nonces:
            self._store.nonces.add(list(self._nonces))
        if self._records:
            self._store.audit.append(self._records)
            if self._used:
                self._store.accounts.note_use(self._used)
            if self._sessions:
                self._store.sessions.note_use(self._sessions)
