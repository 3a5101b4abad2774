"""What every server has opened: store, vault and account; and how the first of them are made."""

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
from keystead.server.data.anchor import Anchor
from keystead.store.memory import MemoryStore
from keystead.store.ports import Store

EPHEMERAL_ACCOUNT = "1000000000000001"  # of every server that lives for one `keystead run` only


class OpenedStore(msgspec.Struct, kw_only=True):
    """Store, vault and the account that owns the server."""

    store: Store
    vault: Vault
    root: RootKey
    account: str
    server_id: str  # the name of the server's audit chain, which begins with a UUID
    first_start: bool
    anchors: tuple[Anchor, ...] = ()  # where it is to be kept what the store was last
    weak: str = ""  # what is weak in how the store is reached; "" is nothing


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
    access_key = found(store, vault, account, int(clock.now()), entropy)
    store.commit()
    opened = OpenedStore(
        store=store, vault=vault, root=root, account=account, server_id=store.server_id, first_start=True
    )
    return opened, access_key


def account_id(entropy: Entropy) -> str:
    """A new account's: 16 digits that begin with 1, the shape of the vendor's account ids."""
    return str(10**15 + int.from_bytes(entropy.take(8), "big") % (9 * 10**14))


def found(store: Store, vault: Vault, account: str, now: int, entropy: Entropy) -> tuple[str, str]:
    """The first wrapping key, the account and its root AccessKey."""
    if not store.keyring.all():
        store.keyring.add(vault.make_wrapping_key(now))
    store.accounts.add(Account(account_id=account, created=now))
    access_key, secret = make_access_key(
        entropy, vault, account, now, description="root, made at the first start"
    )
    store.accounts.add_access_key(access_key)
    return access_key.access_key_id, secret
