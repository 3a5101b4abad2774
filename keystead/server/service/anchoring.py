"""Keeps the anchor of a server at what is committed, once a second at most, and never in the way of a call."""

import threading
from collections.abc import Callable

from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.crypto.row_seals import RowSeals
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.data.anchor import Anchor, Anchored, committed_in
from keystead.store.database_store import DatabaseStore

EVERY = 1.0  # seconds
_AT_STOP = 5.0  # seconds that the last one may take


class Anchoring:
    """Writes what it is told last, on a thread of its own."""

    def __init__(
        self, place: Anchor, seals: RowSeals, store: DatabaseStore, failed: Callable[[], None]
    ) -> None:
        self._place = place
        self._seals = seals
        self._store = store
        self._failed = failed
        self._wanted: Anchored | None = None
        self._written: Anchored | None = None
        self._woken = threading.Event()
        self._ended = threading.Event()
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="anchor", daemon=True)
        self._thread.start()

    def note(self, pipeline: Pipeline, batch: Batch) -> bool:
        """A job of the sequencer: what was committed before this batch is to be anchored."""
        self._note()
        return False

    def stop(self) -> None:
        """Anchor what was committed last, unless that takes too long. No batch is open any more."""
        self._note()
        self._ended.set()
        self._woken.set()
        self._thread.join(_AT_STOP)

    def _note(self) -> None:
        committed, wanted = committed_in(self._store), self._wanted
        if committed is None or committed == wanted:
            return
        # A database that went back moves no anchor.
        if wanted is None or committed.revision >= wanted.revision:
            self._wanted = committed
            self._woken.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            self._woken.wait()
            self._woken.clear()
            self._write()
            self._ended.wait(EVERY)
        self._write()

    def _write(self) -> None:
        wanted = self._wanted
        if wanted is None or wanted == self._written:
            return
        try:
            self._place.write(wanted.line(self._seals))
        except (OSError, OperatorError) as problem:
            self._failed()
            if not self.problem:  # once, not every second until it is over
                logs.event("anchor not written", "error", reason=str(problem))
            self.problem = f"the anchor {self._place} is not written: {problem}"
            if not self._ended.is_set():
                self._woken.set()
            return
        if self.problem:
            logs.event("anchor written again")
        self.problem = ""
        self._written = wanted
