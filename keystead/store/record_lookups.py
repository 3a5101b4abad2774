"""Lookups of records in a database. The log has no index of what they say, so that they are quick to write: it is read
backwards from its end, or from near a time, and by no more than so many rows at once."""

from typing import Any

from keystead.domain.audit import COLUMNS, GENESIS, Record
from keystead.store.database import Database
from keystead.store.lookups import (
    FoundRecord,
    FoundRecords,
    Verified,
    Wanted,
)
from keystead.store.record_rows import SELECT_RECORD, conditions_of
from keystead.store.snapshot import Snapshot
from keystead.store.verification import Verification

ROWS = 25_000  # that one lookup reads: a fortieth of a second of a processor
_HASH = len(COLUMNS)
_HOUR = 3_600_000  # milliseconds by which a clock may have been put back


def records(database: Database, wanted: Wanted, before: int) -> FoundRecords:
    """See Lookups.records."""
    last = _last(database)
    end = last + 1 if not before else min(before, last + 1)
    if wanted.until is not None:
        end = min(end, _at(database, last, wanted.until + _HOUR))
    first = 1 if wanted.since is None else _at(database, last, wanted.since - _HOUR)
    low = max(first, end - ROWS)
    where, values = conditions_of(wanted)
    rows = database.rows(
        f"{SELECT_RECORD.replace('hash', 'hash, position')} "
        f"WHERE position < ? AND position >= ? AND {where} ORDER BY position DESC LIMIT ?",
        (end, low, *values, wanted.limit),
    )
    items = tuple([_as_written(row) for row in rows])
    if len(rows) == wanted.limit:
        low = int(rows[-1][-1])
    return FoundRecords(items, low if low > first else 0)


def record(database: Database, account: str, chain: str, sequence: int) -> FoundRecord | None:
    """See Lookups.record."""
    row = _on_chain(database, chain, sequence)
    if row is None:
        return None
    found = _as_written(row)
    if found.account != account:
        return None
    previous = _on_chain(database, chain, sequence - 1) if sequence > 1 else None
    return FoundRecord(found, row[_HASH], GENESIS if previous is None else previous[_HASH])


def verify(snapshot: Snapshot, so_far: Verified, limit: int) -> Verified:
    """See Lookups.verify."""
    verification = Verification(so_far.verdicts)
    last = so_far.total or _last(snapshot)
    end = min(so_far.position + limit, last)
    rows = snapshot.hashed("position > ? AND position <= ?", (so_far.position, end))
    for row in rows:
        verification.follow(*row)
    return Verified(max(end, so_far.position), last, so_far.count + len(rows), verification.verdicts)


def _as_written(row: tuple[Any, ...]) -> Record:
    """The record of a row, even one that somebody altered: that is to be seen, not to be hidden."""
    return Record(**dict(zip(COLUMNS, row, strict=False)))


def _last(database: Database) -> int:
    """The position of the last record."""
    ((last,),) = database.rows("SELECT max(position) FROM audit")
    return int(last or 0)


def _at(database: Database, last: int, time: int) -> int:
    """The position of the first record of this time or later, as far as the records are in the order of their times."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        found = database.rows(
            "SELECT time FROM audit WHERE position <= ? ORDER BY position DESC LIMIT 1", (middle,)
        )
        if found and int(found[0][0]) >= time:
            high = middle
        else:
            low = middle + 1
    return low


def _on_chain(database: Database, chain: str, sequence: int) -> tuple[Any, ...] | None:
    # A log of one chain has it at the same position, mostly; one of several has an index of their records.
    here = (chain, sequence)
    return database.row(
        f"{SELECT_RECORD} WHERE chain = ? AND sequence = ? AND position = ?", (*here, sequence)
    ) or (database.row(f"{SELECT_RECORD} WHERE chain = ? AND sequence = ?", here))
