"""The repositories of the embedded store: plain SQL in, domain values out. See keystead.store.ports for contracts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from keystead.domain.accounts import (
    AccessKey,
    AccessKeyStatus,
    Account,
    AccountStatus,
    ServiceSecret,
    WrappingKey,
)
from keystead.domain.audit import COLUMNS, Head, Record, columns
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Wrapped
from keystead.errors import AliasTaken
from keystead.store.database import Database, remember
from keystead.store.listing import Listing
from keystead.store.ports import Page


class Keyring:
    """Wrapping keys, and the service's own keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[WrappingKey, ...]:
        rows = self._database.rows(
            "SELECT generation, root_fingerprint, blob, created FROM wrapping_keys ORDER BY generation"
        )
        return tuple(
            WrappingKey(generation=row[0], root_fingerprint=row[1], blob=row[2], created=row[3])
            for row in rows
        )

    def add(self, wrapping_key: WrappingKey) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO wrapping_keys VALUES (?, ?, ?, ?)",
            (
                wrapping_key.generation,
                wrapping_key.root_fingerprint,
                wrapping_key.blob,
                wrapping_key.created,
            ),
        )

    def put(self, wrapping_key: WrappingKey) -> None:
        self._database.revise()
        self._database.rows(
            "UPDATE wrapping_keys SET root_fingerprint = ?, blob = ? WHERE generation = ?",
            (wrapping_key.root_fingerprint, wrapping_key.blob, wrapping_key.generation),
        )

    def remove(self, wrapping_key: WrappingKey) -> None:
        self._database.revise()
        self._database.rows("DELETE FROM wrapping_keys WHERE generation = ?", (wrapping_key.generation,))

    def secrets(self) -> tuple[ServiceSecret, ...]:
        rows = self._database.rows(
            "SELECT name, root_fingerprint, blob, created FROM service_secrets ORDER BY name"
        )
        return tuple(
            ServiceSecret(name=row[0], root_fingerprint=row[1], blob=row[2], created=row[3]) for row in rows
        )

    def put_secret(self, secret: ServiceSecret) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT OR REPLACE INTO service_secrets VALUES (?, ?, ?, ?)", msgspec.structs.astuple(secret)
        )


class Authorities:
    """The server's own CAs: one value, since they are few and only ever replaced together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[KeptAuthority, ...]:
        row = self._database.row(AUTHORITIES)
        return () if row is None else authorities(row[0])

    def replace(self, kept: Sequence[KeptAuthority]) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO meta VALUES ('authorities', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (msgspec.json.encode(kept).decode(),),
        )


AUTHORITIES = "SELECT value FROM meta WHERE name = 'authorities'"


def authorities(value: str) -> tuple[KeptAuthority, ...]:
    """The CAs, from the value that they are kept in."""
    return msgspec.json.decode(value, type=tuple[KeptAuthority, ...])


class Accounts:
    """Accounts and AccessKeys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, AccessKey] = {}
        self._accounts: dict[str, Account] = {}

    def drop_cache(self) -> None:
        self._cache.clear()
        self._accounts.clear()

    def get(self, account: str) -> Account | None:
        found = self._accounts.get(account)
        if found is None:
            row = self._database.row(f"{_ACCOUNT} WHERE account = ?", (account,))
            if row is None:
                return None
            found = self._accounts[account] = _account(row)
        return found

    def add(self, account: Account) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO accounts (account, created, name, status) VALUES (?, ?, ?, ?)",
            (account.account_id, account.created, account.name, account.status),
        )

    def put(self, account: Account) -> None:
        self._database.revise()
        self._accounts.pop(account.account_id, None)
        self._database.rows(
            "UPDATE accounts SET name = ?, status = ? WHERE account = ?",
            (account.name, account.status, account.account_id),
        )

    def all(self) -> tuple[Account, ...]:
        return tuple(_account(row) for row in self._database.rows(f"{_ACCOUNT} ORDER BY position"))

    def access_key(self, access_key_id: str) -> AccessKey | None:
        found = self._cache.get(access_key_id)
        if found is None:
            row = self._database.row(f"{_ACCESS_KEY} WHERE access_key_id = ?", (access_key_id,))
            if row is None:
                return None
            found = _access_key(row)
            remember(self._cache, access_key_id, found)
        return found

    def add_access_key(self, access_key: AccessKey) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO access_keys (access_key_id, account, status, created, generation, secret, description, creator, "
            "last_used, user_id, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
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
            ),
        )

    def put_access_key(self, access_key: AccessKey) -> None:
        self._database.revise()
        self._cache.pop(access_key.access_key_id, None)
        self._database.rows(
            "UPDATE access_keys SET status = ?, generation = ?, secret = ?, description = ?, creator = ?, last_used = ?, "
            "expires = ? WHERE access_key_id = ?",
            (
                access_key.status,
                access_key.secret.generation,
                access_key.secret.blob,
                access_key.description,
                access_key.creator,
                access_key.last_used,
                access_key.expires,
                access_key.access_key_id,
            ),
        )

    def note_use(self, used: Mapping[str, int]) -> None:
        for access_key_id, second in used.items():
            self._cache.pop(access_key_id, None)
            self._database.rows(
                "UPDATE access_keys SET last_used = ? WHERE access_key_id = ?", (second, access_key_id)
            )

    def remove_access_key(self, access_key_id: str) -> None:
        self._database.revise()
        self._cache.pop(access_key_id, None)
        self._database.rows("DELETE FROM access_keys WHERE access_key_id = ?", (access_key_id,))

    def access_keys(self, account: str) -> tuple[AccessKey, ...]:
        rows = self._database.rows(f"{_ACCESS_KEY} WHERE account = ? ORDER BY position", (account,))
        return tuple(_access_key(row) for row in rows)

    def access_keys_after(self, access_key_id: str, limit: int) -> tuple[AccessKey, ...]:
        rows = self._database.rows(
            f"{_ACCESS_KEY} WHERE access_key_id > ? ORDER BY access_key_id LIMIT ?", (access_key_id, limit)
        )
        return tuple(_access_key(row) for row in rows)

    def expired_access_keys(self, now: int) -> tuple[AccessKey, ...]:
        rows = self._database.rows(f"{_ACCESS_KEY} WHERE expires > 0 AND expires <= ?", (now,))
        return tuple(_access_key(row) for row in rows)


_ACCESS_KEY = (
    "SELECT access_key_id, account, status, created, generation, secret, description, creator, last_used, user_id, "
    "expires FROM access_keys"
)
_ACCOUNT = "SELECT account, created, name, status FROM accounts"


def _account(row: tuple[Any, ...]) -> Account:
    return Account(account_id=row[0], created=row[1], name=row[2], status=AccountStatus(row[3]))


def _access_key(row: tuple[Any, ...]) -> AccessKey:
    return AccessKey(
        access_key_id=row[0],
        account=row[1],
        status=AccessKeyStatus(row[2]),
        created=row[3],
        secret=Wrapped(row[4], row[5]),
        description=row[6],
        creator=row[7],
        last_used=row[8],
        user_id=row[9],
        expires=row[10],
    )


class Aliases:
    """Aliases, with two listings: those of an account and region, and those of a key."""

    def __init__(self, database: Database, listing: Listing) -> None:
        self._database = database
        self._listing = listing
        self._cache: dict[tuple[str, str, str], Alias] = {}

    def drop_cache(self) -> None:
        self._cache.clear()

    def get(self, account: str, region: str, name: str) -> Alias | None:
        found = self._cache.get((account, region, name))
        if found is None:
            row = self._database.row(
                f"{_ALIAS} WHERE account = ? AND region = ? AND name = ?", (account, region, name)
            )
            if row is None:
                return None
            found = _alias(row)
            remember(self._cache, (account, region, name), found)
        return found

    def add(self, alias: Alias) -> None:
        if self.get(alias.account, alias.region, alias.name) is not None:
            raise AliasTaken
        self._database.revise()
        position = self._database.rows(
            "INSERT INTO aliases (account, region, name, key_id, created) VALUES (?, ?, ?, ?, ?) RETURNING position",
            (alias.account, alias.region, alias.name, alias.key_id, alias.created),
        )[0][0]
        self._listing.count(_aliases_of(alias), position, "", 1)
        self._listing.count(_aliases_of_key(alias), position, "", 1)

    def put(self, alias: Alias) -> None:
        old, position = self._stored(alias)
        self._database.revise()
        self._database.rows("UPDATE aliases SET key_id = ? WHERE position = ?", (alias.key_id, position))
        self._listing.count(_aliases_of_key(old), position, "", -1)
        self._listing.count(_aliases_of_key(alias), position, "", 1)
        self._cache.pop((alias.account, alias.region, alias.name), None)

    def remove(self, alias: Alias) -> None:
        old, position = self._stored(alias)
        self._database.revise()
        self._database.rows("DELETE FROM aliases WHERE position = ?", (position,))
        self._listing.count(_aliases_of(old), position, "", -1)
        self._listing.count(_aliases_of_key(old), position, "", -1)
        self._cache.pop((alias.account, alias.region, alias.name), None)

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
        for row in self._database.rows(
            f"{_ALIAS} WHERE account = ? AND region = ? AND key_id = ?", (account, region, key_id)
        ):
            self.remove(_alias(row))

    def _walk(self, more: str, values: tuple[object, ...]) -> list[Alias]:
        rows = self._database.rows(
            f"{_ALIAS} WHERE account = ? AND region = ? AND position >= ? AND position < ?{more} ORDER BY position",
            values,
        )
        return [_alias(row) for row in rows]

    def _stored(self, alias: Alias) -> tuple[Alias, int]:
        row = self._database.rows(
            f"{_ALIAS} WHERE account = ? AND region = ? AND name = ?",
            (alias.account, alias.region, alias.name),
        )[0]
        return _alias(row), row[5]


_ALIAS = "SELECT account, region, name, key_id, created, position FROM aliases"


def _alias(row: tuple[Any, ...]) -> Alias:
    return Alias(account=row[0], region=row[1], name=row[2], key_id=row[3], created=row[4])


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

    def append(self, rows: Sequence[tuple[Record, bytes]]) -> None:
        self._database.many(_INSERT, [(*columns(record), link) for record, link in rows])
        last, link = rows[-1]
        self._database.rows(
            "INSERT INTO chains VALUES (?, ?, ?) "
            "ON CONFLICT (chain) DO UPDATE SET records = excluded.records, hash = excluded.hash",
            (last.chain, last.sequence, link),
        )


_INSERT = f"INSERT INTO audit ({', '.join(COLUMNS)}, hash) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608
