"""Sessions, and the one-time links and codes, in the embedded store."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keystead.domain.sessions import IDLE, LONGEST, Session, Ticket
from keystead.store.database import Database

_SESSION = f"SELECT {', '.join(Session.__struct_fields__)} FROM sessions"  # noqa: S608 - these are our own names
_TICKET = f"SELECT {', '.join(Ticket.__struct_fields__)} FROM tickets"  # noqa: S608 - as above


class Sessions:
    """See keystead.store.ports.Sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, digest: bytes) -> Session | None:
        row = self._database.row(f"{_SESSION} WHERE digest = ?", (digest,))
        return None if row is None else _session(row)

    def add(self, session: Session) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(session)
        )

    def put(self, session: Session) -> None:
        self._database.revise()
        self._database.rows(
            "UPDATE sessions SET used = ?, confirmed = ? WHERE digest = ?",
            (session.used, session.confirmed, session.digest),
        )

    def note_use(self, used: Mapping[bytes, int]) -> None:
        for digest, second in used.items():
            self._database.rows("UPDATE sessions SET used = ? WHERE digest = ?", (second, digest))

    def remove(self, session: Session) -> None:
        self._database.revise()
        self._database.rows("DELETE FROM sessions WHERE digest = ?", (session.digest,))

    def of(self, account: str) -> tuple[Session, ...]:
        rows = self._database.rows(f"{_SESSION} WHERE account = ? ORDER BY created, session_id", (account,))
        return tuple(map(_session, rows))

    def ticket(self, digest: bytes) -> Ticket | None:
        row = self._database.row(f"{_TICKET} WHERE digest = ?", (digest,))
        return (
            None
            if row is None
            else msgspec.convert(dict(zip(Ticket.__struct_fields__, row, strict=True)), Ticket)
        )

    def add_ticket(self, ticket: Ticket) -> None:
        self._database.revise()
        self._database.rows("INSERT INTO tickets VALUES (?, ?, ?, ?)", msgspec.structs.astuple(ticket))

    def remove_ticket(self, ticket: Ticket) -> None:
        self._database.revise()
        self._database.rows("DELETE FROM tickets WHERE digest = ?", (ticket.digest,))

    def purge(self, now: int) -> None:
        ended = (now - IDLE, now - LONGEST)
        if self._database.row("SELECT 1 FROM sessions WHERE used <= ? OR created <= ?", ended) is not None:
            self._database.revise()
            self._database.rows("DELETE FROM sessions WHERE used <= ? OR created <= ?", ended)
        if self._database.row("SELECT 1 FROM tickets WHERE expires <= ?", (now,)) is not None:
            self._database.revise()
            self._database.rows("DELETE FROM tickets WHERE expires <= ?", (now,))


def _session(row: tuple[Any, ...]) -> Session:
    # SQLite has no truth values: those come as numbers.
    return msgspec.convert(dict(zip(Session.__struct_fields__, row, strict=True)), Session, strict=False)
