"""Lookups in the embedded store: by a connection of their own, that only reads, and is open as long as one of them.

SQLite lets go of the interpreter while it looks, so what can be said in SQL is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from keystead.clock import Clock
from keystead.domain.keys.key import Key
from keystead.errors import ServiceUnavailableTemporary
from keystead.store import record_lookups
from keystead.store.database import Database
from keystead.store.key_rows import key_of
from keystead.store.lookups import (
    FoundKey,
    FoundKeys,
    FoundRecord,
    FoundRecords,
    Summary,
    Verified,
    Wanted,
    WantedKeys,
)
from keystead.store.sealed import KEYS
from keystead.store.sqlite_database import SqliteDatabase

LONGEST = 10.0  # seconds that one of them may take
_STEPS = 100_000  # of SQLite's, between two looks at the clock
_HERE = "account = ? AND region = ?"
_FACETS = ("state", "spec", "usage", "origin")


class DatabaseLookups:
    """See keystead.store.lookups.Lookups."""

    apart = True

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def keys(self, wanted: WantedKeys) -> FoundKeys:
        with self._reading() as database:
            where, values = _where(wanted)
            rows = database.rows(
                f"{KEYS.select} WHERE {where} ORDER BY position DESC LIMIT ? OFFSET ?",
                (*values, wanted.limit, wanted.offset),
            )
            if wanted.text or wanted.tag_key or wanted.tag_value:
                ((total,),) = database.rows(f"SELECT count(*) FROM keys WHERE {where}", values)  # noqa: S608
            else:
                total = _total(database, wanted)
            return FoundKeys(tuple([_found(database, key_of(row)) for row in rows]), int(total))

    def summary(self, account: str, region: str, limit: int) -> Summary:
        with self._reading() as database:

            def next_by(column: str) -> tuple[Key, ...]:
                # The pluses: by the index on the dates, which is short.
                rows = database.rows(
                    f"{KEYS.select} WHERE {column} IS NOT NULL AND +account = ? AND +region = ? ORDER BY {column}, position "
                    "LIMIT ?",
                    (account, region, limit),
                )
                return tuple([key_of(row) for row in rows])

            amounts: dict[tuple[str, str, str], int] = {}
            for facets, amount in _amounts(database, account, region):
                kind = (facets[0], facets[1], facets[2])
                amounts[kind] = amounts.get(kind, 0) + amount
            return Summary(
                amounts=tuple(sorted(amounts.items())),
                rotating=next_by("rotation_due"),
                leaving=next_by("deletion_at"),
                expiring=next_by("expires"),
            )

    def records(self, wanted: Wanted, before: int) -> FoundRecords:
        with self._reading() as database:
            return record_lookups.records(database, wanted, before)

    def record(self, account: str, chain: str, sequence: int) -> FoundRecord | None:
        with self._reading() as database:
            return record_lookups.record(database, account, chain, sequence)

    def verify(self, so_far: Verified, limit: int) -> Verified:
        with self._reading() as database:
            return record_lookups.verify(database, so_far, limit)

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        """What is committed by now."""
        end = self._clock.monotonic() + LONGEST
        connection: apsw.Connection | None = None
        try:
            connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
            connection.set_busy_timeout(1000)
            connection.set_progress_handler(lambda: self._clock.monotonic() > end, _STEPS)
            connection.execute("BEGIN")
            yield _Reading(connection)
        except apsw.Error as error:
            raise ServiceUnavailableTemporary from error
        finally:
            if connection is not None:
                connection.close(force=True)


class _Reading(SqliteDatabase):
    """As a database, of which a failure is no reason to undo a batch."""

    def failure(self, error: Exception) -> Exception:  # type: ignore[override]
        return error


def _where(wanted: WantedKeys) -> tuple[str, list[Any]]:
    """The condition of a query for keys, and its values."""
    here = [wanted.account, wanted.region]
    conditions, values = [_HERE], list[Any](here)
    for column, value in zip(_FACETS, wanted.facets, strict=True):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    tag = [
        (column, value) for column, value in (("name", wanted.tag_key), ("value", wanted.tag_value)) if value
    ]
    if tag:
        same = " AND ".join(f"{column} = ?" for column, _ in tag)
        conditions.append(f"key_id IN (SELECT key_id FROM tags WHERE {_HERE} AND {same})")  # noqa: S608
        values += [*here, *(value for _, value in tag)]
    if wanted.text:
        like = r"LIKE ? ESCAPE '\'"
        conditions.append(
            f"(key_id {like} OR description {like} "  # noqa: S608
            f"OR key_id IN (SELECT key_id FROM aliases WHERE {_HERE} AND name {like}) "
            f"OR key_id IN (SELECT key_id FROM tags WHERE {_HERE} AND (name {like} OR value {like})))"
        )
        text = wanted.text
        for letter in r"\%_":
            text = text.replace(letter, f"\\{letter}")
        text = f"%{text}%"
        values += [text, text, *here, text, *here, text, text]
    return " AND ".join(conditions), values


def _amounts(database: Database, account: str, region: str) -> list[tuple[list[str], int]]:
    """How many keys there are by state, spec, usage, origin, protection level and service."""
    rows = database.rows(
        "SELECT facets, sum(amount) FROM stretches WHERE listing = ? GROUP BY facets",
        (f"keys {account} {region}",),
    )
    return [(str(facets).split(" "), int(amount)) for facets, amount in rows]


def _total(database: Database, wanted: WantedKeys) -> int:
    return sum(
        amount
        for facets, amount in _amounts(database, wanted.account, wanted.region)
        if all(one in ("", found) for one, found in zip(wanted.facets, facets, strict=False))
    )


def _found(database: Database, key: Key) -> FoundKey:
    # The plus: not by the index on names, which has those of all keys.
    place = f"WHERE {_HERE} AND key_id = ? ORDER BY +name"
    aliases = database.rows(f"SELECT name FROM aliases {place}", key.place)  # noqa: S608
    tags = database.rows(f"SELECT name, value FROM tags {place}", key.place)  # noqa: S608
    return FoundKey(
        key,
        tuple([str(name) for (name,) in aliases]),
        tuple([(str(name), str(value)) for name, value in tags]),
    )
