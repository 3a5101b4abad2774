"""Threads for slow work, which must not make quick calls wait.

Those that use key pairs have the lowest priority, and rest after each piece of work while the event loop has many quick
calls to answer: each piece takes a processor, the interpreter's lock and two passes of the loop. Key pairs are made in a
thread of their own, since making one takes a hundred times as long as using it: those who sign do not queue behind those who
make. It has the usual priority and never rests: with what a busy machine leaves over, a pair would take longer than clients
wait. What is looked up in the store has threads of its own as well, of the lowest priority: a page can wait longer than an
Encrypt. Passwords have one thread, since whoever can reach the console's page may have one tried; it stands back only a
little, as whoever signs in has nothing else to do meanwhile.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from keystead.api.slow import Slow, Work
from keystead.clock import Clock
from keystead.portable import LOWEST
from keystead.server.service.underway import SLOW_WORK, Underway

Done = Callable[[Future[Any]], None]

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = max(1, PROCESSORS - 1)  # that use key pairs, which leave a processor to the loop
LOOKERS = 2  # threads that look something up, so that one that takes long does not hold up all others
CROWD = 8  # quick calls in one turn of the loop, from which on it counts as busy
PASSES = 0.0015  # seconds of the loop, which a call with slow work passes twice, and gives up to its thread now and then
RESTS = 15  # times as long, beside a busy loop: all that slow work takes is a sixteenth of a processor's time
LONGEST = 0.1  # seconds of one rest
PROOFS = 40  # passwords that wait to be tried, some seconds of work; more are refused, since their clients would give up
POLITE = 5  # one that has a third of an equal's share there


class Pools:
    """Where slow work is computed."""

    def __init__(self, clock: Clock, underway: Underway) -> None:
        self._clock = clock
        self._underway = underway
        self._pools = {
            Work.USING: ThreadPoolExecutor(
                THREADS, thread_name_prefix="slow", initializer=_stand_back, initargs=(LOWEST,)
            ),
            Work.MAKING: ThreadPoolExecutor(1, thread_name_prefix="making"),
            Work.PROVING: ThreadPoolExecutor(
                1, thread_name_prefix="proving", initializer=_stand_back, initargs=(POLITE,)
            ),
            Work.LOOKING: ThreadPoolExecutor(
                LOOKERS, thread_name_prefix="looking", initializer=_stand_back, initargs=(LOWEST,)
            ),
        }
        self._proofs = threading.Semaphore(PROOFS)
        self._ending = threading.Event()
        self._rests = 0.0

    def run(self, slow: Slow, done: Done) -> None:
        """Compute it in a thread; `done` is called there with the outcome, or with a cancelled one if the end came first,
        there can be no more threads, or too many passwords wait."""
        proof = slow.work is Work.PROVING
        if proof and not self._proofs.acquire(blocking=False):
            refused: Future[Any] = Future()
            refused.cancel()
            done(refused)
            return
        # A pool that could not start a thread has queued the work all the same, and may yet do it.
        once = [done]

        def tell(outcome: Future[Any]) -> None:
            if once:
                once.pop()(outcome)

        try:
            job = self._pools[slow.work].submit(self._work, slow, tell)
        except RuntimeError:
            job = Future()
            job.cancel()
        if proof:
            job.add_done_callback(lambda ended: self._proofs.release())
        job.add_done_callback(lambda ended: tell(ended) if ended.cancelled() else None)

    def give_way(self, quick: int) -> None:
        """How many quick calls the loop answered in its last turn: the more, the longer do the threads rest."""
        self._rests = RESTS * THREADS * min(quick / CROWD, 1)

    def abandon(self) -> None:
        """Begin nothing any more. What has begun goes on, the rest is cancelled."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._ending.set()  # only now: who rests must not wake to a queue

    def close(self) -> None:
        """Wait for what has begun, and end the threads."""
        self._ending.set()
        for pool in self._pools.values():
            pool.shutdown()

    def _work(self, slow: Slow, tell: Done) -> None:
        begun = self._clock.processor()
        self._underway.begin(SLOW_WORK)
        try:
            outcome = slow.run()
        except BaseException as panic:  # of a library: the call's own failure, and not the end of the loop
            outcome = Future()
            outcome.set_exception(RuntimeError(f"{type(panic).__name__} in slow work"))
        self._underway.end(SLOW_WORK)
        spent = self._clock.processor() - begun
        rests = (
            0.0 if slow.work is Work.MAKING else self._rests
        )  # as it was while this piece of work took its share
        tell(outcome)
        if rests:
            self._ending.wait(min((spent + PASSES) * rests, LONGEST))


def _stand_back(nice: int) -> None:
    """Give this thread a lower priority, where a thread has one of its own."""
    if sys.platform == "linux":
        # A sandbox may forbid it, and a pool whose threads fail here would be broken.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
