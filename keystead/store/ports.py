"""What the service asks of a store. Every store passes the one contract suite in tests/store.

A store is used in batches, by one thread at a time:

    store.begin() … calls … store.commit()      or store.rollback()

Reads are "as of now", within the batch; writes become durable together, in `commit`. `commit` may run on another
thread than the calls, never at the same time as one. Repositories return domain values, never rows, and may keep
read caches; a cache never outlives an undone savepoint, a rollback, or a change of revision by another server.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

import msgspec

from keystead.domain.accounts import AccessKey, Account, RootKeyFacts, ServiceSecret, WrappingKey
from keystead.domain.audit import Head, Record
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Key, KeyFilter, KeyVersion
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.keys.uses import Place, Use, User
from keystead.store.failures import StoreFailure as StoreFailure
from keystead.store.failures import Superseded as Superseded
from keystead.store.identity_ports import Identities as Identities
from keystead.store.identity_ports import Sessions as Sessions
from keystead.store.lookups import Lookups
from keystead.store.seals import Blocked
from keystead.store.shared_ports import Shared as Shared

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A stretch of a listing, and the length of the whole; in order of creation unless the listing says otherwise."""

    items: tuple[T, ...]
    total: int


class Keys(Protocol):
    """Keys with their versions and tags. Ids are never reused."""

    def get(self, account: str, region: str, key_id: str) -> Key | None:
        """The key, or None."""
        ...

    def add(self, key: Key, version: KeyVersion, tags: dict[str, str]) -> None:
        """A new key with its first version. The ids must be new."""
        ...

    def put(self, key: Key) -> None:
        """Replace the key of the same account, region and id, which must exist."""
        ...

    def remove(self, key: Key) -> tuple[str, ...]:
        """Remove the key, its versions (their material with them), aliases and tags; gives the versions' ids."""
        ...

    def add_version(self, version: KeyVersion) -> None:
        """One more version of a key that exists. Its id must be new, and its number the next."""
        ...

    def put_version(self, version: KeyVersion) -> None:
        """Replace the material of a version that exists."""
        ...

    def versions(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[KeyVersion]:
        """The versions of one key, the newest first. Costs no scan, whatever the offset."""
        ...

    def version(self, account: str, version_id: str) -> KeyVersion | None:
        """The account's version, of whatever region, or None."""
        ...

    def versions_after(self, place: tuple[str, str, str, int], limit: int) -> tuple[KeyVersion, ...]:
        """Versions of all keys, in the order of account, region, key and number, behind this place."""
        ...

    def has_version(self, version_id: str) -> bool:
        """Whether any account has this version."""
        ...

    def shares(self, account: str, region: str, key_id: str, guest: str) -> bool:
        """Whether there is such a key, and its policy names another account, the guest. It takes as long to find that a key
        is not shared as that there is none."""
        ...

    def hosts(self, guest: str) -> tuple[str, ...]:
        """The accounts whose keys have policies that name another account, the guest; in order."""
        ...

    def tags(self, account: str, region: str, key_id: str) -> dict[str, str]:
        """The key's tags, by key."""
        ...

    def put_tags(self, account: str, region: str, key_id: str, tags: dict[str, str]) -> None:
        """Replace all tags of a key that exists."""
        ...

    def tagged(
        self, account: str, region: str, tags: dict[str, str | None], after: str, limit: int
    ) -> tuple[str, ...]:
        """Ids of keys that have all of these tags (None: with any value), or any tag if there are none here; in order,
        behind `after`."""
        ...

    def page(self, account: str, region: str, where: KeyFilter, offset: int, limit: int) -> Page[str]:
        """Ids of the matching keys. Costs no scan, whatever the offset: at most one bucket of rows is walked; with a filter
        of names, tags or instances as much as there are keys of these."""
        ...

    def amounts(self) -> dict[KeyState, int]:
        """How many keys are in each state that any is in, of all accounts and regions. Costs no scan."""
        ...

    def due(self, now: int, limit: int) -> tuple[Key, ...]:
        """Keys of any account whose deletion is due at `now` (seconds), the longest due first."""
        ...

    def rotating(self, now: int, limit: int) -> tuple[Key, ...]:
        """Keys of any account whose rotation is due at `now` (seconds), the longest due first."""
        ...

    def expiring(self, now: int, limit: int) -> tuple[Key, ...]:
        """Keys of any account whose imported material expires at `now` (seconds) or before, the longest due first."""
        ...


class Aliases(Protocol):
    """Aliases, by account, region and name."""

    def get(self, account: str, region: str, name: str) -> Alias | None:
        """The alias, or None."""
        ...

    def add(self, alias: Alias) -> None:
        """A new alias. Raises errors.AliasTaken, changing nothing, if the name exists."""
        ...

    def put(self, alias: Alias) -> None:
        """Point an existing alias to another key. Its place in listings of its account stays."""
        ...

    def remove(self, alias: Alias) -> None:
        """Remove an existing alias."""
        ...

    def page(self, account: str, region: str, offset: int, limit: int) -> Page[Alias]:
        """All aliases of an account and region."""
        ...

    def page_of_key(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[Alias]:
        """The aliases of one key."""
        ...


class Accounts(Protocol):
    """Accounts and their AccessKeys."""

    def get(self, account: str) -> Account | None:
        """The account, or None."""
        ...

    def add(self, account: Account) -> None: ...

    def put(self, account: Account) -> None:
        """Replace an existing account."""
        ...

    def all(self) -> tuple[Account, ...]:
        """All accounts, oldest first."""
        ...

    def access_key(self, access_key_id: str) -> AccessKey | None:
        """The AccessKey, or None."""
        ...

    def add_access_key(self, access_key: AccessKey) -> None: ...

    def put_access_key(self, access_key: AccessKey) -> None:
        """Replace an existing AccessKey."""
        ...

    def note_use(self, used: Mapping[str, int]) -> None:
        """Keep when AccessKeys were used last, by id: seconds since 1970. One that is gone is passed over."""
        ...

    def remove_access_key(self, access_key_id: str) -> None: ...

    def access_keys(self, account: str) -> tuple[AccessKey, ...]:
        """All AccessKeys of the account and of its users, oldest first."""
        ...

    def access_keys_after(self, access_key_id: str, limit: int) -> tuple[AccessKey, ...]:
        """AccessKeys of all accounts, in the order of their ids, behind this one."""
        ...

    def expired_access_keys(self, now: int) -> tuple[AccessKey, ...]:
        """The temporary ones of all accounts whose time is over."""
        ...


class Keyring(Protocol):
    """What the root key wraps: the wrapping keys, by generation, and the service's own keys, by name."""

    def all(self) -> tuple[WrappingKey, ...]:
        """All generations, oldest first; the last one wraps what is new."""
        ...

    def add(self, wrapping_key: WrappingKey) -> None: ...

    def put(self, wrapping_key: WrappingKey) -> None:
        """Replace an existing generation: it was wrapped anew."""
        ...

    def remove(self, wrapping_key: WrappingKey) -> None:
        """Destroy an existing generation, which has wrapped nothing that is there."""
        ...

    def secrets(self) -> tuple[ServiceSecret, ...]:
        """The service's own keys, by name."""
        ...

    def put_secret(self, secret: ServiceSecret) -> None:
        """Keep one of the service's own keys, in place of the one of that name if there is one."""
        ...

    def root(self) -> RootKeyFacts | None:
        """Which root key it is, unless that was never noted: then it is a file in the data directory."""
        ...

    def put_root(self, facts: RootKeyFacts) -> None:
        """Note which root key it is from now on."""
        ...


class Authorities(Protocol):
    """The server's own CAs."""

    def all(self) -> tuple[KeptAuthority, ...]:
        """All, oldest first."""
        ...

    def replace(self, kept: Sequence[KeptAuthority]) -> None:
        """These and no others, oldest first."""
        ...


class Nonces(Protocol):
    """Which signed requests were accepted: (second of the Timestamp, 16-byte digest)."""

    def seen(self, second: int, digest: bytes) -> bool: ...

    def add(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Remember these. StoreFailure if one was remembered lately: whoever asked `seen` first can't meet it."""
        ...

    def horizon(self) -> int:
        """The latest second that was forgotten: requests of it or before are refused, seen or not."""
        ...

    def move_horizon(self, second: int) -> None:
        """Refuse all requests of this second and before, seen or not; the horizon never moves back."""
        ...

    def purge(self, second: int) -> None:
        """Forget all of this second and before; the horizon moves to the latest second that had a nonce, never back.

        (Not to `second` itself: a clock that runs ahead for a while must not lock everyone out afterwards.)
        """
        ...


class AuditLog(Protocol):
    """The audit records of this server's chain."""

    def head(self, chain: str) -> Head:
        """The end of a chain, as of now."""
        ...

    def has(self, chain: str, head: Head) -> bool:
        """Whether a chain has a record of this number and hash; all of it may have to be read for that."""
        ...

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        """Append records of one chain, one at least, with their hashes; the first one follows the head."""
        ...


class Tallies(Protocol):
    """Statistics: who used keys, and how many calls came in each of the last minutes."""

    def since(self) -> int:
        """From when on they are kept, in seconds since 1970; 0: as long as there is the store."""
        ...

    def add_uses(self, place: Place, uses: Mapping[User, Use]) -> None:
        """Add to the uses of a key; of one that is gone they are passed over."""
        ...

    def uses(self, place: Place) -> dict[User, Use]:
        """Who used a key."""
        ...

    def forget(self, place: Place) -> None:
        """Forget who used a key that goes away."""
        ...

    def add_minutes(self, minutes: Mapping[tuple[str, int], tuple[int, int]], before: int) -> None:
        """Add to the calls and refusals of accounts in minutes since 1970, and forget the minutes before."""
        ...

    def minutes(self, account: str, first: int) -> dict[int, tuple[int, int]]:
        """Calls and refusals of an account, by minute from the first one on."""
        ...


class Holdings(Protocol):
    """What there is and whose it is: what decisions about access are made from."""

    @property
    def keys(self) -> Keys: ...

    @property
    def aliases(self) -> Aliases: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def identities(self) -> Identities: ...


class Store(Holdings, Protocol):
    """All that is kept, in one transaction at a time. Superseded may come from any of it, where servers share a store."""

    @property
    def sessions(self) -> Sessions: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def authorities(self) -> Authorities: ...

    @property
    def nonces(self) -> Nonces: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def tallies(self) -> Tallies: ...

    @property
    def lookups(self) -> Lookups: ...

    @property
    def shared(self) -> Shared | None:
        """The database, if several servers may use it."""
        ...

    @property
    def blocked(self) -> Blocked:
        """What was found to be altered outside of the service, and is not used."""
        ...

    @property
    def revision(self) -> int:
        """How many batches have changed anything but nonces, records and tallies, with the open one if it has."""
        ...

    @property
    def reloads(self) -> int:
        """How often another server's changes were taken over; what else is known of this store is to be read again then."""
        ...

    def begin(self, alone: bool = False) -> None:
        """Open a batch; `alone`: no other server's batch can end meanwhile. StoreFailure if that can't be done."""
        ...

    def commit(self) -> None:
        """Make the batch durable; only when this returned may its replies leave.

        StoreFailure: nothing of the batch is promised; call `rollback` next. Superseded: and then run it anew.
        """
        ...

    def rollback(self) -> None:
        """Undo the open batch, if any, and drop all caches. Never raises."""
        ...

    def savepoint(self) -> AbstractContextManager[Callable[[], None]]:
        """Within a batch: on an exception, or if the given function was called, undo what was done inside."""
        ...

    def close(self) -> None: ...
