"""The records in PostgreSQL. The end of this server's own chain is known by heart: nobody else appends to it."""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.raw_cursor import RawCursor

from keystead.domain.audit import COLUMNS, Head, Record, columns
from keystead.store.postgresql.database import PostgresDatabase, stored

_NAMES = ", ".join((*COLUMNS, "hash"))
_WRITE = (
    f"INSERT INTO audit ({_NAMES}) "  # noqa: S608 - constant names
    f"SELECT {_NAMES} FROM json_populate_recordset(NULL::audit, $1::json) WITH ORDINALITY ORDER BY sequence"
)
_LAST = "SELECT sequence, hash FROM audit WHERE chain = $1 ORDER BY sequence DESC LIMIT 1"
_AT = "SELECT hash FROM audit WHERE chain = $1 AND sequence = $2"


class AuditLog:
    """See keystead.store.ports.AuditLog. What is appended is `pending` until it is committed."""

    def __init__(self, database: PostgresDatabase, chain: str) -> None:
        self._database = database
        self._chain = chain
        self._head = Head()
        self.pending: list[tuple[Record, bytes]] = []
        self.known = True  # whether `_head` is the end of the chain, as far as this process has written it

    def head(self, chain: str) -> Head:
        if chain == self._chain:
            return Head(self.pending[-1][0].sequence, self.pending[-1][1]) if self.pending else self._head
        row = self._database.row(_LAST.replace("$1", "?"), (chain,))
        return Head() if row is None else Head(row[0], row[1])

    def has(self, chain: str, head: Head) -> bool:
        row = self._database.row(
            "SELECT hash FROM audit WHERE chain = ? AND sequence = ?", (chain, head.count)
        )
        return row is not None and row[0] == head.hash

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        self.pending += rows

    def write(self, cursor: RawCursor[Any]) -> None:
        """Write what is pending, in a pipeline."""
        if self.pending:
            self.known = False  # until it is committed, or known not to be
            cursor.execute(_WRITE, (msgspec.json.encode([_row(*one) for one in self.pending]).decode(),))

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
        rows = RawCursor(connection).execute(_AT, (self._chain, sequence)).fetchall()
        return Head(sequence, rows[0][0]) if rows else None

    def follows(self, connection: psycopg.Connection[Any]) -> bool:
        """Take the end of the own chain from the database; False if that lacks what was committed."""
        if self._head.count and self.stored(connection, self._head.count) != self._head:
            return False
        rows = RawCursor(connection).execute(_LAST, (self._chain,)).fetchall()
        self._head = Head(*rows[0]) if rows else Head()
        self.known = True
        return True


def _row(record: Record, link: bytes) -> dict[str, Any]:
    row = dict(zip(COLUMNS, map(stored, columns(record)), strict=True))
    row["hash"] = f"\\x{link.hex()}"
    return row
