"""Whether what was carried is what was there: every row by its seal, every record by its chain."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from keystead.domain.audit import COLUMNS, Head, hashed
from keystead.store.lookups import Verdict
from keystead.store.seal_check import examine
from keystead.store.seals import Codes, Sealer
from keystead.store.transfer.carrying import Tell
from keystead.store.transfer.ends import End, Source, Target
from keystead.store.verification import Verification

_RECORDS = f"SELECT {', '.join(COLUMNS)}, hash FROM audit ORDER BY position"  # noqa: S608 - constant names
_CHAIN = COLUMNS.index("chain")
_TOLD_EVERY = 10_000


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared. `altered` is what was so at the source already, `wrong` what is not as there."""

    rows: int
    records: int
    altered: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def prove(source: Source, target: Target, sealer: Sealer, own: str, tell: Tell) -> Proof:
    """Look at all rows and records of a target that was settled; `own` is its own chain. In a transaction of each."""
    records = sum(end.count for end in target.ends().values())
    found = examine(target.database, Codes(sealer), lambda rows: tell("checking rows", rows, rows))
    verdicts = verify(target, lambda done: tell("checking records", done, max(1, records)))
    altered, wrong = list[str](), list[str]()
    rows = [one.text for one in found.found]
    if rows:
        there = {one.text for one in examine(source.database, Codes(sealer)).found}
        altered += [one for one in rows if one in there]
        wrong += [one for one in rows if one not in there]
    bad = [one for one in verdicts if one.bad]
    if bad and _sum(source, "") == _sum(target, own):
        altered += [f"audit: {one.bad}" for one in bad]
    else:
        wrong += [f"audit: {one.bad}" for one in bad]
        wrong += _other_ends(
            source.ends(), {one.chain: one.head for one in verdicts if one.chain != own and not one.bad}
        )
    return Proof(rows=found.rows, records=records, altered=tuple(altered), wrong=tuple(wrong))


def verify(end: End, progress: Callable[[int], None] = lambda done: None) -> tuple[Verdict, ...]:
    """Recompute every chain."""
    verification = Verification()
    for done, row in enumerate(_records(end), 1):
        verification.follow(str(row[_CHAIN]).encode(), row[_CHAIN + 1], hashed(row[:-1]), row[-1])
        if not done % _TOLD_EVERY:
            progress(done)
    return verification.verdicts


def _records(end: End) -> Iterator[tuple[Any, ...]]:
    return end.database.each(_RECORDS)


def _sum(end: End, without: str) -> int:
    """Of the digests of all records but those of one chain."""
    total = 0
    for row in _records(end):
        if row[_CHAIN] != without:
            total += int.from_bytes(blake2b(msgspec.msgpack.encode(row), digest_size=16).digest(), "big")
    return total


def _other_ends(there: Mapping[str, Head], here: Mapping[str, Head]) -> list[str]:
    return [
        f"audit: chain {chain} does not end as it did"
        for chain in sorted(there.keys() | here.keys())
        if there.get(chain) != here.get(chain)
    ]
