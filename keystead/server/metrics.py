"""Prometheus metrics of a server, and the log of what went wrong: the observer of sequencer and connections."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from keystead import __version__
from keystead.api.pipeline import Answer
from keystead.errors import InternalFailure
from keystead.server import logs
from keystead.store.ports import StoreFailure

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """All metrics; label values come from the catalogue and from errors.py only, so they are bounded."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter("keystead_requests", "Answered calls", ["action", "code"], registry=registry)
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
        self._seconds = Histogram(
            "keystead_request_seconds",
            "From the complete request to its answer",
            buckets=_SECONDS,
            registry=registry,
        )
        self._commit = Histogram(
            "keystead_commit_seconds", "One commit, its fsync included", buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram(
            "keystead_batch_calls", "Calls in one commit", buckets=_CALLS, registry=registry
        )
        Info("keystead_build", "The running program", registry=registry).info({"version": __version__})
        ProcessCollector(registry=registry)
        self._children: dict[tuple[str, str], Counter] = {}
        self.store_problem = ""

    def watch_front(self, pid: Callable[[], int]) -> None:
        """Add memory, descriptors and processor time of the front process."""
        ProcessCollector(namespace="keystead_front", pid=pid, registry=self.registry)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    # --- the sequencer's observer

    def answered(self, answer: Answer, seconds: float) -> None:
        if answer.recorded:
            label = (answer.action or "unknown", answer.code or "OK")
            child = self._children.get(label)
            if child is None:
                child = self._children[label] = self._requests.labels(*label)
        else:
            child = self._unauthenticated.labels(answer.code)
            logs.event(
                "refused before authentication", "debug", code=answer.code, request_id=answer.request_id
            )
        child.inc()
        self._seconds.observe(seconds)
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

    def reply_failed(self, error: Exception) -> None:
        logs.failure("reply not written", error)

    # --- the connections' observer

    def opened(self) -> None:
        self._connections.inc()

    def closed(self) -> None:
        self._connections.dec()

    def refused(self, code: str) -> None:
        self._malformed.inc()
