"""The seals of rows: a code in each, and what all of them add up to, kept in buckets under one sealed record.

seal     = the first quarter of a code over all columns; its second half is the row's element, which is never stored
sums     = how many rows, the sum of their elements, and the sum of element * location, modulo 2^255 - 19
bucket   = the sums of an account's rows, or of the server's own; encrypted
record   = the revision, the sums of the rows that hold buckets, and those of 48 sets of all that belongs to keys; encrypted

A row that was changed has a seal that does not hold. One that was removed, brought back, or put back as it was before
holds, but the sums of its bucket do not; and if it is the only one there, the quotient of the differences of both sums is
its location. Whoever can't read the sums can't choose rows that add up to them.
"""

import hmac
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from keystead.errors import StoredRowAltered
from keystead.store.sealed import BUCKET_ROWS, BUCKETS, KEY_BUCKETS, RECORD, SERVER, Row, Table, bucket_of

PRIME = 2**255 - 19
SEAL_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode


class Sealer(Protocol):
    """What the store needs of the key of the seals."""

    def code(self, table: int, row: bytes) -> bytes:
        """64 bytes that nobody else can make of this row of this table."""
        ...

    def close(self, name: str, content: bytes) -> bytes:
        """The content, encrypted and bound to a name."""
        ...

    def open(self, name: str, closed: bytes) -> bytes | None:
        """What was closed under this name, or None."""
        ...


class Sums(NamedTuple):
    """What the rows of a bucket add up to."""

    rows: int = 0
    plain: int = 0
    placed: int = 0

    def plus(self, element: int, location: int, sign: int = 1) -> "Sums":
        element *= sign
        return Sums(self.rows + sign, self.plain + element, self.placed + element * location)

    @property
    def reduced(self) -> "Sums":
        """The same modulo the prime, to be compared and kept."""
        return Sums(self.rows, self.plain % PRIME, self.placed % PRIME)

    def packed(self) -> bytes:
        """As 72 bytes."""
        rows, plain, placed = self.reduced
        return rows.to_bytes(8, "big") + plain.to_bytes(32, "big") + placed.to_bytes(32, "big")


NOTHING = Sums()
_SUMS_BYTES = 72


def unpacked(content: bytes) -> Sums:
    """The sums that these 72 bytes are."""
    return Sums(
        int.from_bytes(content[:8], "big"),
        int.from_bytes(content[8:40], "big"),
        int.from_bytes(content[40:72], "big"),
    )


class Record(NamedTuple):
    """The sealed record: `total` is of the rows that hold buckets, `keys` are packed, in the order of KEY_BUCKETS."""

    revision: int
    total: Sums
    keys: tuple[bytes, ...]

    def packed(self) -> bytes:
        """As it is encrypted."""
        return b"".join((self.revision.to_bytes(8, "big"), self.total.packed(), *self.keys))

    @classmethod
    def of(cls, content: bytes) -> "Record":
        """The record that was packed."""
        sums = [content[at : at + _SUMS_BYTES] for at in range(8, len(content), _SUMS_BYTES)]
        return cls(int.from_bytes(content[:8], "big"), unpacked(sums[0]), tuple(sums[1:]))


class Codes:
    """Seals and elements of rows, under one key. From any thread."""

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer

    def of(self, table: Table, row: Row) -> tuple[bytes, int]:
        """The seal of a row, and its element."""
        code = self.sealer.code(table.number, _encode(row))
        return code[:SEAL_BYTES], int.from_bytes(code[32:], "big")

    def holds(self, table: Table, sealed: Row) -> int | None:
        """The element of a row whose last column is its seal; None if that is another's."""
        seal, element = self.of(table, sealed[:-1])
        return element if hmac.compare_digest(seal, sealed[-1]) else None


class Found(NamedTuple):
    """Something that was altered. `what` says how; `key` is the row's, empty if that can't be told."""

    table: str
    key: tuple[str, ...]
    bucket: str
    what: str
    blocks: tuple[
        Any, ...
    ]  # what is not to be used: ("row", table, key), ("scope", table, scope), ("bucket", bucket)

    @property
    def text(self) -> str:
        """For an operator."""
        where = f"{self.table} {' '.join(self.key)}" if self.key else self.table
        return f"{where}: {self.what}" if self.key else f"{where} of {self.bucket}: {self.what}"


class Blocked:
    """What was found to be altered, and must not be used."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], Found] = {}
        self.alarm: Callable[[Found], None] = lambda found: None
        self.foreign: Callable[[int], None] = lambda found: None  # another program wrote; so much was found

    @property
    def everything(self) -> bool:
        """Whether what belongs to the server itself was altered: then nothing can be believed."""
        return ("bucket", SERVER) in self.found

    def add(self, found: Found) -> None:
        """Block it from here on."""
        if found.blocks not in self.found:
            self.found[found.blocks] = found
            self.alarm(found)

    def clear(self) -> None:
        """Let all be used again."""
        self.found.clear()

    def guard(self, table: Table, scope: str | None, key: Row = ()) -> None:
        """StoredRowAltered if a row, or the lack of one, must not be used."""
        found = self.found
        if not found:
            return
        blocked = self.everything or ("row", table.number, key) in found
        if scope is not None:
            blocked = (
                blocked or ("scope", table.number, scope) in found or ("bucket", bucket_of(scope)) in found
            )
        else:  # whose it would be is not known: it may be what is missing
            blocked = blocked or any(_may_lack(one, table) for one in found)
        if blocked:
            raise StoredRowAltered


def _may_lack(blocks: tuple[Any, ...], table: Table) -> bool:
    kind, what = blocks[:2]
    if kind == "scope":
        return bool(what == table.number)
    return kind == "bucket" and str(what).startswith("account " if table.kind == "account" else "keys ")


class _Rows(Protocol):
    def rows(self, sql: str, values: Any = ()) -> list[Row]: ...


class Seals:
    """The seals of a store that is written to. What changes in a batch is kept here until `flush`."""

    def __init__(self, database: _Rows, sealer: Sealer, blocked: Blocked) -> None:
        self._database = database
        self.codes = Codes(sealer)
        self.blocked = blocked
        self._sums: dict[str, Sums] = {}
        self._elements: dict[str, int] = {}  # of the stored rows of buckets
        self._record: Record | None = None
        self._journal: list[tuple[str, Sums]] = []

    # --- rows that are read

    def checked(self, table: Table, rows: list[Row]) -> list[Row]:
        """The rows, whose last column is the seal. StoredRowAltered if one is not as it was written."""
        for row in rows:
            self.check(table, row)
        return rows

    def check(self, table: Table, row: Row) -> int:
        """The element of a row that is as it was written."""
        key = table.key_of(row)
        self.blocked.guard(table, table.scope(row) if self.blocked.found else "", key)
        element = self.codes.holds(table, row)
        if element is None:
            self.blocked.add(altered(table, row))
            raise StoredRowAltered
        return element

    def is_sound(self, table: Table, row: Row) -> bool:
        """Whether a row is as it was written, and nothing else keeps it from being used."""
        try:
            self.check(table, row)
        except StoredRowAltered:
            return False
        return True

    # --- rows that are written

    def add(self, table: Table, row: Row) -> bytes:
        """The seal of a row that is new."""
        seal, element = self.codes.of(table, row)
        self._change(table, row, element, 1)
        return seal

    def remove(self, table: Table, sealed: Row) -> None:
        """A row, as it was read, is there no longer."""
        self._change(table, sealed, self.check(table, sealed), -1)

    def mark(self) -> int:
        """What to give to `undo` to come back here."""
        return len(self._journal)

    def undo(self, mark: int) -> None:
        """Forget what was changed since."""
        while len(self._journal) > mark:
            bucket, sums = self._journal.pop()
            self._sums[bucket] = sums

    def settle(self) -> None:
        """Keep no more of the journal than which buckets were changed: for a batch of very many rows, without `undo`."""
        self._journal = list({bucket: (bucket, sums) for bucket, sums in reversed(self._journal)}.values())

    def drop(self) -> None:
        """Forget all that was changed and is known."""
        self._journal.clear()
        self._sums.clear()
        self._elements.clear()
        self._record = None

    def flush(self) -> None:
        """Write what was changed, with the record of the next revision."""
        record = self._load_record()
        close = self.codes.sealer.close
        total, keys = record.total, list(record.keys)
        for bucket in {bucket: None for bucket, _ in self._journal}:
            if (place := _PLACES.get(bucket)) is not None:
                keys[place] = self._sums[bucket].packed()
                continue
            location = BUCKET_ROWS.location((bucket,))
            if bucket in self._elements:
                total = total.plus(self._elements[bucket], location, -1)
            blob = close(bucket, self._sums[bucket].packed())
            _, self._elements[bucket] = self.codes.of(BUCKET_ROWS, (bucket, blob))
            total = total.plus(self._elements[bucket], location)
            self._database.rows(_PUT, (bucket, blob))
        self._record = record = Record(record.revision + 1, total, tuple(keys))
        self._database.rows(_PUT, (RECORD, close(RECORD, record.packed())))
        self._journal.clear()

    @property
    def revision(self) -> int:
        """How many batches have changed something."""
        return (self._record or self._load_record()).revision

    def advance(self, revision: int) -> None:
        """Let the next revision be later than this one, too."""
        record = self._load_record()
        self._record = record._replace(revision=max(record.revision, revision))

    def known_revision(self) -> int:
        """As `revision`; -1 if the record does not say it."""
        found = read_record(self._database, self.codes.sealer)
        return -1 if found is None else found.revision

    def begin_anew(self, revision: int) -> None:
        """As if there were no rows: for whoever seals them all."""
        self.drop()
        self._database.rows("DELETE FROM seals")
        self._record = Record(revision, NOTHING, (NOTHING.packed(),) * BUCKETS)

    # --- inside

    def _change(self, table: Table, row: Row, element: int, sign: int) -> None:
        bucket = bucket_of(table.scope(row))
        sums = self._sums.get(bucket)
        if sums is None:
            sums = self._load(bucket)
        self._journal.append((bucket, sums))
        self._sums[bucket] = sums.plus(element, table.location(table.key_of(row)), sign)

    def _load(self, bucket: str) -> Sums:
        if (place := _PLACES.get(bucket)) is not None:
            return unpacked(self._load_record().keys[place])
        rows = self._database.rows(_GET, (bucket,))
        if not rows:
            return NOTHING
        content = self.codes.sealer.open(bucket, rows[0][0])
        if content is None:
            self.blocked.add(altered_bucket(bucket))
            raise StoredRowAltered
        _, self._elements[bucket] = self.codes.of(BUCKET_ROWS, (bucket, rows[0][0]))
        return unpacked(content)

    def _load_record(self) -> Record:
        if self._record is None:
            found = read_record(self._database, self.codes.sealer)
            if found is None:
                self.blocked.add(altered_record("was altered or removed"))
                raise StoredRowAltered
            self._record = found
        return self._record


_PLACES = {bucket: place for place, bucket in enumerate(KEY_BUCKETS)}
_GET = "SELECT blob FROM seals WHERE bucket = ?"
_PUT = "INSERT INTO seals VALUES (?, ?) ON CONFLICT (bucket) DO UPDATE SET blob = excluded.blob"


def read_record(database: _Rows, sealer: Sealer) -> Record | None:
    """The sealed record; None if there is none that opens."""
    rows = database.rows(_GET, (RECORD,))
    content = sealer.open(RECORD, rows[0][0]) if rows else None
    return None if content is None else Record.of(content)


def shown(key: Row) -> tuple[str, ...]:
    """A row's key as an operator reads it."""
    return tuple([value.hex() if isinstance(value, bytes) else str(value) for value in key])


def altered(table: Table, row: Row) -> Found:
    """That a row is not as it was written."""
    key = table.key_of(row)
    what = "the row was altered, or put there by another program; its seal does not say in which column"
    blocks = ("bucket", SERVER) if table.kind == SERVER else ("row", table.number, key)
    return Found(table.name, shown(key), bucket_of(table.scope(row)), what, blocks)


def altered_bucket(bucket: str) -> Found:
    """That the sums of a bucket are not as they were written."""
    return Found(
        "seals", (bucket,), bucket, "the sums of these rows were altered or removed", ("bucket", bucket)
    )


def altered_record(what: str) -> Found:
    """That the sealed record is not as it was written."""
    return Found("seals", (RECORD,), SERVER, f"the sealed record {what}", ("bucket", SERVER))
