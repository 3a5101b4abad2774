"""The seals of a store's rows: checked at every start, and made at the first one."""

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.clock import Clock
from keystead.crypto.vault import Vault
from keystead.crypto.wrapping import SEALS
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import StoreFailure, Superseded
from keystead.store.seals import Found

SHOWN = 20  # of what was found, in one message
_LONG = 1.0  # seconds


def protect(store: DatabaseStore, vault: Vault, clock: Clock) -> int:
    """Check all rows of a store, in its open batch, and whatever is read of it from here on; what was altered is not used.

    A store that never was sealed is sealed as it is: gives how many rows that were, else 0. OperatorError if the seals were
    taken away, or what belongs to the server itself was altered.
    """
    began = clock.monotonic()
    try:
        sealed = _protect(store, vault, int(clock.now()))
    except Superseded:
        raise
    except StoreFailure as failure:
        raise OperatorError(
            f"the rows of the database cannot be checked: {failure}",
            hint="restore the data directory from a backup",
        ) from None
    took = clock.monotonic() - began
    if took > _LONG:
        what = "the rows of the database were sealed" if sealed else "the seals of the database were checked"
        logs.event(what, seconds=round(took, 3))
    if store.blocked.everything:
        raise OperatorError(
            f"the database was altered: {listed(tuple(store.blocked.found.values()))}",
            hint="`keystead store verify` names all that is wrong; restore a backup, or `keystead store accept` seals "
            "what is there",
        )
    return sealed


def _protect(store: DatabaseStore, vault: Vault, now: int) -> int:
    sealed = 0
    if vault.has_own_key(SEALS):
        store.protect(vault.row_seals())
    else:
        rows = store.keyring.all()
        if store.has_seals() or any(row.generation not in vault.unsealed for row in rows):
            raise OperatorError(
                "the seals of this database, or their key, were taken away",
                hint="restore the data directory from a backup",
            )
        store.keyring.put_secret(vault.make_own_key(SEALS, now))
        for row in rows:
            store.keyring.put(vault.wrap_anew(row))
        sealed = store.seal_all(vault.row_seals())
    return sealed


def listed(found: tuple[Found, ...]) -> str:
    """What was found, for one line."""
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(one.text for one in found[:SHOWN]) + more


def record_sealing(store: DatabaseStore, account: str, rows: int, clock: Clock, entropy: Entropy) -> None:
    """Record that a store was sealed as it was."""
    batch = Batch(store, store.server_id)
    record_service(batch, clock, entropy, account, "SealStore", {"Rows": str(rows)})
    batch.write()
    logs.event("the rows of the database are sealed from here on", count=rows)
