import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from keystead.api.slow import Slow
from keystead.clock import FixedClock
from keystead.server import pools as module
from keystead.server.pools import CROWD, PASSES, THREADS, Pools


class Outcomes:
    """Pools, and when what came out of them."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.pools = Pools(self.clock)
        self.times: list[float] = []
        self.values: list[Any] = []
        self._arrived = threading.Semaphore(0)

    def done(self, outcome: Future[Any]) -> None:
        self.times.append(time.monotonic())
        self.values.append("cancelled" if outcome.cancelled() else outcome.result())
        self._arrived.release()

    def work(self, seconds: float, *, making: bool = False) -> None:
        """A piece of work that takes so much of a processor, and no time."""

        def piece() -> str:
            self.clock.advance(seconds)
            return "done"

        self.pools.run(Slow(piece, (), making=making), self.done)

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._arrived.acquire(timeout=20)


PIECE = 0.01 - PASSES  # seconds


@pytest.mark.parametrize(
    ("quick", "least", "most"), [(0, 0, 0.15), (CROWD // 4, 0.05, 5), (10 * CROWD, 0.2, 5)]
)
def test_a_thread_rests_beside_quick_calls_the_longer_the_more_they_are(
    quick: int, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTS", 20 / THREADS)  # so that the longest rest is 0.2 seconds everywhere
    found = Outcomes()
    found.pools.give_way(quick)
    for _ in range(THREADS + 1):
        found.work(PIECE)
    found.wait(THREADS + 1)
    assert least <= found.times[-1] - found.times[0] <= most
    found.pools.close()


def test_who_makes_a_key_pair_does_not_rest() -> None:
    found = Outcomes()
    found.pools.give_way(CROWD)
    for _ in range(2):
        found.work(1000, making=True)
    found.wait(2)
    found.pools.close()


def test_the_end_wakes_who_rests_and_cancels_what_waits() -> None:
    found = Outcomes()
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


def test_what_fails_is_an_outcome() -> None:
    found = Outcomes()
    told: Future[Any] = Future()

    def broken() -> None:
        raise ValueError("planted")

    found.pools.run(Slow(broken, ()), told.set_result)
    assert isinstance(told.result(timeout=20).exception(), ValueError)
    found.pools.close()
