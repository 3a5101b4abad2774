import os
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from keystead import portable
from keystead.clock import FixedClock
from keystead.crypto.notes import opened, public_key
from keystead.domain.audit import Head
from keystead.domain.checkpoints import Checkpoint, read
from keystead.server.service import checkpoints as module
from keystead.server.service.checkpoints import AGAIN, Checkpoints, Command, Folder, Target, asked_for
from keystead.settings import Settings
from tests.harness import Service

CHECKPOINT = Checkpoint("chain", Head(7, bytes(32)), 5)


class Kept:
    """A target that remembers, or fails."""

    def __init__(self, name: str = "kept") -> None:
        self.name = name
        self.counts: list[int] = []
        self.notes: list[str] = []
        self.failure: Exception | None = None

    def deliver(self, checkpoint: Checkpoint, note: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.counts.append(checkpoint.head.count)
        self.notes.append(note)


class World:
    def __init__(self, *to: Target, every: float = 3600) -> None:
        self.service = Service()
        self.clock = FixedClock()
        self.registry = CollectorRegistry()
        self.checkpoints = Checkpoints(to, every, self.clock, self.registry)

    def tick(self, *, last: bool = False) -> None:
        """Sign if it is due, and wait until it is delivered."""
        service = self.service
        service.store.begin()
        job = self.checkpoints.sign_last if last else self.checkpoints.sign
        assert job(service.pipeline, service.pipeline.open_batch()) is False
        service.store.commit()
        self.checkpoints._thread.submit(lambda: None).result(20)

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


def test_one_is_signed_when_it_is_due_if_something_happened() -> None:
    kept = Kept()
    world = World(kept)
    assert world.checkpoints.wanted
    world.tick()
    assert kept.counts == []  # there is nothing to sign yet
    world.service.key()
    world.tick()
    assert kept.counts == []  # not due yet
    world.clock.advance(3600)
    world.tick()
    world.tick()
    world.clock.advance(3600)
    world.tick()  # nothing happened
    assert kept.counts == [1]
    status, members = world.service.operate("GetCheckpointKey")
    assert status == 200
    checkpoint = read(opened(kept.notes[0].encode(), public_key(members["PublicKey"])))
    assert (checkpoint.head.count, checkpoint.time) == (1, int(world.service.clock.now()))
    world.tick(last=True)
    assert kept.counts == [1, 2]
    world.tick(last=True)
    assert kept.counts == [1, 2]
    world.checkpoints.close()


def test_a_delivery_that_failed_is_told_once_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    kept, failing = Kept(), Kept("failing")
    failing.failure = OSError(28, os.strerror(28))
    world = World(failing, kept)
    world.service.key()
    world.tick()
    world.tick()
    assert kept.counts == [1]
    assert world.metric("keystead_checkpoint_failures_total") == 2
    assert world.metric("keystead_checkpoints_failing") == 1
    assert world.metric("keystead_checkpoint_time") == 0
    failing.failure = ZeroDivisionError("secret")
    world.tick()
    failing.failure = None
    world.service.key()
    world.tick()
    assert (kept.counts, failing.counts) == ([1], [2])  # what failed gets the newest
    assert world.metric("keystead_checkpoints_failing") == 0
    assert world.metric("keystead_checkpoint_time") == int(world.service.clock.now())
    assert world.metric("keystead_checkpoint_failures_total") == 3
    world.checkpoints.close()


def test_another_is_not_begun_while_one_is_on_its_way_but_for_the_last() -> None:
    may_end = threading.Event()

    class Slow(Kept):
        def deliver(self, checkpoint: Checkpoint, note: str) -> None:
            assert may_end.wait(20)
            super().deliver(checkpoint, note)

    slow = Slow()
    world = World(slow, every=10)
    assert world.checkpoints.often == 10
    service = world.service

    def begin(*, last: bool = False) -> None:
        service.key()
        world.clock.advance(10)
        service.store.begin()
        world.checkpoints.sign(service.pipeline, service.pipeline.open_batch(), last)
        service.store.commit()

    begin()
    begin()
    begin(last=True)
    may_end.set()
    world.checkpoints.close()
    assert slow.counts == [1, 3]


def test_a_failure_is_tried_again_within_a_minute() -> None:
    assert World(Kept(), every=3600).checkpoints.often == AGAIN
    assert not World().checkpoints.wanted


# --- where to


def test_a_folder_keeps_each_and_the_newest_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(str(tmp_path))
    folder.deliver(CHECKPOINT, "note")
    assert (tmp_path / "chain-000000000007.checkpoint").read_text() == "note"
    monkeypatch.setattr(module, "KEPT", 2)
    (tmp_path / "other-000000000001.checkpoint").write_text("of another server")
    (tmp_path / ".chain-000000000006.checkpoint.part").write_text("of one that was killed")
    for count in (8, 9, 10):
        folder.deliver(Checkpoint("chain", Head(count, bytes(32)), 5), "note")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "chain-000000000009.checkpoint",
        "chain-000000000010.checkpoint",
        "other-000000000001.checkpoint",
    ]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder(str(tmp_path / "not mounted")).deliver(CHECKPOINT, "note")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_full_has_no_half_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(portable, "sync", full)
    with pytest.raises(OSError, match="No space"):
        Folder(str(tmp_path)).deliver(CHECKPOINT, "note")
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_given_the_note(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read())"
    Command([sys.executable, "-c", program]).deliver(CHECKPOINT, "a note\n")
    assert out.read_text() == "a note\n"


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(OSError, match="ended with 3"):
        Command([sys.executable, "-c", "raise SystemExit(3)"]).deliver(CHECKPOINT, "note")
    with pytest.raises(FileNotFoundError):
        Command(["/nowhere/program"]).deliver(CHECKPOINT, "note")


def test_a_command_that_does_not_end_is_ended_with_all_that_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match="did not end"):
        Command(["/bin/sh", "-c", "sleep 100 & sleep 100; true"]).deliver(CHECKPOINT, "note")


def test_the_settings_say_where_to() -> None:
    assert asked_for(Settings()) == ([], 3600)
    to, every = asked_for(
        Settings(
            checkpoint_folder=("a", "b"), checkpoint_command="curl -T - 'https://x y'", checkpoint_seconds=5
        )
    )
    assert ([one.name for one in to], every) == (["a", "b", "curl"], 5)
