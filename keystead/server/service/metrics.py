"""Prometheus metrics of a server, and the log of what went wrong: the observer of sequencer and connections."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from keystead import __version__
from keystead.api.pipeline import Answer
from keystead.domain.keys.lifecycle import KeyState
from keystead.errors import InternalFailure
from keystead.server import logs
from keystead.server.service.refusals import Refusals
from keystead.store.ports import StoreFailure

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Calls(Collector):
    """How many calls were answered how, and how long they took.

    Counted here and put into the library's form when that is asked for: its own counters cost thrice as much for each call.
    """

    def __init__(self) -> None:
        self._answers: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0

    def answered(self, action: str, code: str) -> None:
        """One more answer of an operation."""
        self._answers[action, code] += 1

    def took(self, seconds: float) -> None:
        """One more answer, after so long."""
        self._buckets[bisect_left(_SECONDS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("keystead_requests", "Answered calls", labels=["action", "code"])
        for labels, amount in self._answers.copy().items():  # the event loop goes on counting
            answers.add_metric(labels, amount)
        yield answers
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        yield HistogramMetricFamily(
            "keystead_request_seconds",
            "From the complete request to its answer",
            buckets=list(zip(bounds, accumulate(self._buckets), strict=True)),
            sum_value=self._seconds,
        )


class LostLines(Collector):
    """How many lines of the log this process could not write; the front process, if there is one, counts its own."""

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "keystead_log_lines_lost",
            "Lines of the log that the server could not write; those of its front process are not among them",
            logs.lost(),
        )


class Metrics:
    """All metrics; label values come from the catalogue and from errors.py only, so they are bounded."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._calls = Calls()
        registry.register(self._calls)
        registry.register(LostLines())
        self._unauthenticated = Counter(
            "keystead_unauthenticated",
            "Requests refused before a caller was known",
            ["code"],
            registry=registry,
        )
        self._records = Counter("keystead_audit_records", "Audit records made durable", registry=registry)
        self._failures = Counter(
            "keystead_store_failures", "Batches that could not be made durable", registry=registry
        )
        self._faults = Counter("keystead_faults", "Calls answered InternalFailure", registry=registry)
        self._malformed = Counter(
            "keystead_malformed_requests", "Connections closed for what they sent", registry=registry
        )
        self._connections = Gauge("keystead_connections", "Open connections", registry=registry)
        self._commit = Histogram(
            "keystead_commit_seconds", "One commit, its fsync included", buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram(
            "keystead_batch_calls", "Calls in one commit", buckets=_CALLS, registry=registry
        )
        self._keys = Gauge(
            "keystead_keys", "Keys by state, at most a minute ago", ["state"], registry=registry
        )
        self._log_records = Gauge(
            "keystead_audit_log_records", "Records in the audit log, at most a minute ago", registry=registry
        )
        self._front_restarts = Counter(
            "keystead_front_restarts",
            "Front processes started in place of another",
            ["reason"],
            registry=registry,
        )
        for reason in ("silent", "ended"):
            self._front_restarts.labels(reason)
        self._hanging = Gauge(
            "keystead_hanging", "What does not come to its end", ["work"], registry=registry
        )
        self._altered = Gauge(
            "keystead_store_altered_rows",
            "Stored rows, or sets of them, that were altered outside of the service and are not used",
            registry=registry,
        )
        self._foreign = Counter(
            "keystead_store_foreign_writes",
            "Times that another program wrote to the database",
            registry=registry,
        )
        self._anchor_failures = Counter(
            "keystead_anchor_failures", "Times that the anchor could not be written", registry=registry
        )
        Info("keystead_build", "The running program", registry=registry).info({"version": __version__})
        ProcessCollector(registry=registry)
        self._backup_failures = Counter(
            "keystead_backup_failures",
            "Backups by schedule that could not be made or proved",
            registry=registry,
        )
        self.backups: Callable[[], dict[str, Any]] = dict  # how they stand, for `/ready`
        self.store_problem = ""
        self.refusals = Refusals()

    def watch_front(self, pid: Callable[[], int]) -> None:
        """Add memory, descriptors and processor time of the front process."""
        ProcessCollector(namespace="keystead_front", pid=pid, registry=self.registry)

    def watch_certificate(self, expires: Callable[[], float]) -> None:
        """Add when the served certificate expires."""
        Gauge(
            "keystead_certificate_expires",
            "When the served certificate, or one of its chain, expires, in seconds since 1970",
            registry=self.registry,
        ).set_function(expires)

    def watch_backups(self, age: Callable[[], float], detail: Callable[[], dict[str, Any]]) -> None:
        """Add how old the last backup is."""
        Gauge(
            "keystead_backup_age_seconds",
            "Since the last verified backup was made; +Inf if there is none",
            registry=self.registry,
        ).set_function(age)
        self.backups = detail

    def backup_failed(self) -> None:
        """One that was due was not made."""
        self._backup_failures.inc()

    def watch_database(self, sizes: Callable[[], Mapping[str, int]]) -> None:
        """Add the size of the database and, where it has one of its own, of its write-ahead log."""
        size = Gauge(
            "keystead_database_bytes", "Size of the database's files", ["file"], registry=self.registry
        )
        for name in sizes():
            size.labels(name).set_function(partial(_of, sizes, name))

    def watch_shared(
        self,
        skew: Callable[[], float],
        connected: Callable[[], bool],
        problems: Callable[[], Sequence[str]],
        weaknesses: Callable[[], Sequence[str]],
    ) -> None:
        """Add how it is with a database that several servers share: what keeps calls from being answered, and what does not
        keep what is promised."""
        Gauge(
            "keystead_database_clock_skew_seconds",
            "By how much the clock of this machine is ahead of the database's, when they were last compared",
            registry=self.registry,
        ).set_function(skew)
        Gauge(
            "keystead_database_connected",
            "1 if there is a connection to the database, as far as is known, else 0",
            registry=self.registry,
        ).set_function(connected)
        Gauge(
            "keystead_database_problems",
            "Why this server answers no call although the database is there: it went back in time, the server was retired, "
            "clocks are apart; /ready says which",
            registry=self.registry,
        ).set_function(lambda: len(problems()))
        Gauge(
            "keystead_database_weaknesses",
            "What of the database's settings, or of the way to it, does not keep what is promised; /ready says what",
            registry=self.registry,
        ).set_function(lambda: len(weaknesses()))

    def stored(self, keys: Mapping[KeyState, int], records: int) -> None:
        """What the store holds now."""
        for state in KeyState:
            self._keys.labels(state.value).set(keys.get(state, 0))
        self._log_records.set(records)

    def front_restarting(self, reason: str) -> None:
        """The front process is gone, and is started again."""
        self._front_restarts.labels(reason).inc()

    def hanging(self, work: str, amount: int) -> None:
        """So many pieces of this kind of work do not come to their end."""
        self._hanging.labels(work).set(amount)

    def altered(self, amount: int) -> None:
        """So much of what is stored was altered, and is not used."""
        self._altered.set(amount)

    def foreign_write(self) -> None:
        """Another program wrote to the database."""
        self._foreign.inc()

    def anchor_failed(self) -> None:
        """The anchor could not be written."""
        self._anchor_failures.inc()

    def text(self) -> bytes:
        """The exposition format. From any thread."""
        return generate_latest(self.registry)

    # --- the sequencer's observer

    def answered(self, answer: Answer, seconds: float) -> None:
        if answer.recorded or not answer.code:
            self._calls.answered(answer.action or "unknown", answer.code or "OK")
        else:
            self._unauthenticated.labels(answer.code).inc()
            if answer.code != InternalFailure.code:  # which is no fault of whoever sent it
                self.refusals.tell(answer)
        self._calls.took(seconds)
        if answer.code == InternalFailure.code:
            self._faults.inc()
        if answer.fault is not None:
            logs.failure("internal failure", answer.fault, action=answer.action, request_id=answer.request_id)

    def committed(self, calls: int, records: int, seconds: float) -> None:
        self.store_problem = ""
        self._commit.observe(seconds)
        self._batch.observe(calls)
        self._records.inc(records)

    def store_failed(self, failure: Exception, calls: int) -> None:
        self._failures.inc()
        if isinstance(failure, StoreFailure):
            if not self.store_problem:  # once, not for every batch until it is over
                logs.event("store failed", "error", reason=str(failure), count=calls)
            self.store_problem = str(failure)
        else:
            self._faults.inc()
            logs.failure("batch failed", failure, count=calls)

    def given_up(self, action: str) -> None:
        logs.event("command not carried out: nobody waits for its answer any more", "warning", action=action)

    def reply_failed(self, error: Exception) -> None:
        logs.failure("reply not written", error)

    # --- the connections' observer

    def opened(self) -> None:
        self._connections.inc()

    def closed(self) -> None:
        self._connections.dec()

    def refused(self, code: str) -> None:
        self._malformed.inc()


def _of(sizes: Callable[[], Mapping[str, int]], name: str) -> float:
    return sizes()[name]
