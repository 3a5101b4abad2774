"""What a log proves by itself: that each of its chains is whole, that none is missing or cut off behind what others say of
it, and that nothing was used while it was closed."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

import msgspec

from keystead.domain.audit import Head
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.heads import NOTING, Heads
from keystead.domain.proofs.uses import CHANGING, USING, Closed, Uses
from keystead.errors import OperatorError
from keystead.store.lookups import Verdict


class Link(NamedTuple):
    """A record's place on its chain, its hash, and its parameters if it is a success of one of NOTING, else ""."""

    chain: str
    sequence: int
    hash: bytes
    noting: str


class Log(Protocol):
    """A log that can be read again and again, always the same records in the same order."""

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        """Recompute every chain. `expect` is a head noted before, that must be on a chain."""
        ...

    def facts(self, actions: Collection[str]) -> Iterator[Fact]:
        """The successes of these operations."""
        ...

    def calls(self) -> Iterator[Fact]:
        """The successes of what was signed with an AccessKey."""
        ...

    def links(self) -> Iterator[Link]:
        """Every record."""
        ...


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `problems` are the first ones of so many; those of a chain itself are in its verdict. `closed` is how
    much was closed at any time, `noted` how many heads of chains others have noted, `covered` how many records of other
    chains are proved with the one that was asked for."""

    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...] = ()
    amount: int = 0
    closed: Closed = Closed()
    noted: int = 0
    covered: Mapping[str, int] = msgspec.field(default_factory=dict)


def prove(log: Log, expect: Head | None = None, signed: tuple[str, int] = ("", 0)) -> Proof:
    """Prove a log. `expect` as with Log.verify; `signed` is the chain and sequence of a record."""
    verdicts = log.verify(expect)
    whole = not any(one.bad for one in verdicts)
    uses, heads = Uses(), Heads(signed=signed)
    closed = Closed()
    # What somebody altered so that it can't be read is told by its chain.
    with suppress(*([] if whole else [OperatorError])):
        notes = False
        for fact in log.facts(CHANGING | NOTING):
            if fact.action in NOTING:
                notes = True
            else:
                uses.learn(fact)
        closed = uses.settle()
        if closed.keys:
            for fact in log.facts(USING):
                uses.check_key(fact)
        if closed.access_keys or closed.accounts:
            for fact in log.calls():
                uses.check_caller(fact)
        if notes and whole:  # else the links are not what they were
            heads = _follow(log, heads)
    findings = (uses.findings, heads.findings)
    return Proof(
        verdicts=verdicts,
        problems=tuple([text for one in findings for text in one.first]),
        amount=sum(one.amount for one in findings),
        closed=closed,
        noted=heads.amount,
        covered=heads.covered,
    )


def _follow(log: Log, heads: Heads) -> Heads:
    for link in log.links():
        heads.follow(*link)
    if heads.late:
        late = Heads(heads.late)
        for chain, sequence, digest, _ in log.links():
            late.follow(chain, sequence, digest, "")
        heads.findings.join(late.findings)
    heads.end()
    return heads
