"""Reads a database, read-only: that of a running server too, as of one moment; its audit records in constant memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from keystead.domain.accounts import RootKeyFacts
from keystead.domain.audit import COLUMNS, REVEALING, Head, Kind, Record
from keystead.domain.authorities import KeptAuthority
from keystead.errors import OperatorError
from keystead.store import tables
from keystead.store.database import Database
from keystead.store.derived import differences
from keystead.store.identity_tables import Identities
from keystead.store.key_tables import Keys
from keystead.store.listing import Listing
from keystead.store.lookups import Verdict as Verdict
from keystead.store.lookups import Wanted as Wanted
from keystead.store.migrate import known
from keystead.store.ports import StoreFailure
from keystead.store.seal_check import Examined, examine
from keystead.store.seals import Codes, Sealer
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.tables import AUTHORITIES, authorities
from keystead.store.verification import SELECT_HASHED, Verification

SELECT_RECORD = f"SELECT {', '.join(COLUMNS)}, hash FROM audit"  # noqa: S608 - constant names
STRETCH = 2000  # records that are read of one snapshot

_CALLER = "(principal = ? OR access_key_id = ? OR session = ? OR principal IN (SELECT user_id FROM users WHERE name = ?))"


class Holdings:
    """See keystead.store.ports.Holdings; only to be read."""

    def __init__(self, database: Database) -> None:
        self.accounts = tables.Accounts(database)
        self.identities = Identities(database)
        listing = Listing(database)
        self.aliases = tables.Aliases(database, listing)
        self.keys = Keys(database, listing, self.aliases)


class Reader:
    """A snapshot of a database: its records, and what it holds beside them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._database = SqliteDatabase(connection)
        self.holdings = Holdings(self._database)

    def close(self) -> None:
        self._connection.close()

    def count(self, wanted: Wanted) -> int:
        """How many records match, whatever the limit."""
        where, values = conditions_of(wanted)
        ((found,),) = self._rows(f"SELECT count(*) FROM audit WHERE {where}", values)  # noqa: S608 - constant conditions
        return int(found)

    def list(self, wanted: Wanted) -> "list[Record]":
        """The newest records that match, at most `limit`, oldest first."""
        where, values = conditions_of(wanted)
        limit = -1 if wanted.limit is None else wanted.limit
        rows = self._rows(
            f"{SELECT_RECORD} WHERE {where} ORDER BY time DESC, position DESC LIMIT ?", (*values, limit)
        )
        return [self._record(row) for row in rows][::-1]

    def each(self, wanted: Wanted) -> Iterator[Record]:
        """Every record that matches, whatever the limit, oldest first, as they come."""
        where, values = conditions_of(wanted)
        for row in self._records(SELECT_RECORD, where, values):
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
        """Compare every row with its seal, and all of them with the sealed record. OperatorError if it can't be read."""
        with self._told():
            return examine(self._database, Codes(sealer))

    def differences(self) -> tuple[str, ...]:
        """What of listings and guests is not as the rows say."""
        return tuple(differences(self._database))

    def rows(self) -> Iterator[tuple[tuple[object, ...], bytes]]:
        """Every record's columns, whatever somebody made of them, and its hash, in the order of the log."""
        for row in self._records():
            yield row[:-1], row[-1]

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        """Recompute every chain. `expect` is a head noted before, that must be on a chain."""
        verification = Verification(expect=expect)
        follow = verification.follow
        for row in self._records(SELECT_HASHED):
            follow(*row)
        return verification.verdicts

    def _records(
        self, select: str = SELECT_RECORD, where: str = "1", values: Sequence[Any] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of the records that match and are there now, oldest first, as they come.

        Records stay as they are. So the snapshot is let go after each stretch of them, and another one begun: whoever reads
        slowly does not keep a server from cutting its write-ahead log.
        """
        start, last = next(self._rows("SELECT min(position), max(position) FROM audit"))
        while start is not None and start <= last:
            (end,) = next(
                self._rows(
                    "SELECT max(position) FROM (SELECT position FROM audit WHERE position >= ? ORDER BY position LIMIT ?)",
                    (start, STRETCH),
                )
            )
            if end is None:  # somebody removed them meanwhile
                return
            stretch = (start, min(end, last), *values)
            yield from [
                *self._rows(
                    f"{select} WHERE position >= ? AND position <= ? AND {where} ORDER BY position",
                    stretch,
                )
            ]
            start = end + 1
            self._renew()

    def _renew(self) -> None:
        try:
            self._connection.execute("END").fetchall()
            self._connection.execute("BEGIN").fetchall()
        except apsw.Error as error:
            raise _unreadable(self._connection.filename, error) from None

    def _record(self, row: Sequence[Any]) -> Record:
        """The record of a row. OperatorError for what was never written as one."""
        try:
            return record_of(row)[0]
        except (ValueError, TypeError):
            raise OperatorError(
                f"record {row[2]} of chain {row[1]} was altered: a column holds what none can",
                hint="keystead audit verify tells more; compare with an export or a backup",
            ) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """OperatorError for what can't be read."""
        try:
            yield
        except StoreFailure as failure:
            raise OperatorError(str(failure), hint="check its owner and mode, or restore a backup") from None

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, as they come. OperatorError if the database is damaged."""
        try:
            yield from self._connection.execute(sql, values)
        except apsw.Error as error:
            raise _unreadable(self._connection.filename, error) from None
        except UnicodeDecodeError:  # which only another program can have written
            raise OperatorError(
                f"the database {self._connection.filename} was altered: it has text that is not UTF-8",
                hint="keystead audit verify names the record, if it is one; compare with a backup",
            ) from None


def conditions_of(wanted: Wanted) -> tuple[str, "list[Any]"]:
    """The condition of a query for records, and its values."""
    conditions, values = ["1"], []
    for condition, value in (
        ("time >= ?", wanted.since),
        ("time < ?", wanted.until),
        ("action = ?", wanted.action or None),
        (_CALLER, wanted.caller or None),
        ("account = ?", wanted.account or None),
        ("access_key_id = ?", wanted.session or None),
        ("kind = ?", wanted.kind or None),
        # Within the JSON list of ARNs: the whole of one's end, not a part of it.
        ("instr(resources, ?) > 0", f':{wanted.resource}"' if wanted.resource else None),
    ):
        if value is not None:
            conditions.append(condition)
            values += [value] * condition.count("?")
    if wanted.revealing:
        conditions.append(f"action IN ({', '.join('?' * len(REVEALING))})")
        values += sorted(REVEALING)
    if wanted.failed is not None:
        conditions.append("code <> ''" if wanted.failed else "code = ''")
    return " AND ".join(conditions), values


def open_reader(path: Path) -> Reader:
    """The records in a database, as of now. OperatorError if it can't be read."""
    return Reader(connect(path))


def connect(path: Path) -> apsw.Connection:
    """A snapshot of a database. OperatorError if it can't be read, or another version has used it last."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM migrations").fetchall()
        current = connection.pragma("user_version") == known()[-1].number
    except apsw.Error as error:
        raise _unreadable(str(path), error) from None
    if not current:
        connection.close()
        raise OperatorError(
            f"the database {path} was last used by another version of keystead",
            hint="start keystead serve on it once, which brings it up to date",
        )
    return connection


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


def root_key_needed(path: Path) -> RootKeyNeeded:
    """Which root key a database needs, of whichever version it is. OperatorError if it can't be read."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            connection.execute("BEGIN")
            tables_of = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            wrapped = facts = None
            if "wrapping_keys" in tables_of:
                rows = "SELECT root_fingerprint, created FROM wrapping_keys ORDER BY generation LIMIT 1"
                wrapped = connection.execute(rows).fetchone()
            if (
                "root_key" in tables_of
                and (row := connection.execute(tables.ROOT_KEY).fetchone()) is not None
            ):
                facts = RootKeyFacts(fingerprint=row[0], provider=row[1], parameters=row[2], since=row[3])
        finally:
            connection.close()
    except apsw.Error as error:
        raise _unreadable(str(path), error) from None
    if wrapped is None:
        return RootKeyNeeded()
    return RootKeyNeeded(
        fingerprint=wrapped[0], since=wrapped[1] if facts is None else facts.since, facts=facts
    )


def _unreadable(path: str, error: apsw.Error) -> OperatorError:
    return OperatorError(
        f"cannot read the database {path}: {error}", hint="check its owner and mode, or restore a backup"
    )


def record_of(row: Sequence[object]) -> tuple[Record, bytes]:
    """A record and its hash, of the columns of a row; TypeError or ValueError for what can be neither."""
    values = dict(zip(COLUMNS, row, strict=False))
    values["kind"] = Kind(str(values["kind"]))
    stored = row[len(COLUMNS)]
    if not isinstance(stored, bytes):
        raise TypeError("a hash is bytes")
    return Record(**values), stored  # type: ignore[arg-type]
