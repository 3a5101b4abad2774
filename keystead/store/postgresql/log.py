"""The records in PostgreSQL. The end of this server's own chain is known by heart: nobody else appends to it."""

import re
from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec
import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.domain.audit import COLUMNS, Head, Record, columns
from keystead.store.postgresql.database import PostgresDatabase, numbered, stored_row
from keystead.store.postgresql.round_trip import Statement, Step

_NAMES = ", ".join(COLUMNS)
_NUMBERS = {name for name, kind in get_type_hints(Record).items() if kind is int}
_TYPED = ", ".join(f"{name} {'bigint' if name in _NUMBERS else 'text'}" for name in COLUMNS)
# As one JSON text, with the hashes behind each other: a third of what arrays cost here.
_WRITE = Statement(
    "records",
    f"INSERT INTO audit ({_NAMES}, hash) SELECT {_NAMES}, substr($2::bytea, (32 * n - 31)::int, 32) "  # noqa: S608
    f"FROM ROWS FROM (json_to_recordset($1::json) AS ({_TYPED})) WITH ORDINALITY AS records ({_NAMES}, n)",
)
_LAST = "SELECT sequence, hash FROM audit WHERE chain = ? ORDER BY sequence DESC LIMIT 1"
_AT = "SELECT hash FROM audit WHERE chain = ? AND sequence = ?"


class AuditLog:
    """See keystead.store.ports.AuditLog. What is appended is `pending` until it is committed."""

    def __init__(self, database: PostgresDatabase, chain: str) -> None:
        self._database = database
        self._chain = chain
        self._head = Head()
        self.pending: list[tuple[Record, bytes]] = []
        self.known = True  # whether `_head` is the end of the chain, as far as this process has written it

    def head(self, chain: str) -> Head:
        for record, link in reversed(self.pending):
            if record.chain == chain:
                return Head(record.sequence, link)
        if chain == self._chain:
            return self._head
        row = self._database.row(_LAST, (chain,))
        return Head() if row is None else Head(row[0], row[1])

    def has(self, chain: str, head: Head) -> bool:
        if any(
            (one.chain, one.sequence, link) == (chain, head.count, head.hash) for one, link in self.pending
        ):
            return True
        row = self._database.row(_AT, (chain, head.count))
        return row is not None and row[0] == head.hash

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        self.pending = [*self.pending, *rows]  # a new list: a savepoint may have kept the old one

    def steps(self) -> list[Step]:
        """What writes that which is pending."""
        if not self.pending:
            return []
        self.known = False  # until it is committed, or known not to be
        text = msgspec.json.encode([record for record, _ in self.pending])
        if _AWKWARD.search(text):
            text = msgspec.json.encode([_storable(record) for record, _ in self.pending])
        return [(_WRITE, (text.decode(), b"".join([link for _, link in self.pending])))]

    def kept(self) -> None:
        """What was pending is committed."""
        if self.pending:
            record, link = self.pending[-1]
            self._head = Head(record.sequence, link)
            self.pending = []
        self.known = True

    def forget_pending(self) -> None:
        """What was pending is not committed, as far as is known."""
        self.pending = []

    def stored(self, connection: psycopg.Connection[Any], sequence: int) -> Head | None:
        """The head that the own chain had with this record; None if it has none such."""
        rows = RawCursor(connection).execute(numbered(_AT).encode(), (self._chain, sequence)).fetchall()
        return Head(sequence, rows[0][0]) if rows else None

    def follows(self, connection: psycopg.Connection[Any]) -> bool:
        """Take the end of the own chain from the database; False if that lacks what was committed."""
        if self._head.count and self.stored(connection, self._head.count) != self._head:
            return False
        rows = RawCursor(connection).execute(numbered(_LAST).encode(), (self._chain,)).fetchall()
        self._head = Head(*rows[0]) if rows else Head()
        self.known = True
        return True


_AWKWARD = re.compile(rb"\\u0000|\xef\xb7\x90")  # what `stored_row` changes


def _storable(record: Record) -> dict[str, Any]:
    return dict(zip(COLUMNS, stored_row(columns(record)), strict=True))
