"""A store in memory: for tests, and for servers that live no longer than one command. It leaves no trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from keystead.domain.accounts import AccessKey, Account, RootKeyFacts, ServiceSecret, WrappingKey
from keystead.domain.audit import Head, Record
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Key, KeyFilter, KeyVersion
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.keys.tags import fit
from keystead.domain.policies import guests
from keystead.entropy import Entropy, uuid4
from keystead.errors import AliasTaken
from keystead.store.journal import MISSING, Journal, Rows
from keystead.store.memory_identities import Identities, Sessions
from keystead.store.memory_lookups import MemoryLookups
from keystead.store.memory_tallies import Tallies
from keystead.store.ports import Page, Shared, StoreFailure
from keystead.store.seals import Blocked


class Keyring:
    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[int, WrappingKey] = Rows(journal)
        self._secrets: Rows[str, ServiceSecret] = Rows(journal)
        self._root: Rows[str, RootKeyFacts] = Rows(journal)

    def all(self) -> tuple[WrappingKey, ...]:
        return tuple(self._rows.values())

    def add(self, wrapping_key: WrappingKey) -> None:
        self._rows.put(wrapping_key.generation, wrapping_key)

    put = add

    def remove(self, wrapping_key: WrappingKey) -> None:
        self._rows.remove(wrapping_key.generation)

    def secrets(self) -> tuple[ServiceSecret, ...]:
        return tuple(sorted(self._secrets.values(), key=lambda one: one.name))

    def put_secret(self, secret: ServiceSecret) -> None:
        self._secrets.put(secret.name, secret)

    def root(self) -> RootKeyFacts | None:
        return self._root.get("")

    def put_root(self, facts: RootKeyFacts) -> None:
        self._root.put("", facts)


class Authorities:
    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[str, tuple[KeptAuthority, ...]] = Rows(journal)

    def all(self) -> tuple[KeptAuthority, ...]:
        return self._rows.get("") or ()

    def replace(self, kept: Sequence[KeptAuthority]) -> None:
        self._rows.put("", tuple(kept))


class Accounts:
    def __init__(self, journal: Journal) -> None:
        self._accounts: Rows[str, Account] = Rows(journal)
        self._access_keys: Rows[str, AccessKey] = Rows(journal)

    def get(self, account: str) -> Account | None:
        return self._accounts.get(account)

    def add(self, account: Account) -> None:
        self._accounts.put(account.account_id, account)

    put = add

    def all(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    def access_key(self, access_key_id: str) -> AccessKey | None:
        return self._access_keys.get(access_key_id)

    def add_access_key(self, access_key: AccessKey) -> None:
        self._access_keys.put(access_key.access_key_id, access_key)

    put_access_key = add_access_key

    def note_use(self, used: Mapping[str, int]) -> None:
        for access_key_id, second in used.items():
            if (found := self.access_key(access_key_id)) is not None:
                self.put_access_key(msgspec.structs.replace(found, last_used=second))

    def remove_access_key(self, access_key_id: str) -> None:
        self._access_keys.remove(access_key_id)

    def access_keys(self, account: str) -> tuple[AccessKey, ...]:
        return tuple(one for one in self._access_keys.values() if one.account == account)

    def access_keys_after(self, access_key_id: str, limit: int) -> tuple[AccessKey, ...]:
        found = sorted(self._access_keys.values(), key=lambda one: one.access_key_id)
        return tuple([one for one in found if one.access_key_id > access_key_id][:limit])

    def expired_access_keys(self, now: int) -> tuple[AccessKey, ...]:
        return tuple(one for one in self._access_keys.values() if one.gone(now))


class Aliases:
    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[tuple[str, str, str], Alias] = Rows(journal)

    def get(self, account: str, region: str, name: str) -> Alias | None:
        return self._rows.get((account, region, name))

    def add(self, alias: Alias) -> None:
        if self.get(alias.account, alias.region, alias.name) is not None:
            raise AliasTaken
        self.put(alias)

    def put(self, alias: Alias) -> None:
        self._rows.put((alias.account, alias.region, alias.name), alias)

    def remove(self, alias: Alias) -> None:
        self._rows.remove((alias.account, alias.region, alias.name))

    def page(self, account: str, region: str, offset: int, limit: int) -> Page[Alias]:
        found = [one for one in self._rows.values() if (one.account, one.region) == (account, region)]
        return Page(tuple(found[offset : offset + limit]), len(found))

    def page_of_key(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[Alias]:
        wanted = (account, region, key_id)
        found = [one for one in self._rows.values() if (one.account, one.region, one.key_id) == wanted]
        return Page(tuple(found[offset : offset + limit]), len(found))


class Keys:
    def __init__(self, journal: Journal, aliases: Aliases) -> None:
        self._aliases = aliases
        self._keys: Rows[tuple[str, str, str], Key] = Rows(journal)
        self._versions: Rows[tuple[str, str], KeyVersion] = Rows(journal)
        # The host's account, by guest and key.
        self._guests: Rows[tuple[str, str, str, str], str] = Rows(journal)
        self._tags: Rows[tuple[str, str, str], dict[str, str]] = Rows(journal)

    def get(self, account: str, region: str, key_id: str) -> Key | None:
        return self._keys.get((account, region, key_id))

    def add(self, key: Key, version: KeyVersion, tags: dict[str, str]) -> None:
        place = key.place
        self._put(key)
        self.add_version(version)
        self._tags.put(place, dict(tags))

    def put(self, key: Key) -> None:
        self._put(key)

    def _put(self, key: Key) -> None:
        self._remove_guests(key.place)
        for guest in guests(key.policy, key.account):
            self._guests.put((guest, *key.place), key.account)
        self._keys.put(key.place, key)

    def _remove_guests(self, place: tuple[str, str, str]) -> None:
        old = self._keys.get(place)
        for guest in () if old is None else guests(old.policy, old.account):
            self._guests.remove((guest, *place))

    def remove(self, key: Key) -> tuple[str, ...]:
        place = key.place
        for alias in self._aliases.page_of_key(*place, 0, 2**31).items:
            self._aliases.remove(alias)
        versions = tuple(version.version_id for version in self.versions(*place, 0, 2**31).items)
        for version_id in versions:
            self._versions.remove((key.account, version_id))
        self._remove_guests(place)
        self._tags.remove(place)
        self._keys.remove(place)
        return versions

    def amounts(self) -> dict[KeyState, int]:
        found: dict[KeyState, int] = {}
        for key in self._keys.values():
            found[key.state] = found.get(key.state, 0) + 1
        return found

    def add_version(self, version: KeyVersion) -> None:
        self._versions.put((version.account, version.version_id), version)

    put_version = add_version

    def versions(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[KeyVersion]:
        found = [
            version
            for version in self._versions.values()
            if (version.account, version.region, version.key_id) == (account, region, key_id)
        ]
        found.sort(key=lambda version: version.number, reverse=True)
        return Page(tuple(found[offset : offset + limit]), len(found))

    def version(self, account: str, version_id: str) -> KeyVersion | None:
        return self._versions.get((account, version_id))

    def versions_after(self, place: tuple[str, str, str, int], limit: int) -> tuple[KeyVersion, ...]:
        found = sorted(self._versions.values(), key=lambda one: one.place)
        return tuple([one for one in found if one.place > place][:limit])

    def has_version(self, version_id: str) -> bool:
        return any(one.version_id == version_id for one in self._versions.values())

    def shares(self, account: str, region: str, key_id: str, guest: str) -> bool:
        place = (account, region, key_id)
        return any(self._guests.get((one, *place)) is not None for one in (guest, "*"))

    def hosts(self, guest: str) -> tuple[str, ...]:
        named = self._guests.items()
        return tuple(sorted({host for (one, *_), host in named if one in (guest, "*") and host != guest}))

    def tags(self, account: str, region: str, key_id: str) -> dict[str, str]:
        return dict(sorted((self._tags.get((account, region, key_id)) or {}).items()))

    def put_tags(self, account: str, region: str, key_id: str, tags: dict[str, str]) -> None:
        self._tags.put((account, region, key_id), dict(tags))

    def tagged(
        self, account: str, region: str, tags: dict[str, str | None], after: str, limit: int
    ) -> tuple[str, ...]:
        found = [
            key.key_id
            for key in self._keys.values()
            if (key.account, key.region) == (account, region) and key.key_id > after
            for has in [self.tags(account, region, key.key_id)]
            if has and fit(has, tags)
        ]
        return tuple(sorted(found)[:limit])

    def page(self, account: str, region: str, where: KeyFilter, offset: int, limit: int) -> Page[str]:
        found = [
            key.key_id
            for key in self._keys.values()
            if (key.account, key.region) == (account, region) and self._matches(key, where)
        ]
        return Page(tuple(found[offset : offset + limit]), len(found))

    def _matches(self, key: Key, where: KeyFilter) -> bool:
        facets = (key.state, key.spec, key.usage, key.origin, key.protection, key.service)
        if not where.fits(key.account, facets):
            return False
        if where.aliases:
            named = (self._aliases.get(key.account, key.region, name) for name in where.aliases)
            if not any(alias is not None and alias.key_id == key.key_id for alias in named):
                return False
        if where.tag_keys or where.tag_values:
            tags = self.tags(*key.place).items()
            if not any(
                (not where.tag_keys or name in where.tag_keys)
                and (not where.tag_values or value in where.tag_values)
                for name, value in tags
            ):
                return False
        in_instance = key.instance != "" and key.instance in where.instances
        return (not where.ids or key.key_id in where.ids) and (not where.instances or in_instance)

    def due(self, now: int, limit: int) -> tuple[Key, ...]:
        found = [(key.deletion_at, key) for key in self._keys.values() if key.deletion_at is not None]
        found.sort(key=lambda row: row[0])
        return tuple(key for due, key in found if due <= now)[:limit]

    def rotating(self, now: int, limit: int) -> tuple[Key, ...]:
        found = [(key.rotation_due, key) for key in self._keys.values() if key.rotation_due is not None]
        found.sort(key=lambda row: row[0])
        return tuple(key for due, key in found if due <= now)[:limit]

    def expiring(self, now: int, limit: int) -> tuple[Key, ...]:
        found = [(key.expires, key) for key in self._keys.values() if key.expires is not None]
        found.sort(key=lambda row: row[0])
        return tuple(key for due, key in found if due <= now)[:limit]


class Nonces:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._horizon: dict[str, int] = {"horizon": 0}
        self._added: dict[tuple[int, bytes], bool] = {}

    def seen(self, second: int, digest: bytes) -> bool:
        return (second, digest) in self._added

    def add(self, rows: Sequence[tuple[int, bytes]]) -> None:
        for row in rows:
            if row in self._added:
                raise StoreFailure("a nonce was to be remembered twice")
            self._journal.append((self._added, row, MISSING))
            self._added[row] = True

    def horizon(self) -> int:
        return self._horizon["horizon"]

    def purge(self, second: int) -> None:
        old = [row for row in self._added if row[0] <= second]
        for row in old:
            self._journal.append((self._added, row, True))
            del self._added[row]
        if old:
            self.move_horizon(max(row[0] for row in old))

    def move_horizon(self, second: int) -> None:
        self._journal.append((self._horizon, "horizon", self.horizon()))
        self._horizon["horizon"] = max(self.horizon(), second)


class AuditLog:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.records: dict[int, tuple[Record, bytes]] = {}
        self._heads: dict[str, Head] = {}

    def head(self, chain: str) -> Head:
        return self._heads.get(chain, Head())

    def has(self, chain: str, head: Head) -> bool:
        record, link = self.records.get(head.count, (None, b""))
        return record is not None and record.chain == chain and link == head.hash

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        for record, link in rows:
            self._journal.append((self.records, record.sequence, MISSING))
            self.records[record.sequence] = (record, link)
            self._journal.append((self._heads, record.chain, self._heads.get(record.chain, MISSING)))
            self._heads[record.chain] = Head(record.sequence, link)


class MemoryStore:
    """See keystead.store.ports.Store."""

    def __init__(self, *, entropy: Entropy) -> None:
        self.server_id = uuid4(entropy)
        self.blocked = Blocked()  # nobody else writes here
        self.revision = self.reloads = 0  # nobody else has any of it
        self.shared: Shared | None = None
        self._journal: Journal = []
        self.keyring = Keyring(self._journal)
        self.accounts = Accounts(self._journal)
        self.identities = Identities(self._journal)
        self.sessions = Sessions(self._journal)
        self.authorities = Authorities(self._journal)
        self.aliases = Aliases(self._journal)
        self.keys = Keys(self._journal, self.aliases)
        self.nonces = Nonces(self._journal)
        self.audit = AuditLog(self._journal)
        self.tallies = Tallies(self._journal, lambda place: self.keys.get(*place) is not None)
        self.lookups = MemoryLookups(self.keys, self.aliases, self.identities, self.audit.records)

    def begin(self, alone: bool = False) -> None:
        self._journal.clear()

    def commit(self) -> None:
        self._journal.clear()

    def rollback(self) -> None:
        self._undo(0)

    @contextmanager
    def savepoint(self) -> Iterator[Callable[[], None]]:
        mark, keep = len(self._journal), True

        def undo() -> None:
            nonlocal keep
            keep = False

        try:
            yield undo
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                self._undo(mark)

    def close(self) -> None:
        """Nothing to let go of."""

    def _undo(self, mark: int) -> None:
        self.identities.drop_cache()
        while len(self._journal) > mark:
            rows, name, old = self._journal.pop()
            if old is MISSING:
                del rows[name]
            else:
                rows[name] = old
