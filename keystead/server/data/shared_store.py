"""A server joins the database that others share with it: as the one that its data directory is of."""

import socket
from collections.abc import Callable

import msgspec

from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_keys import Found, RootKeys
from keystead.server.data.store_place import SharedPlace
from keystead.store.postgresql.database import PostgresDatabase
from keystead.store.postgresql.store import PostgresStore
from keystead.store.reader import RootKeyNeeded, needed_by
from keystead.store.tables import Keyring


def join(
    directory: DataDirectory, shared: SharedPlace, clock: Clock, entropy: Entropy, root_key_setting: str
) -> tuple[PostgresStore, RootKeys, Found | None]:
    """The store, with the root key that it needs; None, and none is made, if it is to be a file and nothing needs one yet.

    OperatorError, and the server has not joined, if the root key is another one or can't be had, if the directory has a
    database of its own, or if the one that is shared can't be used.
    """
    if directory.database.exists():
        raise OperatorError(
            f"{directory.path} has a database of its own, and the setting store names another one",
            hint="keystead store copy takes all of it to the other one; to join that without it, name another directory "
            "with --data",
        )
    needed, found = RootKeyNeeded(), None
    keys = RootKeys(directory, entropy, clock, lambda: needed)

    def look(database: PostgresDatabase) -> None:
        nonlocal needed, found
        needed = needed_by(Keyring(database))
        if needed.fingerprint or keys.chosen(root_key_setting, needed).kind != "file":
            found = keys.first(root_key_setting)

    store = member(directory, shared, clock, entropy, look)
    later = RootKeys(directory, entropy, clock, lambda: needed_by(store.keyring))
    return store, later, found


def member(
    directory: DataDirectory,
    shared: SharedPlace,
    clock: Clock,
    entropy: Entropy,
    look: Callable[[PostgresDatabase], None] = lambda database: None,
) -> PostgresStore:
    """The store as the server of a directory has it, whatever is in it; `look` sees the database before the server joins."""
    this = node.make(directory, shared.choice.text, entropy)
    store = PostgresStore.open(
        shared.place, this.server, socket.gethostname(), clock, after=this.epoch, first=look
    )
    try:
        node.keep(directory, msgspec.structs.replace(this, epoch=store.epoch))
    except BaseException:
        store.close()
        raise
    return store
