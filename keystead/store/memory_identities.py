"""Users, groups, policies and sessions in memory."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keystead.domain.identities import PolicyVersion
from keystead.domain.sessions import Session, Ticket
from keystead.store import identity_ports
from keystead.store.identity_ports import IDENTITIES, Identity, Revisions, identity_key
from keystead.store.journal import Journal, Rows


class Identities:
    def __init__(self, journal: Journal) -> None:
        self._rows: dict[type[Identity], Rows[tuple[str, ...], Any]] = {
            kind: Rows(journal) for kind in IDENTITIES
        }
        self._revisions = Revisions()

    def drop_cache(self) -> None:
        self._revisions.all_changed()

    def revision(self, account: str) -> int:
        return self._revisions.of(account)

    def all(self, kind: type[identity_ports.V], account: str) -> tuple[identity_ports.V, ...]:
        return tuple(one for one in self._rows[kind].values() if one.account == account)

    def versions(self, account: str, policy: str) -> tuple[PolicyVersion, ...]:
        found = self._rows[PolicyVersion].values()
        return tuple(one for one in found if (one.account, one.policy) == (account, policy))

    def put(self, one: Identity) -> None:
        self._revisions.changed(one.account)
        self._rows[type(one)].put(identity_key(one), one)

    add = put

    def remove(self, one: Identity) -> None:
        self._revisions.changed(one.account)
        self._rows[type(one)].remove(identity_key(one))


class Sessions:
    def __init__(self, journal: Journal) -> None:
        self._sessions: Rows[bytes, Session] = Rows(journal)
        self._tickets: Rows[bytes, Ticket] = Rows(journal)

    def get(self, digest: bytes) -> Session | None:
        return self._sessions.get(digest)

    def add(self, session: Session) -> None:
        self._sessions.put(session.digest, session)

    put = add

    def note_use(self, used: Mapping[bytes, int]) -> None:
        for digest, second in used.items():
            if (found := self.get(digest)) is not None:
                self.put(msgspec.structs.replace(found, used=second))

    def remove(self, session: Session) -> None:
        if self.get(session.digest) is not None:
            self._sessions.remove(session.digest)

    def end_all(self) -> int:
        sessions = self._sessions.values()
        for session in sessions:
            self.remove(session)
        for ticket in self._tickets.values():
            self.remove_ticket(ticket)
        return len(sessions)

    def of(self, account: str) -> tuple[Session, ...]:
        return tuple(one for one in self._sessions.values() if one.account == account)

    def ticket(self, digest: bytes) -> Ticket | None:
        return self._tickets.get(digest)

    def add_ticket(self, ticket: Ticket) -> None:
        self._tickets.put(ticket.digest, ticket)

    def remove_ticket(self, ticket: Ticket) -> None:
        self._tickets.remove(ticket.digest)

    def purge(self, now: int) -> None:
        for session in self._sessions.values():
            if not session.live(now):
                self.remove(session)
        for ticket in self._tickets.values():
            if ticket.expires <= now:
                self.remove_ticket(ticket)
