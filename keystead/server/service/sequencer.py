"""The sequencer: one order for all calls, one commit for all that came meanwhile.

The event loop itself runs the calls; only COMMIT may leave it, for one helper thread, so that I/O goes on during an fsync.
After each turn of I/O it takes all that is queued, if no commit is under way. No reply leaves before the commit that
carries its effect and its record returned; if that fails, every reply of the batch is a retryable refusal.
Nothing else touches the store, its caches or the nonces: there are no locks.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

import msgspec

from keystead.api.batch import Batch
from keystead.api.http.encode import failure
from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.api.http.receive import Received, receive
from keystead.api.pipeline import Answer, Pipeline
from keystead.api.prepare import Prepared
from keystead.api.slow import Attempt, Slow
from keystead.clock import Clock
from keystead.errors import ServiceUnavailableTemporary
from keystead.server.network.limits import Reply
from keystead.server.service.pools import Pools
from keystead.server.service.underway import COMMIT, Underway
from keystead.store.ports import Store, Superseded

Job = Callable[[Pipeline, Batch], bool]

Done = Callable[[Exception | None], None]

PATIENCE = 0.002  # seconds; for a loop that has no connections to serve
_LATELY = 16  # commits
BATCH = 1024  # calls in one commit; what is beyond waits for the next
_ALONE = 2  # times that a batch is run beside others; then no other server's can come first
_TRIES = 8  # times that it is run anew, before its calls are refused; a connection may be lost as often
QUEUE = 20_000  # calls waiting; more are refused, since their clients would give up before their turn
QUEUE_BYTES = (
    32 * 1024 * 1024
)  # of the requests of calls waiting; more are refused, since they would take the memory


class Observer(Protocol):
    """Whoever counts and logs."""

    def answered(self, answer: Answer, seconds: float) -> None: ...

    def committed(self, calls: int, records: int, seconds: float) -> None: ...

    def store_failed(self, failure: Exception, calls: int) -> None: ...

    def given_up(self, action: str) -> None: ...

    def reply_failed(self, error: Exception) -> None: ...


class _Queued(msgspec.Struct):
    prepared: Prepared
    reply: Reply
    since: float
    attempt: Attempt
    awaited: Callable[[], bool] | None


class Committer:
    """Runs COMMIT: where the loop has I/O to do meanwhile, or the disk is slow, on a helper thread; else on the loop itself,
    since waiting out a quick fsync takes less time than handing it over and being told."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        underway: Underway,
        patience: float = 0.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._underway = underway
        self._loop = loop
        self._patience = patience
        self._usual = 0.0  # seconds that a commit takes of late
        self._jobs: queue.SimpleQueue[Done | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    def commit(self, done: Done) -> None:
        """Commit the open batch; `done` is called on the event loop, now or later, with None or what went wrong."""
        if self._usual < self._patience:
            done(self._commit())
        else:
            self._jobs.put(done)

    def close(self) -> None:
        """Wait for the commit under way, if any, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _commit(self) -> Exception | None:
        began = self._clock.monotonic()
        error: Exception | None = None
        self._underway.begin(COMMIT)
        try:
            self._store.commit()
        except Exception as raised:  # whatever it is, the batch is not durable and its clients must hear so
            error = raised
        self._underway.end(COMMIT)
        self._usual += (self._clock.monotonic() - began - self._usual) / _LATELY
        return error

    def _work(self) -> None:
        while (done := self._jobs.get()) is not None:
            self._loop.call_soon_threadsafe(done, self._commit())


class Sequencer:
    """Takes requests and jobs, runs them in order, and answers after their commit."""

    def __init__(
        self,
        pipeline: Pipeline,
        observer: Observer,
        loop: asyncio.AbstractEventLoop,
        patience: float = 0.0,
        underway: Underway | None = None,
    ) -> None:
        """`patience`: seconds that a commit may usually take for the loop to wait for it."""
        underway = underway or Underway()
        self._pipeline = pipeline
        self._store = pipeline.store
        self._observer = observer
        self._loop = loop
        self._committer = Committer(self._store, pipeline.clock, loop, underway, patience)
        self._pools = Pools(pipeline.clock, underway)
        self._queue: deque[_Queued] = deque()
        self._computing = 0  # calls whose slow work is in a pool
        self._bytes = 0  # of the requests of all calls that are not answered
        self._due: deque[Job] = deque()
        self._scheduled = False
        self._committing = False
        self._idle: list[asyncio.Future[None]] = []
        self.ended = 0
        """Batches that came to their end: committed, or refused with a reason. It stands still while nothing moves."""

    def submit(self, request: HttpRequest, reply: Reply) -> None:
        """Queue a request; `reply` is called once, on the event loop, after the commit."""
        self.take(receive(request), reply, request.awaited)

    def take(self, asked: Received, reply: Reply, awaited: Callable[[], bool] | None = None) -> None:
        """Queue a request that was read already; it is dropped if nobody waits for its answer when its turn comes."""
        if len(self._queue) + self._computing >= QUEUE or self._bytes + asked.size > QUEUE_BYTES:
            reply(_unavailable(asked))
            return
        self._bytes += asked.size
        prepared = self._pipeline.prepare(asked)
        self._queue.append(_Queued(prepared, reply, self._loop.time(), Attempt(), awaited))
        self._schedule()

    def run(self, job: Job) -> None:
        """Queue a job of the service itself; one that returns True is queued again once what it did is durable."""
        self._due.append(job)
        self._schedule()

    async def drain(self) -> None:
        """Wait until all that was accepted is answered."""
        while self._committing or self._queue or self._due or self._computing:
            future: asyncio.Future[None] = self._loop.create_future()
            self._idle.append(future)
            await future

    def abandon(self) -> None:
        """Begin no more slow work: nobody waits for it any longer. What has begun goes on, the rest is refused."""
        self._pools.abandon()

    def close(self) -> None:
        """End the helper threads; nothing may be queued any more."""
        self._pools.close()
        self._committer.close()

    # --- inside

    def _schedule(self) -> None:
        if not self._scheduled and not self._committing:
            self._scheduled = True
            # In the next turn of the loop, so that all that this turn of I/O brings shares the commit.
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        due = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
        calls = [call for call in due if call.awaited is None or self._still_awaited(call)]
        self._run(calls, [self._due.popleft() for _ in range(len(self._due))])

    def _run(self, calls: list[_Queued], jobs: list[Job], tries: int = 0) -> None:
        """Run a batch to its commit; anew, if another server was first with something."""
        while True:
            try:
                self._run_once(calls, jobs, tries)
                return
            except Exception as error:  # StoreFailure, or a bug that must not leave a half-made batch behind
                if not isinstance(error, Superseded) or tries >= _TRIES:
                    self._fail(calls, error)
                    self._next()
                    return
                self._store.rollback()
                tries += 1

    def _run_once(self, calls: list[_Queued], jobs: list[Job], tries: int) -> None:
        answered: list[_Queued] = []
        waiting: list[tuple[_Queued, Slow]] = []
        self._store.begin(alone=tries >= _ALONE)
        batch = self._pipeline.open_batch()
        answers: list[Answer] = []
        for call in calls:
            try:
                answers.append(self._pipeline.answer(batch, call.prepared, call.attempt))
                answered.append(call)
            except Slow as slow:
                waiting.append((call, slow))
        again = [job for job in jobs if job(self._pipeline, batch)]
        batch.write()
        nothing = batch.empty and not jobs
        if nothing:
            # No call was correctly signed: the commit writes nothing and waits for no disk. (A rollback would
            # drop the caches, and anybody could have that.)
            self._store.commit()
        self._pools.give_way(
            sum(
                answer.recorded and not call.attempt.slow
                for call, answer in zip(answered, answers, strict=True)
            )
        )
        for call, work in waiting:
            self._compute(call, work)
        if nothing:
            self._deliver(answered, answers)
            self._next()
            return
        self._committing = True
        done = partial(self._committed, answered, answers, (jobs, again), batch, self._loop.time(), tries)
        self._committer.commit(done)

    def _still_awaited(self, call: _Queued) -> bool:
        """Whether somebody waits for the answer; who was told that there is none is not to be surprised by it later."""
        assert call.awaited is not None
        if call.awaited():
            return True
        bound = call.prepared.bound
        known = bound is not None and bound.operation is not None
        self._observer.given_up(call.prepared.asked.action if known else "")
        self._reply(call, _unavailable(call.prepared.asked))
        return False

    def _compute(self, call: _Queued, slow: Slow) -> None:
        """Run a call's slow work in a pool, and then the call anew."""
        self._computing += 1

        def done(outcome: Future[Any]) -> None:
            self._loop.call_soon_threadsafe(self._computed, call, slow, outcome)

        self._pools.run(slow, done)

    def _computed(self, call: _Queued, slow: Slow, outcome: Future[Any]) -> None:
        self._computing -= 1
        if outcome.cancelled():
            self._reply(call, _unavailable(call.prepared.asked))
            self._next()
            return
        call.attempt.remember(slow, outcome)
        self._queue.append(call)
        self._schedule()

    def _committed(
        self,
        calls: list[_Queued],
        answers: list[Answer],
        jobs: tuple[list[Job], list[Job]],
        batch: Batch,
        since: float,
        tries: int,
        error: Exception | None,
    ) -> None:
        """`jobs`: all of them, and those that go on."""
        self._committing = False
        if isinstance(error, Superseded) and tries < _TRIES:
            self._store.rollback()
            self._run(calls, jobs[0], tries + 1)
            return
        if error is None:
            self._due += jobs[1]
            self._pipeline.committed(batch)
            self._observer.committed(len(calls), batch.records, self._loop.time() - since)
            self._deliver(calls, answers)
        else:
            self._fail(calls, error, answers)
        self._next()

    def _next(self) -> None:
        if self._queue or self._due:
            self._schedule()
        elif not self._computing:
            for future in self._idle:
                if not future.done():
                    future.set_result(None)
            self._idle.clear()

    def _deliver(self, calls: list[_Queued], answers: list[Answer]) -> None:
        self.ended += 1
        now = self._loop.time()
        for call, answer in zip(calls, answers, strict=True):
            self._observer.answered(answer, now - call.since)
            self._reply(call, answer.response)

    def _fail(self, calls: list[_Queued], error: Exception, answers: list[Answer] | None = None) -> None:
        self.ended += 1
        self._store.rollback()
        self._observer.store_failed(error, len(calls))
        for place, call in enumerate(calls):
            request_id = answers[place].request_id if answers else ""
            self._reply(call, _unavailable(call.prepared.asked, request_id))

    def _reply(self, call: _Queued, response: HttpResponse) -> None:
        self._bytes -= call.prepared.asked.size
        self._pipeline.finish(call.attempt)
        try:
            call.reply(response)
        except Exception as error:  # one client that is gone must not cost the others their answers
            self._observer.reply_failed(error)


def _unavailable(asked: Received, request_id: str = "") -> HttpResponse:
    """The refusal of a call that may be sent again."""
    return failure(ServiceUnavailableTemporary(), request_id, asked.host, asked.xml)
