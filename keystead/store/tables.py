"""The repositories of the embedded store: plain SQL in, domain values out. See keystead.store.ports for contracts."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from keystead.domain.accounts import (
    AccessKey,
    AccessKeyStatus,
    Account,
    AccountStatus,
    RootKeyFacts,
    ServiceSecret,
    WrappingKey,
)
from keystead.domain.audit import COLUMNS, Head, Record, columns
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Wrapped
from keystead.errors import AliasTaken, StoredRowAltered
from keystead.store import sealed
from keystead.store.database import Database, remember
from keystead.store.listing import Listing
from keystead.store.ports import Page
from keystead.store.sealed import ACCESS_KEYS, ACCOUNTS, ALIASES, META, SERVICE_SECRETS, WRAPPING_KEYS, Row
from keystead.store.sealed_table import SealedTable

ROOT_KEY = "SELECT fingerprint, provider, parameters, since FROM root_key"


class Keyring:
    """Wrapping keys, and the service's own keys."""

    def __init__(self, database: Database) -> None:
        self._wrapping_keys = SealedTable(database, WRAPPING_KEYS)
        self._secrets = SealedTable(database, SERVICE_SECRETS)
        self._root = SealedTable(database, sealed.ROOT_KEY)

    def all(self) -> tuple[WrappingKey, ...]:
        return tuple(
            WrappingKey(generation=row[0], root_fingerprint=row[1], blob=row[2], created=row[3])
            for row in self._wrapping_keys.select("ORDER BY generation")
        )

    def add(self, wrapping_key: WrappingKey) -> None:
        self._wrapping_keys.insert(msgspec.structs.astuple(wrapping_key))

    def put(self, wrapping_key: WrappingKey) -> None:
        self._wrapping_keys.change(
            (wrapping_key.generation,), root_fingerprint=wrapping_key.root_fingerprint, blob=wrapping_key.blob
        )

    def remove(self, wrapping_key: WrappingKey) -> None:
        self._wrapping_keys.delete("WHERE generation = ?", (wrapping_key.generation,))

    def secrets(self) -> tuple[ServiceSecret, ...]:
        return tuple(
            ServiceSecret(name=row[0], root_fingerprint=row[1], blob=row[2], created=row[3])
            for row in self._secrets.select("ORDER BY name")
        )

    def put_secret(self, secret: ServiceSecret) -> None:
        row = msgspec.structs.astuple(secret)
        if self._secrets.put(row) is None:
            self._secrets.insert(row)

    def root(self) -> RootKeyFacts | None:
        row = self._root.get(1)
        if row is None:
            return None
        return RootKeyFacts(fingerprint=row[1], provider=row[2], parameters=row[3], since=row[4])

    def put_root(self, facts: RootKeyFacts) -> None:
        row = (1, *msgspec.structs.astuple(facts))
        if self._root.put(row) is None:
            self._root.insert(row)


class Authorities:
    """The server's own CAs: one value, since they are few and only ever replaced together."""

    def __init__(self, database: Database) -> None:
        self._meta = SealedTable(database, META)

    def all(self) -> tuple[KeptAuthority, ...]:
        row = self._meta.get(_AUTHORITIES)
        return () if row is None else authorities(row[1])

    def replace(self, kept: Sequence[KeptAuthority]) -> None:
        row = (_AUTHORITIES, msgspec.json.encode(kept).decode())
        if self._meta.put(row) is None:
            self._meta.insert(row)


_AUTHORITIES = "authorities"
AUTHORITIES = f"SELECT value FROM meta WHERE name = '{_AUTHORITIES}'"  # noqa: S608 - a constant


def authorities(value: str) -> tuple[KeptAuthority, ...]:
    """The CAs, from the value that they are kept in."""
    return msgspec.json.decode(value, type=tuple[KeptAuthority, ...])


class Accounts:
    """Accounts and AccessKeys."""

    def __init__(self, database: Database) -> None:
        self._table = SealedTable(database, ACCOUNTS)
        self._access_keys = SealedTable(database, ACCESS_KEYS)
        self._cache: dict[str, AccessKey] = {}
        self._accounts: dict[str, Account] = {}

    def drop_cache(self) -> None:
        self._cache.clear()
        self._accounts.clear()

    def get(self, account: str) -> Account | None:
        found = self._accounts.get(account)
        if found is None:
            row = self._table.get(account)
            if row is None:
                return None
            found = self._accounts[account] = _account(row)
        return found

    def add(self, account: Account) -> None:
        self._table.insert((None, account.account_id, account.created, account.name, account.status))

    def put(self, account: Account) -> None:
        self._accounts.pop(account.account_id, None)
        self._table.change((account.account_id,), name=account.name, status=account.status)

    def all(self) -> tuple[Account, ...]:
        return tuple(map(_account, self._table.select("ORDER BY position")))

    def access_key(self, access_key_id: str) -> AccessKey | None:
        found = self._cache.get(access_key_id)
        if found is None:
            row = self._access_keys.get(access_key_id)
            if row is None:
                return None
            found = _access_key(row)
            remember(self._cache, access_key_id, found)
        return found

    def add_access_key(self, access_key: AccessKey) -> None:
        self._access_keys.insert(_access_key_row(access_key))

    def put_access_key(self, access_key: AccessKey) -> None:
        self._cache.pop(access_key.access_key_id, None)
        self._access_keys.put(_access_key_row(access_key))

    def note_use(self, used: Mapping[str, int]) -> None:
        for access_key_id, second in used.items():
            self._cache.pop(access_key_id, None)
            with suppress(StoredRowAltered):  # whoever uses it next is told
                self._access_keys.change((access_key_id,), last_used=second)

    def remove_access_key(self, access_key_id: str) -> None:
        self._cache.pop(access_key_id, None)
        self._access_keys.delete("WHERE access_key_id = ?", (access_key_id,))

    def access_keys(self, account: str) -> tuple[AccessKey, ...]:
        rows = self._access_keys.select(
            "WHERE account = ? ORDER BY position", (account,), f"account {account}"
        )
        return tuple(map(_access_key, rows))

    def access_keys_after(self, access_key_id: str, limit: int) -> tuple[AccessKey, ...]:
        rows = self._access_keys.select(
            "WHERE access_key_id > ? ORDER BY access_key_id LIMIT ?", (access_key_id, limit)
        )
        return tuple(map(_access_key, rows))

    def expired_access_keys(self, now: int) -> tuple[AccessKey, ...]:
        return tuple(map(_access_key, self._access_keys.sound("WHERE expires > 0 AND expires <= ?", (now,))))


def _account(row: Row) -> Account:
    return Account(account_id=row[1], created=row[2], name=row[3], status=AccountStatus(row[4]))


def _access_key(row: Row) -> AccessKey:
    return AccessKey(
        access_key_id=row[1],
        account=row[2],
        status=AccessKeyStatus(row[3]),
        created=row[4],
        secret=Wrapped(row[5], row[6]),
        description=row[7],
        creator=row[8],
        last_used=row[9],
        user_id=row[10],
        expires=row[11],
    )


def _access_key_row(access_key: AccessKey) -> Row:
    return (
        None,
        access_key.access_key_id,
        access_key.account,
        access_key.status,
        access_key.created,
        access_key.secret.generation,
        access_key.secret.blob,
        access_key.description,
        access_key.creator,
        access_key.last_used,
        access_key.user_id,
        access_key.expires,
    )


class Aliases:
    """Aliases, with two listings: those of an account and region, and those of a key."""

    def __init__(self, database: Database, listing: Listing) -> None:
        self._table = SealedTable(database, ALIASES)
        self._listing = listing
        self._cache: dict[tuple[str, str, str], Alias] = {}

    def drop_cache(self) -> None:
        self._cache.clear()

    def get(self, account: str, region: str, name: str) -> Alias | None:
        found = self._cache.get((account, region, name))
        if found is None:
            row = self._table.get(account, region, name)
            if row is None:
                return None
            found = _alias(row)
            remember(self._cache, (account, region, name), found)
        return found

    def add(self, alias: Alias) -> None:
        if self.get(alias.account, alias.region, alias.name) is not None:
            raise AliasTaken
        row = self._table.insert(_alias_row(alias))
        self._listing.count(_aliases_of(alias), row[0], "", 1)
        self._listing.count(_aliases_of_key(alias), row[0], "", 1)

    def put(self, alias: Alias) -> None:
        row = self._table.put(_alias_row(alias))
        assert row is not None
        self._listing.count(_aliases_of_key(_alias(row)), row[0], "", -1)
        self._listing.count(_aliases_of_key(alias), row[0], "", 1)
        self._cache.pop((alias.account, alias.region, alias.name), None)

    def remove(self, alias: Alias) -> None:
        self._remove(
            "WHERE account = ? AND region = ? AND name = ?", (alias.account, alias.region, alias.name)
        )

    def page(self, account: str, region: str, offset: int, limit: int) -> Page[Alias]:
        items, total = self._listing.page(
            f"aliases {account} {region}",
            offset,
            limit,
            lambda first, last: self._walk("", (account, region, first, last)),
        )
        return Page(items, total)

    def page_of_key(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[Alias]:
        items, total = self._listing.page(
            f"aliases {account} {region} {key_id}",
            offset,
            limit,
            lambda first, last: self._walk(" AND key_id = ?", (account, region, first, last, key_id)),
        )
        return Page(items, total)

    def remove_all_of(self, account: str, region: str, key_id: str) -> None:
        """Remove every alias of a key that is going away."""
        self._remove("WHERE account = ? AND region = ? AND key_id = ?", (account, region, key_id))

    def _walk(self, more: str, values: tuple[object, ...]) -> list[Alias]:
        rows = self._table.select(
            f"WHERE account = ? AND region = ? AND position >= ? AND position < ?{more} ORDER BY position",
            values,
        )
        return [_alias(row) for row in rows]

    def _remove(self, more: str, values: tuple[str, ...]) -> None:
        for row in self._table.delete(more, values):
            alias = _alias(row)
            self._listing.count(_aliases_of(alias), row[0], "", -1)
            self._listing.count(_aliases_of_key(alias), row[0], "", -1)
            self._cache.pop((alias.account, alias.region, alias.name), None)


def _alias(row: Row) -> Alias:
    return Alias(account=row[1], region=row[2], name=row[3], key_id=row[4], created=row[5])


def _alias_row(alias: Alias) -> Row:
    return (None, alias.account, alias.region, alias.name, alias.key_id, alias.created)


def _aliases_of(alias: Alias) -> str:
    return f"aliases {alias.account} {alias.region}"


def _aliases_of_key(alias: Alias) -> str:
    return f"aliases {alias.account} {alias.region} {alias.key_id}"


class AuditLog:
    """The records, of every chain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, chain: str) -> Head:
        row = self._database.row("SELECT records, hash FROM chains WHERE chain = ?", (chain,))
        if row is None:  # one of a database that was copied from elsewhere, or a new one
            row = self._database.row(
                "SELECT sequence, hash FROM audit WHERE chain = ? ORDER BY position DESC LIMIT 1", (chain,)
            )
        return Head() if row is None else Head(row[0], row[1])

    def has(self, chain: str, head: Head) -> bool:
        # By the end of the log first: an anchor is about as old as a second. Its records lie in order, without an index.
        where = "WHERE chain = ? AND sequence = ? AND hash = ? ORDER BY position DESC LIMIT 1"
        return self._database.row(f"SELECT 1 FROM audit {where}", (chain, head.count, head.hash)) is not None  # noqa: S608

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        self._database.many(_INSERT, [(*columns(record), link) for record, link in rows])
        last, link = rows[-1]
        self._database.rows(
            "INSERT INTO chains VALUES (?, ?, ?) "
            "ON CONFLICT (chain) DO UPDATE SET records = excluded.records, hash = excluded.hash",
            (last.chain, last.sequence, link),
        )


_INSERT = f"INSERT INTO audit ({', '.join(COLUMNS)}, hash) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608
