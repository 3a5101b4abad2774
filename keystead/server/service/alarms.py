"""Tells of stored rows that were altered outside of the service: on the log, in a metric, a record and `ready`."""

import asyncio
from functools import partial

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.api.pipeline import Pipeline
from keystead.server import logs
from keystead.server.service.metrics import Metrics
from keystead.server.service.sequencer import Sequencer
from keystead.store.seals import Blocked, Found

_RECORDED = 20  # of what is found together, in one record


class Alarms:
    """Of the rows that a store blocks."""

    def __init__(
        self, blocked: Blocked, metrics: Metrics, sequencer: Sequencer, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._blocked = blocked
        self._metrics = metrics
        self._sequencer = sequencer
        self._loop = loop
        self._unrecorded: list[Found] = []

    def start(self) -> None:
        """Tell of what was found by now, and from here on."""
        self._blocked.alarm = self._alarm
        self._blocked.foreign = self._foreign
        for found in list(self._blocked.found.values()):
            self._alarm(found)

    def problems(self) -> list[str]:
        """Why no call is answered, if that is so."""
        return self._told() if self._blocked.everything else []

    def warnings(self) -> list[str]:
        """What is not used, while all else is."""
        return [] if self._blocked.everything else self._told()

    def _told(self) -> list[str]:
        amount = len(self._blocked.found)
        if not amount:
            return []
        text = next(iter(self._blocked.found.values())).text
        more = f" (and {amount - 1} more)" if amount > 1 else ""
        return [f"the database was altered outside of the service: {text}{more}; see `keystead store verify`"]

    def _alarm(self, found: Found) -> None:
        # On whichever thread it was found, and within a batch: it is recorded by one of the next.
        logs.event("stored row altered, and not used from here on", "error", reason=found.text)
        self._metrics.altered(len(self._blocked.found))
        self._unrecorded.append(found)
        self._loop.call_soon_threadsafe(self._sequencer.run, self._record)

    def _foreign(self, found: int) -> None:
        logs.event("another program wrote to the database; all rows were checked", "error", count=found)
        self._metrics.foreign_write()

    def _record(self, pipeline: Pipeline, batch: Batch) -> bool:
        found, self._unrecorded = self._unrecorded, []
        record = partial(record_service, batch, pipeline.clock, pipeline.entropy, pipeline.home.account)
        for first in range(0, len(found), _RECORDED):
            texts = [one.text for one in found[first : first + _RECORDED]]
            record("StoreAltered", {f"Found.{number}": text for number, text in enumerate(texts, 1)})
        return False
