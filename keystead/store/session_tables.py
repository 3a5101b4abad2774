"""Sessions, and the one-time links and codes, in the embedded store."""

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from keystead.domain.sessions import IDLE, LONGEST, Session, Ticket
from keystead.errors import StoredRowAltered
from keystead.store.database import Database
from keystead.store.sealed import SESSIONS, TICKETS, Row
from keystead.store.sealed_table import SealedTable


class Sessions:
    """See keystead.store.ports.Sessions."""

    def __init__(self, database: Database) -> None:
        self._sessions = SealedTable(database, SESSIONS)
        self._tickets = SealedTable(database, TICKETS)

    def get(self, digest: bytes) -> Session | None:
        row = self._sessions.get(digest)
        return None if row is None else _session(row)

    def add(self, session: Session) -> None:
        self._sessions.insert(msgspec.structs.astuple(session))

    def put(self, session: Session) -> None:
        self._sessions.change((session.digest,), used=session.used, confirmed=session.confirmed)

    def note_use(self, used: Mapping[bytes, int]) -> None:
        for digest, second in used.items():
            with suppress(StoredRowAltered):  # whoever uses it next is told
                self._sessions.change((digest,), used=second)

    def remove(self, session: Session) -> None:
        self._sessions.delete("WHERE digest = ?", (session.digest,))

    def end_all(self) -> int:
        sessions = list(self._sessions.sound(""))
        self._sessions.remove(sessions)
        self._tickets.remove(list(self._tickets.sound("")))
        return len(sessions)

    def of(self, account: str) -> tuple[Session, ...]:
        rows = self._sessions.select(
            "WHERE account = ? ORDER BY created, session_id", (account,), f"account {account}"
        )
        return tuple(map(_session, rows))

    def ticket(self, digest: bytes) -> Ticket | None:
        row = self._tickets.get(digest)
        return None if row is None else msgspec.convert(dict(zip(TICKETS.columns, row, strict=False)), Ticket)

    def add_ticket(self, ticket: Ticket) -> None:
        self._tickets.insert(msgspec.structs.astuple(ticket))

    def remove_ticket(self, ticket: Ticket) -> None:
        self._tickets.delete("WHERE digest = ?", (ticket.digest,))

    def purge(self, now: int) -> None:
        ended = "WHERE used <= ? OR created <= ?"
        self._sessions.remove(list(self._sessions.sound(ended, (now - IDLE, now - LONGEST))))
        self._tickets.remove(list(self._tickets.sound("WHERE expires <= ?", (now,))))


def _session(row: Row) -> Session:
    # SQLite has no truth values: those come as numbers.
    return msgspec.convert(dict(zip(SESSIONS.columns, row, strict=False)), Session, strict=False)
