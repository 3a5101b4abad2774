"""Looks at everything that a data directory holds, and says what was altered; seals it as it is if an operator wants."""

from contextlib import closing

import msgspec

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.clock import Clock
from keystead.crypto.root_key import RootKey
from keystead.crypto.vault import Vault
from keystead.crypto.wrapping import SEALS
from keystead.domain.members import MemberState
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.given_settings import root_key_setting
from keystead.server.data.directory import DataDirectory
from keystead.server.data.protection import listed
from keystead.server.data.root_keys import RootKeys
from keystead.server.data.store_place import database_of, shared_by
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import Store
from keystead.store.reader import open_reader
from keystead.store.seals import Found, altered_record
from keystead.store.sqlite import SqliteStore


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at everything found. `revision` is -1 where no sealed record opens."""

    rows: int
    revision: int
    records: int
    found: tuple[str, ...]


def verify(directory: DataDirectory, clock: Clock, entropy: Entropy) -> Examination:
    """Look at everything, whether a server runs or not; nothing is changed. OperatorError if it can't be looked at."""
    with closing(open_reader(database_of(directory))) as reader:
        vault = Vault(_root_key(directory, clock, entropy), entropy)
        keyring = reader.keyring()
        vault.load(keyring.all(), keyring.secrets())
        if not vault.has_own_key(SEALS):
            if vault.unsealed:
                raise OperatorError(
                    f"the rows of {reader.place} are not sealed yet",
                    hint="start keystead serve on it once, which seals them",
                )
            return Examination(
                rows=0, revision=-1, records=0, found=(altered_record("and its key were taken away").text,)
            )
        examined = reader.examine(vault.row_seals())
        verdicts = reader.verify()
        found = [one.text for one in examined.found]
        found += [f"audit: {verdict.bad}" for verdict in verdicts if verdict.bad]
        found += reader.differences()
        records = sum(verdict.head.count for verdict in verdicts)
        return Examination(
            rows=examined.rows, revision=examined.revision, records=records, found=tuple(found)
        )


def accept(directory: DataDirectory, clock: Clock, entropy: Entropy, operator: str) -> tuple[Found, ...]:
    """Seal everything as it is now, recorded as the operator's doing; gives what was wrong. No server may run.

    The audit log stays as it is: a record that was altered stays one.
    """
    directory.lock()
    try:
        store, root = _open(directory, clock, entropy)
        try:
            return _accept(store, root, clock, entropy, operator)
        finally:
            store.close()
    finally:
        directory.unlock()


def refuse_others(store: Store, server_id: str, then: str = "they start again at once afterwards") -> None:
    """OperatorError if other servers than this use the database now, and go by what was in it before. `then` is what becomes
    of them later."""
    if store.shared is None:
        return
    others = [
        one.name
        for one in store.shared.members()
        if one.state is MemberState.RUNNING and one.chain != server_id
    ]
    if others:
        raise OperatorError(
            f"other servers use the database: on {', '.join(others)}",
            hint=f"stop them first; that takes a second: {then}",
        )


def _open(directory: DataDirectory, clock: Clock, entropy: Entropy) -> tuple[DatabaseStore, RootKey]:
    shared = shared_by(directory)
    if shared is None:
        root = _root_key(directory, clock, entropy)
        return SqliteStore.open(directory.database, clock=clock, entropy=entropy), root
    from keystead.server.data import shared_store  # late: it needs a library that is not always there

    store, _, found = shared_store.join(directory, shared, clock, entropy, root_key_setting())
    assert found is not None  # since it has data
    return store, found.root


def _root_key(directory: DataDirectory, clock: Clock, entropy: Entropy) -> RootKey:
    return RootKeys(directory, entropy, clock).open(root_key_setting())


def _accept(
    store: DatabaseStore, root: RootKey, clock: Clock, entropy: Entropy, operator: str
) -> tuple[Found, ...]:
    vault = Vault(root, entropy)
    store.begin(alone=True)
    refuse_others(store, store.server_id)  # one that joins later finds all of it sealed
    rows = store.keyring.all()
    vault.load(rows, store.keyring.secrets())
    if vault.has_own_key(SEALS):
        store.protect(vault.row_seals())
        found = tuple(store.blocked.found.values())
        store.unprotect()
    else:
        found = (altered_record("and its key were taken away"),)
        store.keyring.put_secret(vault.make_own_key(SEALS, int(clock.now())))
    for row in rows:
        if row.generation in vault.unsealed:
            store.keyring.put(vault.wrap_anew(row))
    store.seal_all(vault.row_seals())
    store.rebuild()
    batch = Batch(store, store.server_id)
    parameters = {"Found": listed(found) or "nothing"}
    record_service(batch, clock, entropy, store.home(), "AcceptStore", parameters, operator=operator)
    batch.write()
    store.commit()
    return found
