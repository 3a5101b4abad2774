"""Lookups in a database: by a connection that only reads, as of one moment, so that nothing waits for them.

The database lets go of the interpreter while it looks, so what can be said in SQL is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from keystead.domain.keys.key import Key
from keystead.errors import ServiceUnavailableTemporary
from keystead.store import record_lookups
from keystead.store.database import Database
from keystead.store.failures import StoreFailure
from keystead.store.key_rows import key_of, listing_of
from keystead.store.listing import Listing
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
from keystead.store.sealed import KEYS, Row
from keystead.store.snapshot import Snapshot

_HERE = "account = ? AND region = ?"
_FACETS = ("state", "spec", "usage", "origin")


class DatabaseLookups:
    """See keystead.store.lookups.Lookups. `reading` gives each of them what is committed by then, for LONGEST at most."""

    apart = True

    def __init__(self, reading: Callable[[], AbstractContextManager[Snapshot]]) -> None:
        self._open = reading

    def keys(self, wanted: WantedKeys) -> FoundKeys:
        with self._reading() as database:
            look = _searched if wanted.searches else _listed
            rows, total = look(database, wanted)
            return FoundKeys(_found(database, [key_of(row) for row in rows]), total)

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
    def _reading(self) -> Iterator[Snapshot]:
        try:
            with self._open() as snapshot:
                yield snapshot
        except StoreFailure as failure:
            raise ServiceUnavailableTemporary from failure


def _listed(database: Database, wanted: WantedKeys) -> tuple[Sequence[Row], int]:
    """The rows of a page of the keys that have these facets, found by their amounts; and how many there are."""
    where, values = _where(wanted)

    def walk(first: int, last: int, offset: int, limit: int) -> list[Row]:
        return database.rows(
            f"{KEYS.select} WHERE {where} AND position >= ? AND position < ? ORDER BY position DESC LIMIT ? OFFSET ?",
            (*values, first, last, limit, offset),
        )

    def fits(text: str) -> bool:
        return all(one in ("", found) for one, found in zip(wanted.facets, text.split(" "), strict=False))

    listing = listing_of(wanted.account, wanted.region)
    return Listing(database).newest(listing, wanted.offset, wanted.limit, walk, fits)


def _searched(database: Database, wanted: WantedKeys) -> tuple[Sequence[Row], int]:
    """The rows of a page of what was searched for, and how many there are: all keys are looked at, and only once."""
    where, values = _where(wanted)
    found = database.rows(
        f"SELECT position, count(*) OVER () FROM keys WHERE {where} ORDER BY position DESC LIMIT ? OFFSET ?",  # noqa: S608
        (*values, wanted.limit, wanted.offset),
    )
    if not found:  # a page beyond the end does not say how many there are
        amount = f"SELECT count(*) FROM keys WHERE {where}"  # noqa: S608
        ((total,),) = database.rows(amount, values) if wanted.offset else ((0,),)
        return (), int(total)
    positions = [position for position, _ in found]
    rows = database.rows(
        f"{KEYS.select} WHERE {_HERE} AND position IN ({', '.join('?' * len(found))}) ORDER BY position DESC",
        (wanted.account, wanted.region, *positions),
    )
    return rows, int(found[0][1])


def _where(wanted: WantedKeys) -> tuple[str, list[Any]]:
    """The condition of a query for keys, and its values."""
    here = [wanted.account, wanted.region]
    # Each has a position; PostgreSQL's index in that order is for conditions that name it.
    conditions, values = [_HERE, "position > 0"], list[Any](here)
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
    if wanted.name:
        conditions.append(
            f"key_id IN (SELECT CAST(? AS TEXT) UNION ALL SELECT key_id FROM aliases WHERE {_HERE} AND name = ?)"  # noqa: S608
        )
        values += [wanted.name, *here, wanted.name]
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
        (listing_of(account, region),),
    )
    return [(str(facets).split(" "), int(amount)) for facets, amount in rows]


def _found(database: Database, keys: Sequence[Key]) -> tuple[FoundKey, ...]:
    """Keys of one account and region, with what belongs to them."""
    aliases: dict[str, list[str]] = {key.key_id: [] for key in keys}
    tags: dict[str, list[tuple[str, str]]] = {key.key_id: [] for key in keys}
    if keys:
        place = f"WHERE {_HERE} AND key_id IN ({', '.join('?' * len(keys))})"
        values = (keys[0].account, keys[0].region, *aliases)
        for key_id, name in database.rows(f"SELECT key_id, name FROM aliases {place}", values):  # noqa: S608
            aliases[key_id].append(str(name))
        for key_id, name, value in database.rows(f"SELECT key_id, name, value FROM tags {place}", values):  # noqa: S608
            tags[key_id].append((str(name), str(value)))
    return tuple(
        [FoundKey(key, tuple(sorted(aliases[key.key_id])), tuple(sorted(tags[key.key_id]))) for key in keys]
    )
