"""The records of a database, up to the last one that is there now, in constant memory.

Records stay as they are. So the snapshot is let go once a stretch of them is read, and another one begun for the next:
whoever reads slowly does not keep a server from cutting its write-ahead log, nor a database from clearing away what is old.

What another server commits meanwhile at a position before the last may be among them or not: either way each chain is read
from its begin without a gap, since what follows on it has a later position than the last.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from keystead.domain.audit import Head, Kind
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.heads import NOTING
from keystead.store.lookups import Verdict
from keystead.store.proof import Link
from keystead.store.snapshot import Snapshot
from keystead.store.verification import Verification

STRETCH = 2000  # records that are read of one snapshot
WITHIN = "position >= ? AND position <= ?"
_ORDER = "ORDER BY position"
_FACT = f"SELECT position, {', '.join(Fact._fields[1:])} FROM audit WHERE {WITHIN} AND code = ''"  # noqa: S608 - constant names
_NOTING = ", ".join(f"'{one}'" for one in sorted(NOTING))
_LINK = (
    f"SELECT chain, sequence, hash, CASE WHEN action IN ({_NOTING}) AND code = '' THEN parameters ELSE '' END "  # noqa: S608
    f"FROM audit WHERE {WITHIN} {_ORDER}"
)
T = TypeVar("T")


class StoredLog:
    """See keystead.store.proof.Log. OperatorError for what can't be read."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        ((self._first, self._last),) = snapshot.rows("SELECT min(position), max(position) FROM audit")
        noted = (
            snapshot.rows("SELECT chain, records, hash FROM chains") if "chains" in snapshot.tables() else []
        )
        self._ends = {str(chain): Head(records, link) for chain, records, link in noted}

    def stretches(self, read: Callable[[tuple[int, int]], Sequence[T]]) -> Iterator[Sequence[T]]:
        """What `read` gives of each stretch, from a first to a last position."""
        start = self._first
        while start is not None and start <= self._last:
            ((end,),) = self._snapshot.rows(
                "SELECT max(position) FROM (SELECT position FROM audit WHERE position >= ? ORDER BY position LIMIT ?) AS n",
                (start, STRETCH),
            )
            if end is None:  # somebody removed them meanwhile
                return
            found = read((start, min(end, self._last)))
            self._snapshot.renew()
            yield found
            start = end + 1

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        verification = Verification(expect=expect)
        follow = verification.follow
        for rows in self.stretches(lambda place: self._snapshot.hashed(WITHIN, place)):
            for row in rows:
                follow(*row)
        found = {one.chain: one for one in verification.verdicts}
        for chain, end in self._ends.items():
            verdict = found.setdefault(chain, Verdict(chain=chain, head=Head()))
            if not verdict.bad and verdict.head != end:
                bad = _ended(chain, verdict.head.count, end.count)
                found[chain] = msgspec.structs.replace(verdict, bad=bad)
        return tuple(found.values())

    def facts(self, actions: Collection[str]) -> Iterator[Fact]:
        marks = ", ".join("?" * len(actions))
        return self._facts(f"{_FACT} AND action IN ({marks}) {_ORDER}", sorted(actions))

    def calls(self) -> Iterator[Fact]:
        return self._facts(f"{_FACT} AND kind = ? {_ORDER}", [Kind.API_CALL.value])

    def links(self) -> Iterator[Link]:
        for rows in self.stretches(lambda place: self._snapshot.rows(_LINK, place)):
            for row in rows:
                yield Link(*row)

    def _facts(self, sql: str, values: Sequence[Any]) -> Iterator[Fact]:
        for rows in self.stretches(lambda place: self._snapshot.rows(sql, (*place, *values))):
            for row in rows:
                yield Fact(*row)


def _ended(chain: str, there: int, noted: int) -> str:
    """What is wrong with a chain that ends otherwise than the database notes."""
    if not there:
        return f"all records of this one are gone: chain {chain} has none, and the database notes {noted}"
    if there < noted:
        return f"its end was cut off: chain {chain} ends with record {there}, and the database notes {noted}"
    return f"chain {chain} ends otherwise than the database notes, which has {noted} records of it"
