"""Verification of chains of records: whether each hash is that of its record after the one before.

It works on the bytes that are hashed, which SQLite puts together from the columns: so it takes little more time than
SHA-256.
"""

from collections.abc import Iterable
from hashlib import sha256

from keystead.domain.audit import COLUMNS, Head
from keystead.store.lookups import Verdict

# The first format has no revision.
_REVISION = (
    "CASE WHEN format = 1 AND revision = 0 THEN '' ELSE concat(octet_length(revision), ':', revision) END"
)
_HASHED = ", ".join([*(f"octet_length({column}), ':', {column}" for column in COLUMNS[:-1]), _REVISION])
# A row of the log as it is verified: its chain, its sequence, what is hashed of it, and its hash. As bytes: whatever
# somebody put into a column, it can be hashed.
SELECT_HASHED = f"SELECT CAST(chain AS BLOB), sequence, CAST(concat({_HASHED}) AS BLOB), hash FROM audit"  # noqa: S608
_FIRST_FORMAT = b"1:1"  # that is how a record of it begins


class _Chain:
    __slots__ = ("bad", "count", "hash", "noted", "revision", "same", "there")

    def __init__(self, head: Head, bad: str, noted: bool) -> None:
        self.count, self.hash, self.bad, self.noted = head.count, head.hash, bad, noted
        self.revision = 0
        self.there, self.same = (
            slice(0),
            b"?",
        )  # what a record has there if it is of the same revision, or none has any

    def goes_on(self, hashed: bytes) -> bool:
        """Whether a record is of the revision of the one before it, or of a later one."""
        if hashed.startswith(_FIRST_FORMAT):
            self.there, self.same = slice(len(_FIRST_FORMAT)), _FIRST_FORMAT
            return not self.revision
        earlier, number = self.revision, hashed[hashed.rfind(b":") + 1 :]
        self.same = b"%d:%b" % (len(number), number)
        self.there = slice(-len(self.same), None)
        try:
            self.revision = int(number)
        except ValueError:  # somebody has put that there
            return False
        return self.revision >= earlier


class Verification:
    """What was found of each chain so far. `expect` is a head noted before, that must be on a chain.

    Nor does a chain go back: each record is of the revision of the one before it, or of a later one.
    """

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
            if hashed[so_far.there] != so_far.same and not so_far.goes_on(hashed):
                so_far.bad = f"record {sequence} of chain {_shown(chain)} is of an earlier revision than the one before it"
                return
            so_far.count, so_far.hash = sequence, digest
            if sequence == self._count:
                so_far.noted = self._expect == Head(sequence, digest)
            return
        so_far.bad = self._why(so_far.count + 1, sequence, _shown(chain))

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
                chain=_shown(chain),
                head=Head(one.count, one.hash),
                bad=one.bad,
                noted=one.noted if expected else None,
            )
            for chain, one in sorted(self._chains.items())
        )


def _shown(chain: bytes) -> str:
    return chain.decode("utf-8", "backslashreplace")
