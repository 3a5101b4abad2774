import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from keystead.api.slow import Slow, Work
from keystead.clock import FixedClock
from keystead.portable import LOWEST
from keystead.server.service.pools import (
    CROWD,
    LONGEST,
    PASSES,
    POLITE,
    PROOFS,
    RESTS,
    THREADS,
    Pools,
)
from keystead.server.service.underway import Underway


class Ending(threading.Event):
    """An end that says how long it was waited for, and is not waited for unless it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.hold = False

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert threading.current_thread() is not threading.main_thread(), "the event loop would rest"
        self.waits.append(timeout)
        return super().wait(20 if self.hold else 0)


class Outcomes:
    """Pools, and what came out of them."""

    def __init__(self) -> None:
        self.clock = FixedClock(0)
        self.pools = Pools(self.clock, Underway())
        self.ending = self.pools._ending = Ending()
        self.values: list[Any] = []
        self._arrived = threading.Semaphore(0)

    def done(self, outcome: Future[Any]) -> None:
        self.values.append("cancelled" if outcome.cancelled() else outcome.exception() or outcome.result())
        self._arrived.release()

    def work(self, seconds: float, work: Work = Work.USING) -> None:
        """A piece of work that takes so much of a processor, and no time."""

        def piece() -> str:
            self.clock.advance(seconds)
            return "done"

        self.pools.run(Slow(piece, (), work), self.done)

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._arrived.acquire(timeout=20)


@pytest.fixture
def found() -> Iterator[Outcomes]:
    outcomes = Outcomes()
    yield outcomes
    outcomes.pools.close()


PIECE = 1 / 8192  # seconds; exact in binary


@pytest.mark.parametrize(
    ("quick", "rests"),
    [(0, 0), (1, RESTS / CROWD), (CROWD // 2, RESTS / 2), (CROWD, RESTS), (10 * CROWD, RESTS)],
)
def test_a_thread_rests_the_longer_the_more_quick_calls_there_are(
    found: Outcomes, quick: int, rests: float
) -> None:
    found.pools.give_way(quick)
    found.work(PIECE)
    found.wait(1)
    found.pools.close()
    expected = [min((PIECE + PASSES) * rests * THREADS, LONGEST)] if rests else []
    assert found.ending.waits == pytest.approx(expected)


def test_no_rest_is_longer_than_the_longest(found: Outcomes) -> None:
    found.pools.give_way(CROWD)
    found.work(1000)
    found.wait(1)
    found.pools.close()
    assert found.ending.waits == [LONGEST]


def test_who_makes_a_key_pair_does_not_rest(found: Outcomes) -> None:
    found.pools.give_way(CROWD)
    found.work(1000, Work.MAKING)
    found.wait(1)
    found.pools.close()
    assert found.ending.waits == []


def _priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux alone")
def test_who_makes_key_pairs_alone_has_the_usual_priority(found: Outcomes) -> None:
    usual = _priority()
    for work in Work:
        found.pools.run(Slow(_priority, (), work), found.done)
        found.wait(1)
    assert found.values == [LOWEST, usual, POLITE, LOWEST]
    assert _priority() == usual < POLITE < LOWEST


def test_too_many_passwords_are_refused_until_some_were_tried(found: Outcomes) -> None:
    go_on = threading.Event()
    for _ in range(PROOFS):
        found.pools.run(Slow(go_on.wait, (30,), Work.PROVING), found.done)
    found.work(0, Work.PROVING)
    found.wait(1)
    assert found.values == ["cancelled"]
    go_on.set()
    found.wait(PROOFS)
    assert found.values[1:] == [True] * PROOFS
    found.work(0, Work.PROVING)
    found.wait(1)
    assert found.values[-1] == "done"


def test_where_priorities_are_forbidden_the_work_is_done_all_the_same(
    found: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    found.work(0)
    found.wait(1)
    assert found.values == ["done"]


def test_the_end_wakes_who_rests_and_cancels_what_waits(found: Outcomes) -> None:
    found.ending.hold = True
    found.pools.give_way(CROWD)
    for _ in range(THREADS + 2):
        found.work(1000)
    found.wait(THREADS)
    assert found.values == ["done"] * THREADS
    found.pools.abandon()
    found.pools.close()
    found.work(1)  # came too late
    found.wait(3)
    assert found.values == ["done"] * THREADS + ["cancelled"] * 3


class Panic(BaseException):
    """What no handler of errors catches."""


@pytest.mark.parametrize(("error", "told"), [(ValueError, ValueError), (Panic, RuntimeError)])
def test_what_fails_is_an_outcome(found: Outcomes, error: type[BaseException], told: type[Exception]) -> None:
    def broken() -> None:
        raise error

    found.pools.run(Slow(broken, ()), found.done)
    found.wait(1)
    assert [type(value) for value in found.values] == [told]


def test_each_call_hears_once_when_a_thread_cannot_be_started(
    found: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        found.work(0)
    found.wait(1)
    found.work(0)
    found.wait(1)
    found.pools.close()
    assert found.values == ["cancelled", "done"]
