"""The chains of servers that share a store: each notes in its own where those of the others end.

So whoever cuts off a chain, or leaves it out, has every other one against him that has noted it since; see
keystead.domain.proofs.heads. A head is noted once it is durable. What only notes heads itself is not worth another note.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.clock import Clock
from keystead.domain.audit import Head
from keystead.domain.members import Member, MemberState
from keystead.domain.proofs.heads import HEADS
from keystead.entropy import Entropy
from keystead.store.ports import Store
from keystead.store.shared_ports import Shared

_FRESH = 30.0  # seconds in which what was noted is as good as new
_STARTS = 16  # of a server that may have come to an end before its first record


class _End(NamedTuple):
    name: str
    head: Head
    new: bool  # whether it has records that were not noted, and do more than note heads


class Chains:
    """What this server has noted. A store that nobody shares has one chain, and nothing to note."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, account: str) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._account = account
        self._noted: dict[str, Head] = {}
        self._noted_at = -_FRESH
        self._joined = False

    def join(self, batch: Batch) -> None:
        """This server begins a chain: the first batch says so, and where the others' end, and its own before."""
        shared = self._store.shared
        if shared is None or self._joined:
            return
        server, _, epoch = batch.chain.rpartition(".")
        name = next((one.name for one in shared.members() if one.server == server), "")
        about = {"NodeId": server, "Start": epoch, "Host": name}
        self._record(batch, "JoinServer", about, self._moved(shared, batch))
        batch.joins = True

    def note(self, batch: Batch) -> bool:
        """Note what ends elsewhere than it did; False if there is nothing new."""
        shared = self._store.shared
        moved = {} if shared is None else self._moved(shared, batch)
        if moved:
            self._record(batch, "NoteHeads", {}, moved)
        return bool(moved)

    def leave(self, batch: Batch) -> None:
        """This server ends its chain."""
        if self._store.shared is not None:
            server, _, epoch = batch.chain.rpartition(".")
            about = {"NodeId": server, "Start": epoch}
            self._record(batch, "LeaveServer", about, self._moved(self._store.shared, batch))

    def retire(self, batch: Batch, member: Member) -> None:
        """A server was retired in this batch: note where its last chain ends."""
        shared = self._store.shared
        assert shared is not None
        name, head, _ = self._last_of(shared, member, member.epoch, batch)
        if head.count:
            self._record(batch, "NoteHeads", {}, {name: head})

    def cover(self, batch: Batch) -> Head:
        """The head of this server's chain that stands for all others, too: what is durable, or will be with the batch."""
        return batch.head if self.note(batch) else self._store.audit.head(batch.chain)

    @property
    def fresh(self) -> bool:
        """Whether what was noted last is as good as new."""
        return self._store.shared is None or self._clock.monotonic() - self._noted_at < _FRESH

    def committed(self, batch: Batch) -> None:
        """A batch is durable."""
        if batch.noted or batch.joins:
            self._noted |= batch.noted
            self._noted_at = self._clock.monotonic()
            self._joined = self._joined or batch.joins

    # --- inside

    def _record(self, batch: Batch, action: str, about: Mapping[str, str], heads: Mapping[str, Head]) -> None:
        batch.noted |= heads
        parameters = {**about, HEADS: {name: str(head) for name, head in heads.items()}}
        record_service(batch, self._clock, self._entropy, self._account, action, parameters)

    def _moved(self, shared: Shared, batch: Batch) -> dict[str, Head]:
        """The ends of other chains that are worth a note."""
        ends = [
            self._last_of(shared, one, one.epoch - (one.chain == batch.chain), batch)
            for one in shared.members()
            if one.state is not MemberState.RETIRED
        ]
        # A server that has started anew leaves a chain behind, which may have gone on since it was noted.
        for name in self._noted.keys() - {name for name, _, _ in ends}:
            end = self._end(shared, name, batch)
            ends.append(end)
            if not end.new:
                del self._noted[name]
        return {one.name: one.head for one in ends if one.new}

    def _last_of(self, shared: Shared, member: Member, epoch: int, batch: Batch) -> _End:
        """The end of the last chain of a server, up to this start of it, that has any record."""
        end = _End("", Head(), False)
        for number in range(epoch, max(0, epoch - _STARTS), -1):
            end = self._end(shared, f"{member.server}.{number}", batch)
            if end.head.count:
                break
        return end

    def _end(self, shared: Shared, name: str, batch: Batch) -> _End:
        noted = batch.noted.get(name) or self._noted.get(name, Head())
        return _End(name, *shared.end(name, noted.count))
