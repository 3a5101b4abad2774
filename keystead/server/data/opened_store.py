"""What a data directory holds, opened: store, vault and account. Made at the first start, opened ever after."""

import base64
from pathlib import Path

import msgspec

from keystead.api.access_keys import make_access_key
from keystead.api.checkpoints import ensure_key
from keystead.clock import Clock
from keystead.crypto import root_key
from keystead.crypto.root_key import RootKey
from keystead.crypto.vault import Vault
from keystead.domain.accounts import Account
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.key import Wrapped
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.data.anchor import Anchor
from keystead.server.data.directory import DataDirectory
from keystead.server.data.older_copy import accept, compare, refuse
from keystead.server.data.protection import protect, record_sealing
from keystead.server.data.root_keys import RootKeys
from keystead.store.memory import MemoryStore
from keystead.store.ports import Store
from keystead.store.sqlite import SqliteStore

EPHEMERAL_ACCOUNT = "1000000000000001"  # of every server that lives for one `keystead run` only


class OpenedStore(msgspec.Struct, kw_only=True):
    """Store, vault and the account that owns the server."""

    store: Store
    vault: Vault
    root: RootKey
    account: str
    server_id: str  # a UUID, made with the store; the name of the server's audit chain
    first_start: bool


def open_store(
    directory: DataDirectory,
    clock: Clock,
    entropy: Entropy,
    new_account: str = "",
    anchor: Anchor | None = None,
    root_key_setting: str = "",
) -> OpenedStore:
    """Open the data directory, which this process has locked; at the first start, make what it needs.

    `new_account` is the account of a first start, by default a random one; `root_key_setting` the setting `root-key`.

    OperatorError if the root key can't be had, is damaged, open to others or another one, or if the database is missing
    although there was one, damaged, newer than this program, or older than its anchor.
    """
    if not directory.database.exists() and directory.restoring.exists():
        raise OperatorError(
            f"a restore into {directory.path} did not come to its end",
            hint="run the same keystead restore again",
        )
    if not directory.database.exists() and directory.root_access_key.exists():
        raise OperatorError(
            f"the database {directory.database} is missing, although this data directory had one",
            hint="restore it from a backup; to begin anew, move the whole directory away",
        )
    root_keys = RootKeys(directory, entropy, clock)
    found = root_keys.first(root_key_setting)
    store = SqliteStore.open(directory.database, clock=clock, entropy=entropy)
    try:
        vault = Vault(found.root, entropy)
        store.begin()
        vault.load(store.keyring.all(), store.keyring.secrets())
        sealed = protect(store, vault, clock)
        older = None if anchor is None else compare(store, vault, anchor)
        if older is not None and anchor is not None and not anchor.accept_older:
            raise refuse(older)
        ensure_key(store, vault, int(clock.now()))
        if home := store.home():
            if (noted := store.keyring.root()) is not None:
                root_keys.settle(noted)
            # An earlier version's CA moves into the store. If it can't be read it stays where it is, to be missed there.
            earlier = None if store.authorities.all() else read_authority(directory.authority)
            if earlier is not None:
                store.authorities.replace([earlier])
            if older is not None:
                accept(store, older, clock, entropy)
            if sealed:
                record_sealing(store, home, sealed, clock, entropy)
            store.commit()
            if earlier is not None:
                directory.authority.unlink()
            return OpenedStore(
                store=store,
                vault=vault,
                root=found.root,
                account=home,
                server_id=store.server_id,
                first_start=False,
            )
        if directory.certificate.exists() or directory.authority.exists():
            raise OperatorError(
                f"the database {directory.database} is empty, although this data directory had one with keys",
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
        account = new_account or _account_id(entropy)
        access_key_id, secret = _found(store, vault, account, int(clock.now()), entropy)
        # Before the commit: an AccessKey whose secret was never written down would lock everybody out.
        directory.write(directory.root_access_key, {"AccessKeyId": access_key_id, "AccessKeySecret": secret})
        store.commit()
    except BaseException:
        store.close()
        raise
    return OpenedStore(
        store=store,
        vault=vault,
        root=found.root,
        account=account,
        server_id=store.server_id,
        first_start=True,
    )


class _Authority(msgspec.Struct, frozen=True, kw_only=True):
    """The CA in a file of its own, as earlier versions kept it; its private key is wrapped."""

    expires: int
    certificate: str
    generation: int
    key: str


def read_authority(path: Path) -> KeptAuthority | None:
    """The CA that an earlier version kept in a file; None if there is none, or it is damaged."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Authority)
        wrapped = Wrapped(found.generation, base64.b64decode(found.key, validate=True))
    except (OSError, ValueError):  # msgspec's errors and base64's are ValueErrors
        return None
    return KeptAuthority(certificate=found.certificate, key=wrapped, expires=found.expires)


def open_in_memory(
    clock: Clock, entropy: Entropy, account: str = EPHEMERAL_ACCOUNT
) -> tuple[OpenedStore, tuple[str, str]]:
    """A world in memory that leaves no trace, with its root AccessKey: id and secret."""
    store = MemoryStore(entropy=entropy)
    root = root_key.ephemeral(entropy)
    vault = Vault(root, entropy)
    store.begin()
    ensure_key(store, vault, int(clock.now()))
    access_key = _found(store, vault, account, int(clock.now()), entropy)
    store.commit()
    opened = OpenedStore(
        store=store, vault=vault, root=root, account=account, server_id=store.server_id, first_start=True
    )
    return opened, access_key


def _account_id(entropy: Entropy) -> str:
    # 16 digits that begin with 1, the shape of the vendor's account ids.
    return str(10**15 + int.from_bytes(entropy.take(8), "big") % (9 * 10**14))


def _found(store: Store, vault: Vault, account: str, now: int, entropy: Entropy) -> tuple[str, str]:
    """The first wrapping key, the account and its root AccessKey."""
    if not store.keyring.all():
        store.keyring.add(vault.make_wrapping_key(now))
    store.accounts.add(Account(account_id=account, created=now))
    access_key, secret = make_access_key(
        entropy, vault, account, now, description="root, made at the first start"
    )
    store.accounts.add_access_key(access_key)
    return access_key.access_key_id, secret
