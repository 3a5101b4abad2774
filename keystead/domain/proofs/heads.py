"""The proof that no chain is missing or cut off behind what another one says of it.

Servers note the heads of each other's chains in records of their own. Each head that is noted must lie on its chain: whoever
cuts off a chain or leaves it out has to write all others anew from there on.

Mostly a head is noted when it is as good as new, so the last links of each chain are kept, and no more. What is behind them
is `late`, and for another pass over the log.
"""

import re
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from keystead.domain.audit import Head
from keystead.domain.proofs.facts import Findings, members

NOTING = frozenset(
    {"CopyStore", "JoinServer", "LeaveServer", "MoveStore", "NoteHeads", "RestoreBackup", "RetireServer"}
)
HEADS = "Heads"  # the parameter: heads by their chains
_KEPT = 4096  # links of a chain
_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


class Noted(NamedTuple):
    """A head that a record notes of another chain."""

    chain: str
    head: Head
    by: str
    sequence: int

    @property
    def whose(self) -> str:
        """The record, in words."""
        return f"record {self.sequence} of chain {self.by}"


def noted_in(parameters: str, by: str, sequence: int) -> list[Noted]:
    """What a record notes, by its parameters."""
    found = members(parameters)
    heads: Any = found.get(HEADS)
    # A restore goes on with a chain of its own, and notes where the old one ended.
    pairs = heads.items() if isinstance(heads, dict) else [(found.get("OldChain"), found.get("OldHead"))]
    noted = []
    for chain, text in pairs:
        matched = _HEAD.fullmatch(text) if isinstance(text, str) else None
        if matched is not None and isinstance(chain, str):
            noted.append(Noted(chain, Head(int(matched[1]), bytes.fromhex(matched[2])), by, sequence))
    return noted


class _Chain:
    __slots__ = ("awaited", "count", "known", "links")

    def __init__(self) -> None:
        self.count = 0
        self.links: deque[bytes] = deque(maxlen=_KEPT)  # the last ones
        self.known = 0  # how long it was when another chain began
        self.awaited: dict[int, list[Noted]] = {}  # what was noted of it, and is not there yet


class Heads:
    """See the module. `follow` each record of the log, then `end`.

    `signed` is a record: what it and those before it on its chain have noted is `covered`, by chain.
    """

    def __init__(self, awaited: Iterable[Noted] = (), signed: tuple[str, int] = ("", 0)) -> None:
        self._chains: dict[str, _Chain] = {}
        self._signed = signed
        self.covered: dict[str, int] = {}
        self.amount = 0  # of heads that were noted
        self.late: list[Noted] = []
        self.findings = Findings()
        for noted in awaited:
            self._await(noted)

    def follow(self, chain: str, sequence: int, link: bytes, noting: str) -> None:
        """Take the next record; `noting` are its parameters if it is a success of one of NOTING, else ""."""
        here = self._chain(chain)
        if not here.count:
            self._let_go()
        here.count = sequence
        here.links.append(link)
        if here.awaited:
            for noted in here.awaited.pop(sequence, ()):
                self._compare(noted, link)
        if noting:
            for noted in noted_in(noting, chain, sequence):
                self._take(noted)

    def end(self) -> None:
        """That was all of the log: what is still awaited is not there."""
        for chain, one in self._chains.items():
            if one.awaited:
                count = max(one.awaited)
                what = f"{one.awaited[count][0].whose} notes record {count} of it"
                self.findings.add(
                    f"chain {chain} ends at record {one.count}, and {what}: its end was cut off"
                    if one.count
                    else f"chain {chain} is missing: {what}"
                )

    def _chain(self, name: str) -> _Chain:
        found = self._chains.get(name)
        if found is None:
            found = self._chains[name] = _Chain()
        return found

    def _let_go(self) -> None:
        """A chain begins: of those that have stood still since another one began, the last link is enough."""
        for one in self._chains.values():
            if one.count == one.known and len(one.links) > 1:
                one.links = deque([one.links[-1]], _KEPT)
            one.known = one.count

    def _take(self, noted: Noted) -> None:
        self.amount += 1
        if noted.by == self._signed[0] and noted.sequence <= self._signed[1]:
            self.covered[noted.chain] = max(noted.head.count, self.covered.get(noted.chain, 0))
        there = self._chain(noted.chain)
        behind = there.count - noted.head.count
        if behind < 0:
            self._await(noted)
        elif behind < len(there.links):
            self._compare(noted, there.links[-1 - behind])
        else:
            self.late.append(noted)

    def _await(self, noted: Noted) -> None:
        self._chain(noted.chain).awaited.setdefault(noted.head.count, []).append(noted)

    def _compare(self, noted: Noted, link: bytes) -> None:
        if link != noted.head.hash:
            self.findings.add(
                f"record {noted.head.count} of chain {noted.chain} is not the one that {noted.whose} notes: one of them was "
                "written anew"
            )
