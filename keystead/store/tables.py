"""The repositories of the embedded store: plain SQL in, domain values out. See keystead.store.ports for contracts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from keystead.domain.accounts import AccessKey, AccessKeyStatus, Account, WrappingKey
from keystead.domain.audit import COLUMNS, Head, Record, columns
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Wrapped
from keystead.errors import AliasTaken
from keystead.store.database import Database, remember
from keystead.store.listing import Listing
from keystead.store.ports import Page

RECENT_NONCES = 512  # from which on they are put in their places
KNOWN_NONCES = 65_536  # of the newest seconds, known by heart: some 6 MB
_SEEN = (
    "SELECT 1 FROM nonces WHERE second = ?1 AND digest = ?2"
    " UNION ALL SELECT 1 FROM recent_nonces WHERE second = ?1 AND digest = ?2"
)
_NEWEST = (
    "SELECT max(coalesce((SELECT max(second) FROM nonces), -1), coalesce((SELECT max(second) FROM recent_nonces), -1)),"
    " (SELECT count(*) FROM recent_nonces)"
)


class Keyring:
    """Wrapping keys."""

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

    def drop_cache(self) -> None:
        self._cache.clear()

    def add(self, account: Account) -> None:
        self._database.revise()
        self._database.rows(
            "INSERT INTO accounts (account, created) VALUES (?, ?)", (account.account_id, account.created)
        )

    def all(self) -> tuple[Account, ...]:
        rows = self._database.rows("SELECT account, created FROM accounts ORDER BY position")
        return tuple(Account(account_id=row[0], created=row[1]) for row in rows)

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
            "last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            ),
        )

    def put_access_key(self, access_key: AccessKey) -> None:
        self._database.revise()
        self._cache.pop(access_key.access_key_id, None)
        self._database.rows(
            "UPDATE access_keys SET status = ?, generation = ?, secret = ?, description = ?, creator = ?, last_used = ? "
            "WHERE access_key_id = ?",
            (
                access_key.status,
                access_key.secret.generation,
                access_key.secret.blob,
                access_key.description,
                access_key.creator,
                access_key.last_used,
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


_ACCESS_KEY = (
    "SELECT access_key_id, account, status, created, generation, secret, description, creator, last_used "
    "FROM access_keys"
)


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


class Nonces:
    """Accepted nonces and the horizon.

    New ones lie in a short table; some hundred at a time they are put in their places in the long one. One by one, each
    would rewrite another page of that. Those of the newest seconds, which nearly all requests are about, are known by heart.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._horizon: int | None = None
        self._newest: dict[int, set[bytes]] | None = None  # by second
        self._since = 0  # the second from which on all are in `_newest`
        self._known = 0  # how many are in it
        self._recent = 0  # how many are in the short table

    def drop_cache(self) -> None:
        self._horizon = None
        self._newest = None

    def seen(self, second: int, digest: bytes) -> bool:
        newest = self._load()
        if second >= self._since:
            return digest in newest.get(second, ())
        return bool(self._database.rows(_SEEN, (second, digest)))

    def add(self, rows: Sequence[tuple[int, bytes]]) -> None:
        newest = self._load()
        self._database.many("INSERT INTO recent_nonces VALUES (?, ?)", rows)
        for second, digest in rows:
            if second >= self._since:
                newest.setdefault(second, set()).add(digest)
                self._known += 1
        while self._known > KNOWN_NONCES:
            oldest = min(newest)
            self._since = oldest + 1
            self._known -= len(newest.pop(oldest))
        self._recent += len(rows)
        if self._recent >= RECENT_NONCES:
            self._settle()

    def horizon(self) -> int:
        if self._horizon is None:
            self._horizon = int(self._database.rows("SELECT value FROM meta WHERE name = 'horizon'")[0][0])
        return self._horizon

    def purge(self, second: int) -> None:
        self._settle()
        latest = self._database.rows("SELECT max(second) FROM nonces WHERE second <= ?", (second,))[0][0]
        if latest is not None:
            self.drop_cache()
            self._database.rows("DELETE FROM nonces WHERE second <= ?", (second,))
            self._database.rows("UPDATE meta SET value = max(value, ?) WHERE name = 'horizon'", (latest,))

    def _load(self) -> dict[int, set[bytes]]:
        if self._newest is None:
            latest, self._recent = self._database.rows(_NEWEST)[0]
            self._newest, self._known, self._since = {}, 0, latest + 1
        return self._newest

    def _settle(self) -> None:
        self._load()
        if self._recent:
            self._database.rows(
                "INSERT OR IGNORE INTO nonces SELECT second, digest FROM recent_nonces ORDER BY second, digest"
            )
            self._database.rows("DELETE FROM recent_nonces")
            self._recent = 0


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
