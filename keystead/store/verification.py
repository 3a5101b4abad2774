"""Verification of chains of records: whether each hash is that of its record after the one before.

It works on the bytes that are hashed, which SQLite puts together from the columns: so it takes little more time than
SHA-256.
"""

from collections.abc import Iterable
from hashlib import sha256

from keystead.domain.audit import COLUMNS, Head
from keystead.store.lookups import Verdict

_HASHED = ", ".join(f"octet_length({column}), ':', {column}" for column in COLUMNS)
# A row of the log as it is verified: its chain, its sequence, what is hashed of it, and its hash. As bytes: whatever
# somebody put into a column, it can be hashed.
SELECT_HASHED = f"SELECT CAST(chain AS BLOB), sequence, CAST(concat({_HASHED}) AS BLOB), hash FROM audit"  # noqa: S608


class _Chain:
    __slots__ = ("bad", "count", "hash", "noted")

    def __init__(self, head: Head, bad: str, noted: bool) -> None:
        self.count, self.hash, self.bad, self.noted = head.count, head.hash, bad, noted


class Verification:
    """What was found of each chain so far. `expect` is a head noted before, that must be on a chain."""

    def __init__(self, so_far: Iterable[Verdict] = (), expect: Head | None = None) -> None:
        self._expect = expect
        self._count = -1 if expect is None else expect.count
        self._chains = {one.chain.encode(): _Chain(one.head, one.bad, bool(one.noted)) for one in so_far}

    def follow(self, chain: bytes, sequence: int, hashed: bytes, stored: bytes) -> None:
        """Take the next record of the log."""
        so_far = self._chains.get(chain)
        if so_far is None:
            so_far = self._chains[chain] = _Chain(Head(), "", self._expect == Head())
        if so_far.bad:  # what follows a bad record proves nothing
            return
        digest = sha256(so_far.hash + hashed).digest()
        if sequence == so_far.count + 1 and digest == stored:
            so_far.count, so_far.hash = sequence, digest
            if sequence == self._count:
                so_far.noted = self._expect == Head(sequence, digest)
            return
        so_far.bad = self._why(so_far.count + 1, sequence, chain.decode("utf-8", "backslashreplace"))

    def _why(self, due: int, sequence: int, chain: str) -> str:
        if sequence > due:
            return f"record {due} of chain {chain} is missing"
        if sequence < due:
            return f"record {sequence} of chain {chain} stands where record {due} should"
        return f"record {sequence} of chain {chain} was altered, moved or put in place of another"

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """By chain."""
        expected = self._expect is not None
        return tuple(
            Verdict(
                chain=chain.decode("utf-8", "backslashreplace"),
                head=Head(one.count, one.hash),
                bad=one.bad,
                noted=one.noted if expected else None,
            )
            for chain, one in sorted(self._chains.items())
        )
