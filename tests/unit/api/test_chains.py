"""What a server records of the others that share its store."""

import json
from typing import Any, cast

import pytest

from keystead.api import chains as module
from keystead.api.batch import Batch
from keystead.domain.audit import Head
from keystead.domain.members import Member, MemberState
from tests.harness import Service, in_memory

pytestmark = pytest.mark.memory("what it says of its database is made up")

Noted = tuple[str, dict[str, Any]]


class Others:
    """Servers and the ends of their chains; `only_notes` are those that have done nothing since but note heads."""

    def __init__(self) -> None:
        self.epochs = {"own": 3, "a": 2}
        self.state = MemberState.RUNNING
        self.ends = {"own.1": 4, "a.2": 7}
        self.only_notes: set[str] = set()
        self.asked: list[str] = []

    def members(self) -> tuple[Member, ...]:
        return tuple(
            Member(
                server=server,
                name=f"host-{server}",
                epoch=epoch,
                started=0,
                seen=0,
                state=self.state if server == "a" else MemberState.RUNNING,
            )
            for server, epoch in self.epochs.items()
        )

    def end(self, chain: str, after: int) -> tuple[Head, bool]:
        self.asked.append(chain)
        count = self.ends.get(chain, 0)
        return head(count), count > after and chain not in self.only_notes


def head(count: int) -> Head:
    return Head(count, bytes([count]) * 32) if count else Head()


class World:
    def __init__(self) -> None:
        self.service = Service()
        self.others = Others()
        cast(Any, in_memory(self.service)).shared = self.others
        self.pipeline = self.service.pipeline
        self.pipeline.server_id = "own.3"
        self.chains = self.pipeline.chains

    def batch(self, *steps: str, durable: bool = True) -> list[Noted]:
        """What a batch with these steps records."""
        self.service.store.begin()
        batch = self.pipeline.open_batch()
        for step in steps:
            getattr(self.chains, step)(batch)
        found = [(record.action, json.loads(record.parameters)) for record, _ in batch.appended]
        if durable:
            batch.write()
            self.service.store.commit()
            self.pipeline.committed(batch)
        else:
            self.service.store.rollback()
        return found


def heads(**counts: int) -> dict[str, str]:
    return {chain.replace("_", "."): str(head(count)) for chain, count in counts.items()}


JOIN: Noted = (
    "JoinServer",
    {"NodeId": "own", "Start": "3", "Host": "host-own", "Heads": heads(a_2=7, own_1=4)},
)


def test_the_first_batch_that_is_durable_says_that_a_server_joined() -> None:
    world = World()
    assert world.batch(durable=False) == [JOIN]
    assert world.batch("note") == [JOIN]  # there is nothing newer to note
    assert world.batch("note") == []
    # Of its own starts the last one that wrote anything, which is not the one before.
    assert world.others.asked[:3] == ["own.2", "own.1", "a.2"]


def test_what_is_new_is_noted_once() -> None:
    world = World()
    world.batch()
    world.others.ends["a.2"] = 9
    assert world.batch("note", durable=False) == [("NoteHeads", {"Heads": heads(a_2=9)})]
    assert world.batch("note", "note") == [("NoteHeads", {"Heads": heads(a_2=9)})]
    assert world.batch("note") == []


def test_notes_alone_are_not_noted() -> None:
    world = World()
    world.batch()
    world.others.ends["a.2"] = 9
    world.others.only_notes.add("a.2")
    assert world.batch("note") == []


def test_a_chain_that_is_over_is_looked_at_once_more() -> None:
    world = World()
    world.batch()
    world.others.epochs["a"], world.others.ends["a.3"], world.others.ends["a.2"] = 3, 1, 8
    assert world.batch("note") == [("NoteHeads", {"Heads": heads(a_3=1, a_2=8)})]
    assert world.batch("note") == []
    world.others.asked.clear()
    assert world.batch("note") == []
    assert "a.2" not in world.others.asked


def test_one_that_is_retired_is_no_longer_looked_at() -> None:
    world = World()
    world.batch()
    world.others.state = MemberState.RETIRED
    world.others.ends["a.2"] = 9
    assert world.batch("note") == [("NoteHeads", {"Heads": heads(a_2=9)})]  # once more
    assert world.batch("note") == []
    world.others.asked.clear()
    world.batch("note")
    assert world.others.asked == ["own.2", "own.1"]


def test_not_every_start_that_wrote_nothing_is_gone_back_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STARTS", 2)
    world = World()
    world.others.epochs = {"own": 9}
    assert world.batch() == [(JOIN[0], {**JOIN[1], "Heads": {}})]
    assert world.others.asked == ["own.9", "own.8"]  # it is start 3 of the chain that asks


def test_the_last_record_says_that_a_server_left() -> None:
    world = World()
    world.batch()
    world.others.ends["a.2"] = 9
    left = {"NodeId": "own", "Start": "3", "Heads": heads(a_2=9)}
    assert world.batch("leave") == [("LeaveServer", left)]


def test_what_covers_other_chains_is_the_note_itself_or_what_is_durable() -> None:
    world = World()
    assert not world.chains.fresh
    world.batch()
    assert world.chains.fresh

    def covered() -> tuple[Head, Batch]:
        world.service.store.begin()
        batch = world.pipeline.open_batch()
        found = world.chains.cover(batch)
        world.service.store.rollback()
        return found, batch

    found, batch = covered()
    assert found == world.service.store.audit.head("own.3") == batch.head
    world.others.ends["a.2"] = 9
    found, batch = covered()
    assert found == batch.head
    assert found.count == world.service.store.audit.head("own.3").count + 1


def test_a_server_by_itself_records_nothing() -> None:
    world = World()
    cast(Any, in_memory(world.service)).shared = None
    assert world.batch("join", "note", "leave") == []
    assert world.chains.fresh
