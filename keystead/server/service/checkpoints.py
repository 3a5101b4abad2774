"""Checkpoints are signed now and then, and at the stop, and delivered elsewhere: into folders, and to a command.

What can't be delivered is told by log and metrics, and tried again every minute. Nothing waits for it but the stop.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from keystead.api import checkpoints
from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.clock import Clock
from keystead.domain.checkpoints import Checkpoint
from keystead.portable import replace
from keystead.server import logs
from keystead.settings import Settings

AGAIN = 60.0  # seconds after which a delivery that failed is tried again
COMMAND_SECONDS = 10.0  # that a command may take
KEPT = 10_000  # checkpoints of one server in a folder: a year of them, one an hour
_SUFFIX = ".checkpoint"
_MODE = 0o600  # as all that a server writes


class Target(Protocol):
    """Where checkpoints go."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    def deliver(self, checkpoint: Checkpoint, note: str) -> None:
        """OSError says why it is not there."""
        ...


class Folder:
    """A folder that is there already: a disk that is not mounted must not be taken for an empty one."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = Path(path).absolute()

    def deliver(self, checkpoint: Checkpoint, note: str) -> None:
        name = f"{checkpoint.chain}-{checkpoint.head.count:012}{_SUFFIX}"
        replace(self._path / name, note.encode(), _MODE, f".{name}.part")
        own = sorted(self._path.glob(f"{checkpoint.chain}-*{_SUFFIX}"))
        killed = self._path.glob(f".{checkpoint.chain}-*.part")  # of a server that was, while it wrote one
        for old in (*own[:-KEPT], *killed):
            old.unlink(missing_ok=True)


class Command:
    """A program that is given each checkpoint on its standard input, and ends with 0 once it is kept."""

    def __init__(self, words: Sequence[str]) -> None:
        self.name = words[0]
        self._words = words

    def deliver(self, checkpoint: Checkpoint, note: str) -> None:
        process = subprocess.Popen(
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.communicate(note.encode(), timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"it did not end within {COMMAND_SECONDS:.0f} seconds") from None
        if process.returncode:
            raise OSError(f"it ended with {process.returncode}")


def asked_for(settings: Settings) -> tuple[Sequence[Target], float]:
    """Where the settings have them go, and every how many seconds."""
    words = shlex.split(settings.checkpoint_command)
    to: list[Target] = [*map(Folder, settings.checkpoint_folder), *([Command(words)] if words else [])]
    return to, settings.checkpoint_seconds


class Checkpoints:
    """What of the records was delivered where."""

    def __init__(self, to: Sequence[Target], every: float, clock: Clock, registry: CollectorRegistry) -> None:
        self._to = to
        self._every = every
        self._clock = clock
        self._told = dict.fromkeys((one.name for one in to), 0)  # records that each knows of
        self._failed: set[str] = set()
        self._due = 0.0
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._failures = Counter(
            "keystead_checkpoint_failures",
            "Checkpoints that did not reach a folder or command",
            registry=registry,
        )
        self._failing = Gauge(
            "keystead_checkpoints_failing",
            "Folders and commands that the last checkpoint did not reach",
            registry=registry,
        )
        self._time = Gauge(
            "keystead_checkpoint_time",
            "When the newest checkpoint that reached all folders and commands was signed, in seconds since 1970",
            registry=registry,
        )

    @property
    def wanted(self) -> bool:
        """Whether there is anywhere to deliver them."""
        return bool(self._to)

    @property
    def often(self) -> float:
        """Seconds from one `sign` to the next."""
        return min(self._every, AGAIN)

    def sign(self, pipeline: Pipeline, batch: Batch, last: bool = False) -> bool:
        """A job: sign and deliver a checkpoint where one is due, and something happened since the one before. True if where
        other chains end is to be durable before."""
        now = self._clock.monotonic()
        late = now >= self._due or last
        head = pipeline.store.audit.head(batch.chain)
        to = [
            one
            for one in self._to
            if self._told[one.name] != head.count and (late or one.name in self._failed)
        ]
        if to and (last or not self._busy):
            if not pipeline.chains.fresh and pipeline.chains.note(batch):
                return True
            checkpoint, note = checkpoints.sign(
                pipeline.vault, batch.chain, head, pipeline.home.account, int(pipeline.clock.now())
            )
            self._busy = True
            self._thread.submit(self._deliver, to, checkpoint, note)
        if late:
            self._due = now + self._every
        return False

    def sign_last(self, pipeline: Pipeline, batch: Batch) -> bool:
        """The same before the stop, in any case."""
        return self.sign(pipeline, batch, last=True)

    def close(self) -> None:
        """Wait for what is on its way."""
        self._thread.shutdown()

    def _deliver(self, to: Sequence[Target], checkpoint: Checkpoint, note: str) -> None:
        for target in to:
            try:
                target.deliver(checkpoint, note)
            except Exception as error:
                self._failures.inc()
                if target.name not in self._failed:  # once, not every minute until it is over
                    reason = (
                        error.strerror or str(error) if isinstance(error, OSError) else type(error).__name__
                    )
                    logs.event("checkpoint not delivered", "error", file=target.name, reason=reason)
                self._failed.add(target.name)
            else:
                if target.name in self._failed:
                    logs.event("checkpoints are delivered again", file=target.name)
                self._failed.discard(target.name)
                self._told[target.name] = checkpoint.head.count
        self._failing.set(len(self._failed))
        if not self._failed:
            self._time.set(checkpoint.time)
        self._busy = False
