"""Reads a database, read-only: that of a running server too, as of one moment; its audit records in constant memory."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from keystead.domain.accounts import RootKeyFacts
from keystead.domain.audit import Head, Record
from keystead.domain.authorities import KeptAuthority
from keystead.errors import OperatorError
from keystead.store import sqlite_snapshot, tables
from keystead.store.database import Database
from keystead.store.derived import differences
from keystead.store.identity_tables import Identities
from keystead.store.key_tables import Keys
from keystead.store.listing import Listing
from keystead.store.lookups import Verdict as Verdict
from keystead.store.lookups import Wanted as Wanted
from keystead.store.postgresql.place import Place
from keystead.store.record_rows import SELECT_RECORD, conditions_of, record_of
from keystead.store.seal_check import Examined, examine
from keystead.store.seals import Codes, Sealer
from keystead.store.snapshot import Snapshot
from keystead.store.sqlite_snapshot import SqliteSnapshot
from keystead.store.stored_log import WITHIN, StoredLog
from keystead.store.tables import AUTHORITIES, authorities


class Holdings:
    """See keystead.store.ports.Holdings; only to be read."""

    def __init__(self, database: Database) -> None:
        self.accounts = tables.Accounts(database)
        self.identities = Identities(database)
        listing = Listing(database)
        self.aliases = tables.Aliases(database, listing)
        self.keys = Keys(database, listing, self.aliases)


class Reader:
    """A snapshot of a database: its records, and what it holds beside them. OperatorError for what can't be read."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.place = snapshot.place
        self._database = snapshot
        self._rows = snapshot.rows
        self.holdings = Holdings(snapshot)

    def close(self) -> None:
        self._database.close()

    def count(self, wanted: Wanted) -> int:
        """How many records match, whatever the limit."""
        where, values = conditions_of(wanted)
        ((found,),) = self._rows(f"SELECT count(*) FROM audit WHERE {where}", values)  # noqa: S608 - constant conditions
        return int(found)

    def list(self, wanted: Wanted) -> "list[Record]":
        """The newest records that match, at most `limit`, oldest first."""
        where, values = conditions_of(wanted)
        sql = f"{SELECT_RECORD} WHERE {where} ORDER BY time DESC, position DESC"
        if wanted.limit is not None:
            sql, values = f"{sql} LIMIT ?", [*values, wanted.limit]
        return [self._record(row) for row in self._rows(sql, values)][::-1]

    def each(self, wanted: Wanted) -> Iterator[Record]:
        """Every record that matches, whatever the limit, oldest first, as they come."""
        where, values = conditions_of(wanted)
        for row in self._records(where, values):
            yield self._record(row)

    def places_of_key(self, key_id: str) -> tuple[tuple[str, str], ...]:
        """The account and region of the key of this id, if there is one."""
        rows = self._rows("SELECT account, region FROM keys WHERE key_id = ?", (key_id,))
        return tuple((str(row[0]), str(row[1])) for row in rows)

    def regions_of_alias(self, account: str, name: str) -> tuple[str, ...]:
        """The regions in which an account has an alias of this name."""
        rows = self._rows("SELECT region FROM aliases WHERE account = ? AND name = ?", (account, name))
        return tuple(str(row[0]) for row in rows)

    def has_access_key(self, access_key_id: str) -> bool:
        """Whether the store has this AccessKey, active or not."""
        return any(self._rows("SELECT 1 FROM access_keys WHERE access_key_id = ?", (access_key_id,)))

    def has_key(self, key_id: str) -> bool:
        """Whether the store has this key, in any account and region."""
        return any(self._rows("SELECT 1 FROM keys WHERE key_id = ?", (key_id,)))

    def has_resource(self, resource: str) -> bool:
        """Whether a record names this end of an ARN."""
        return any(
            self._rows("SELECT 1 FROM audit WHERE instr(resources, ?) > 0 LIMIT 1", (f':{resource}"',))
        )

    def keys_of_alias(self, name: str) -> tuple[str, ...]:
        """The keys that an alias of this name stands for now, one an account and region."""
        rows = self._rows("SELECT key_id FROM aliases WHERE name = ?", (name,))
        return tuple(str(row[0]) for row in rows)

    def actions(self) -> tuple[str, ...]:
        """Every action that a record names."""
        return tuple(str(row[0]) for row in self._rows("SELECT DISTINCT action FROM audit"))

    def callers(self) -> tuple[str, ...]:
        """Every principal, its name and AccessKey that a record has, and all AccessKeys, accounts and users there are."""
        rows = self._rows(
            "SELECT principal FROM audit UNION SELECT session FROM audit UNION SELECT access_key_id FROM audit "
            "UNION SELECT access_key_id FROM access_keys UNION SELECT account FROM accounts "
            "UNION SELECT user_id FROM users UNION SELECT name FROM users"
        )
        return tuple(str(row[0]) for row in rows if row[0])

    def accounts(self) -> tuple[str, ...]:
        """The ids of all accounts."""
        return tuple(str(row[0]) for row in self._rows("SELECT account FROM accounts ORDER BY position"))

    def authorities(self) -> tuple[KeptAuthority, ...]:
        """The server's own CAs, oldest first."""
        for row in self._rows(AUTHORITIES):
            return authorities(row[0])
        return ()

    def root_fingerprints(self) -> tuple[str, ...]:
        """Of the root keys that the wrapping keys are under."""
        rows = self._rows("SELECT DISTINCT root_fingerprint FROM wrapping_keys")
        return tuple(str(row[0]) for row in rows)

    def all(self) -> Iterator[Record]:
        """Every record, in the order of the log."""
        for row in self._records():
            yield self._record(row)

    def keyring(self) -> tables.Keyring:
        """What the root key wraps; only to be read."""
        return tables.Keyring(self._database)

    def examine(self, sealer: Sealer) -> Examined:
        """Compare every row with its seal, and all of them with the sealed record."""
        return examine(self._database, Codes(sealer))

    def differences(self) -> tuple[str, ...]:
        """What of listings and guests is not as the rows say."""
        return tuple(differences(self._database))

    def rows(self) -> Iterator[tuple[tuple[object, ...], bytes]]:
        """Every record's columns, whatever somebody made of them, and its hash, in the order of the log."""
        for row in self._records():
            yield row[:-1], row[-1]

    def log(self) -> StoredLog:
        """The records up to the last one that is there now, for whoever proves them."""
        return StoredLog(self._database)

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        """Recompute every chain. `expect` is a head noted before, that must be on a chain."""
        return self.log().verify(expect)

    def _records(self, where: str = "TRUE", values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of the records that match and are there now, oldest first, as they come."""
        sql = f"{SELECT_RECORD} WHERE {WITHIN} AND {where} ORDER BY position"
        for rows in self.log().stretches(lambda place: self._rows(sql, (*place, *values))):
            yield from rows

    def _record(self, row: Sequence[Any]) -> Record:
        """The record of a row. OperatorError for what was never written as one."""
        try:
            return record_of(row)[0]
        except (ValueError, TypeError):
            raise OperatorError(
                f"record {row[2]} of chain {row[1]} was altered: a column holds what none can",
                hint="keystead audit verify tells more; compare with an export or a backup",
            ) from None


def open_reader(place: Path | Place) -> Reader:
    """What is in a database, as of now. OperatorError if it can't be read, or another version has used it last."""
    return Reader(open_snapshot(place))


def open_snapshot(place: Path | Place) -> Snapshot:
    """See `open_reader`."""
    if isinstance(place, Path):
        return sqlite_snapshot.open_snapshot(place)
    from keystead.store.postgresql import snapshot  # only there is its library needed

    return snapshot.open_snapshot(place)


class RootKeyNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says of its root key: the fingerprint that its rows name, if there are any, since when (seconds), and
    which key that is, if that was noted."""

    fingerprint: str = ""
    since: int = 0
    facts: RootKeyFacts | None = None


def needed_by(keyring: tables.Keyring) -> RootKeyNeeded:
    """Which root key what is stored needs."""
    rows, facts = keyring.all(), keyring.root()
    if not rows:
        return RootKeyNeeded()
    since = rows[0].created if facts is None else facts.since
    return RootKeyNeeded(fingerprint=rows[0].root_fingerprint, since=since, facts=facts)


def end_of_chain(path: Path) -> tuple[str, Head]:
    """The server's own chain in a database in a file, of whichever version it is, and its end, as it says. OperatorError if
    it can't be read."""
    with closing(SqliteSnapshot(path)) as snapshot:
        ((chain,),) = snapshot.rows("SELECT value FROM meta WHERE name = 'server_id'")
        row = snapshot.row(
            "SELECT sequence, hash FROM audit WHERE chain = ? ORDER BY position DESC LIMIT 1", (chain,)
        )
    return str(chain), Head() if row is None else Head(row[0], row[1])


def root_key_needed(place: Path | Place) -> RootKeyNeeded:
    """Which root key a database needs, of whichever version it is. OperatorError if it can't be read."""
    snapshot: Snapshot
    if isinstance(place, Path):
        snapshot = SqliteSnapshot(place)
    else:
        from keystead.store.postgresql.snapshot import PostgresSnapshot  # as above

        snapshot = PostgresSnapshot(place)
    try:
        there = snapshot.tables()
        wrapped = facts = None
        if "wrapping_keys" in there:
            wrapped = snapshot.row(
                "SELECT root_fingerprint, created FROM wrapping_keys ORDER BY generation LIMIT 1"
            )
        if "root_key" in there and (row := snapshot.row(tables.ROOT_KEY)) is not None:
            facts = RootKeyFacts(fingerprint=row[0], provider=row[1], parameters=row[2], since=row[3])
    finally:
        snapshot.close()
    if wrapped is None:
        return RootKeyNeeded()
    return RootKeyNeeded(
        fingerprint=wrapped[0], since=wrapped[1] if facts is None else facts.since, facts=facts
    )
