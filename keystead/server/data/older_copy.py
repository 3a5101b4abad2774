"""Whether a database is the latest that there was of it, by its anchor; and what becomes of an older copy that is used."""

import msgspec

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.clock import Clock
from keystead.crypto.vault import Vault
from keystead.domain.audit import Head
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.data.anchor import Anchor, Anchored
from keystead.store.database_store import DatabaseStore


class OlderCopy(msgspec.Struct, frozen=True):
    """How an older copy differs from what its anchor saw. `revision` is the least that the next one may have."""

    text: str
    revision: int


def compare(store: DatabaseStore, vault: Vault, anchor: Anchor) -> OlderCopy | None:
    """None if the database is the latest, as far as its anchor knows, or if the anchor can't be read: that is told on the
    log, and no reason for an outage. In an open batch of a store that is protected."""
    assert store.seals is not None
    revision = store.seals.revision
    try:
        line = anchor.read()
    except (OSError, OperatorError) as problem:
        logs.event(
            "anchor not read: an older copy of the database would not be noticed",
            "error",
            reason=str(problem),
        )
        return None
    if line is None:
        if revision > 1:
            logs.event("there is no anchor yet; from here on there is one", "warning", file=str(anchor))
        return None
    found = Anchored.of(line, vault.row_seals())
    if found is None:
        return OlderCopy(f"the anchor {anchor} was altered, or is that of another server", revision)
    head = store.audit.head(found.server)
    seen = f"the anchor {anchor} has seen revision {found.revision} with record {found.head}"
    if _server(found.server) != _server(store.server_id):
        return OlderCopy(f"the anchor {anchor} is that of another server, {found.server}", revision)
    if revision < found.revision:
        text = f"the database is an older copy: it is at revision {revision}, and {seen}"
        return OlderCopy(text, found.revision)
    if not _on_chain(store, found.server, found.head):
        text = f"the database is another copy: its audit log ends with record {head}, and {seen}"
        return OlderCopy(text, max(found.revision, revision))
    return None


def refuse(older: OlderCopy) -> OperatorError:
    """The error of whoever was not told to use it."""
    return OperatorError(
        older.text,
        hint="put the latest back; to go on with this one all the same, once: keystead serve --accept-older-copy",
    )


def accept(store: DatabaseStore, older: OlderCopy, clock: Clock, entropy: Entropy) -> None:
    """Go on with an older copy, recorded: no session that it brings back goes on, and no request that it has forgotten is
    taken again. In an open batch; the next revision is later than all that the anchor saw."""
    store.advance(older.revision)
    store.nonces.move_horizon(int(clock.now()))
    ended = store.sessions.end_all()
    batch = Batch(store, store.server_id)
    parameters = {"Why": older.text, "SessionsEnded": str(ended)}
    record_service(batch, clock, entropy, store.home(), "AcceptOlderCopy", parameters)
    batch.write()
    logs.event("an older copy of the database is used, as its operator wants", "warning", reason=older.text)


def _server(chain: str) -> str:
    """Whose chain it is: one that shares its database has one for each of its starts."""
    return chain.partition(".")[0]


def _on_chain(store: DatabaseStore, chain: str, head: Head) -> bool:
    if head.count == 0:
        return True
    now = store.audit.head(chain)
    return now == head or (now.count > head.count and store.audit.has(chain, head))
