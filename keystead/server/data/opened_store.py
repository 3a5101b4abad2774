"""What a server needs, opened: made at the first start, opened ever after. It is in the data directory, or in a database
that several servers share; of those the first one makes what the others join."""

from typing import NamedTuple

from keystead.api.checkpoints import ensure_key
from keystead.clock import Clock
from keystead.crypto.vault import Vault
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.data import node, world
from keystead.server.data.anchor import Anchor, InFile, committed_in
from keystead.server.data.directory import DataDirectory
from keystead.server.data.moved import refuse_moved
from keystead.server.data.older_copy import accept, compare, refuse
from keystead.server.data.protection import protect, record_sealing
from keystead.server.data.root_keys import Found, RootKeys
from keystead.server.data.store_place import SharedPlace
from keystead.server.data.world import OpenedStore
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import StoreFailure, Superseded
from keystead.store.sqlite import SqliteStore

_TRIES = 6  # of a start beside others; in the last one no other server's batch can end


class _Start(NamedTuple):
    """What a start is to do. `anchors` say what the database was last, `database` is its name."""

    directory: DataDirectory
    clock: Clock
    entropy: Entropy
    new_account: str
    root_key_setting: str
    accept_older: bool
    anchors: tuple[Anchor, ...]
    database: str


def open_store(
    directory: DataDirectory,
    clock: Clock,
    entropy: Entropy,
    new_account: str = "",
    anchor: Anchor | None = None,
    root_key_setting: str = "",
    *,
    shared: SharedPlace | None = None,
    accept_older: bool = False,
) -> OpenedStore:
    """Open the store of a data directory, which this process has locked; at the first start, make what it needs.

    `new_account` is the account of a first start, by default a random one; `root_key_setting` the setting `root-key`;
    `shared` where the database is that several servers share, if that is the store.

    OperatorError if the root key can't be had, is damaged, open to others or another one, or if the database is missing
    although there was one, damaged, newer than this program, or older than what was seen of it, unless `accept_older`.
    """
    if not directory.database.exists() and directory.restoring.exists():
        raise OperatorError(
            f"a restore into {directory.path} did not come to its end",
            hint="run the same keystead restore again",
        )
    if shared is None:
        refuse_moved(directory)
    anchors = () if anchor is None else (anchor,)
    start = _Start(
        directory,
        clock,
        entropy,
        new_account,
        root_key_setting,
        accept_older,
        anchors,
        str(directory.database),
    )
    return _open_own(start) if shared is None else _open_shared(start, shared)


def _open_own(start: _Start) -> OpenedStore:
    """The store in the data directory."""
    directory = start.directory
    if (joined := node.joined(directory)) is not None:
        raise OperatorError(
            f"the store of {directory.path} is a database that servers share, and no setting says so",
            hint=f'set store = "{joined.store}" (--store, KEYSTEAD_STORE, or in the file of KEYSTEAD_CONFIG); a store of '
            "its own goes to another directory",
        )
    if not directory.database.exists() and directory.root_access_key.exists():
        raise OperatorError(
            f"the database {directory.database} is missing, although this data directory had one",
            hint="restore it from a backup; to begin anew, move the whole directory away",
        )
    keys = RootKeys(directory, start.entropy, start.clock)
    found = keys.first(start.root_key_setting)
    store = SqliteStore.open(directory.database, clock=start.clock, entropy=start.entropy)
    try:
        return _enter(start, store, keys, found)
    except BaseException:
        store.close()
        raise


def _open_shared(start: _Start, shared: SharedPlace) -> OpenedStore:
    """The store in a database that several servers share."""
    # Late: it needs a library that a store in the directory does without.
    from keystead.server.data import shared_store

    store, keys, found = shared_store.join(
        start.directory, shared, start.clock, start.entropy, start.root_key_setting
    )
    own = InFile(start.directory.seen)
    new = store.epoch == 1 and not start.directory.seen.exists()
    try:
        anchors = start.anchors if new else (*start.anchors, own)
        start = start._replace(anchors=anchors, database=shared.place.shown)
        opened = _enter(start, store, keys, found)
        if (seen := committed_in(store)) is not None:
            own.write(seen.line(opened.vault.row_seals()))
    except StoreFailure as failure:
        store.close()
        raise OperatorError(
            f"cannot use the database {shared.place.shown}: {failure}", hint="start again once it answers"
        ) from None
    except OSError as error:
        store.close()
        raise OperatorError(
            f"cannot write {own}: {error.strerror}",
            hint="check the free space and the owner of the directory",
        ) from None
    except BaseException:
        store.close()
        raise
    opened.anchors = (*anchors, own) if new else anchors
    opened.weak = shared.choice.warning
    return opened


def _enter(start: _Start, store: DatabaseStore, keys: RootKeys, found: Found | None) -> OpenedStore:
    """Use what the store has, or make it. `found` is None where a root key is to be made once it is sure that no other
    server has one."""
    founding = False
    for tries in range(1, _TRIES + 1):
        store.begin(alone=founding or tries == _TRIES)
        try:
            there = bool(store.home())
            if there == founding:  # empty: then alone; or no longer empty: another server was first
                store.rollback()
                founding = not there
                continue
            if found is None or (there and found.facts is not None):
                found = keys.first(start.root_key_setting)
            return (_go_on if there else _begin)(start, store, keys, found)
        except Superseded:
            store.rollback()
    raise StoreFailure("other servers have changed it each time that this one was about to join")


def _go_on(start: _Start, store: DatabaseStore, keys: RootKeys, found: Found) -> OpenedStore:
    """Use what is there, in the open batch."""
    directory, clock, entropy = start.directory, start.clock, start.entropy
    vault = Vault(found.root, entropy)
    vault.load(store.keyring.all(), store.keyring.secrets())
    sealed = protect(store, vault, clock)
    older = next(filter(None, (compare(store, vault, anchor) for anchor in start.anchors)), None)
    if older is not None and not start.accept_older:
        raise refuse(older)
    ensure_key(store, vault, int(clock.now()))
    if (noted := store.keyring.root()) is not None:
        keys.settle(noted)
    # An earlier version's CA moves into the store. If it can't be read it stays where it is, to be missed there.
    earlier = None if store.authorities.all() else world.read_authority(directory.authority)
    if earlier is not None:
        store.authorities.replace([earlier])
    if older is not None:
        accept(store, older, clock, entropy)
    home = store.home()
    if sealed:
        record_sealing(store, home, sealed, clock, entropy)
    store.commit()
    if earlier is not None:
        directory.authority.unlink()
    return _opened(start, store, vault, found, home)


def _begin(start: _Start, store: DatabaseStore, keys: RootKeys, found: Found) -> OpenedStore:
    """Make what a first start makes, in the open batch."""
    directory, clock, entropy = start.directory, start.clock, start.entropy
    vault = Vault(found.root, entropy)
    vault.load(store.keyring.all(), store.keyring.secrets())
    protect(store, vault, clock)
    ensure_key(store, vault, int(clock.now()))
    if directory.certificate.exists() or directory.authority.exists() or directory.seen.exists():
        raise OperatorError(
            f"the database {start.database} is empty, although this data directory had one with keys",
            hint="restore it from a backup, with its -wal file if that is a copy of the files; to begin anew, move "
            "the whole directory away",
        )
    if (
        directory.root_access_key.exists()
    ):  # of a first start that was cut off, or of a database that was lost
        kept = directory.root_access_key.with_name(f"{directory.root_access_key.name}.before")
        directory.root_access_key.replace(kept)
        logs.event("the database is empty; a new account is made", "warning", file=str(kept))
    if found.facts is not None:
        store.keyring.put_root(found.facts)
    account = start.new_account or world.account_id(entropy)
    access_key_id, secret = world.found(store, vault, account, int(clock.now()), entropy)
    # Before the commit: an AccessKey whose secret was never written down would lock everybody out.
    directory.write(directory.root_access_key, {"AccessKeyId": access_key_id, "AccessKeySecret": secret})
    store.commit()
    return _opened(start, store, vault, found, account, first_start=True)


def _opened(
    start: _Start,
    store: DatabaseStore,
    vault: Vault,
    found: Found,
    account: str,
    *,
    first_start: bool = False,
) -> OpenedStore:
    return OpenedStore(
        store=store,
        vault=vault,
        root=found.root,
        account=account,
        server_id=store.server_id,
        first_start=first_start,
        anchors=start.anchors,
    )
