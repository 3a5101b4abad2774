"""Backups by schedule: when one is due, a process beside the server makes and proves it, and the log says so."""

import asyncio
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.api.pipeline import Pipeline
from keystead.clock import Clock
from keystead.crypto.root_key import RootKey
from keystead.server import logs
from keystead.server.backup import last_backup
from keystead.server.backup.root_link import Link, serve
from keystead.server.data.directory import DataDirectory
from keystead.server.network import spawn
from keystead.server.service.sequencer import Job
from keystead.settings import Settings

EVERY = 60.0  # seconds between two looks whether one is due
RETRY = 900.0  # seconds after one that failed
ACTION = "BackUp"


class Backups:
    """Makes them in time. `failed` is told of each that could not be made."""

    def __init__(
        self,
        directory: DataDirectory,
        settings: Callable[[], Settings],
        root: Callable[[], RootKey],
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[Job], None],
        failed: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._root = root
        self._clock = clock
        self._loop = loop
        self._run = run
        self._failed = failed
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._not_before = 0.0
        self.problem = ""

    def detail(self) -> dict[str, Any]:
        """How it stands, as `/ready` tells it."""
        last = last_backup.read(self._directory)
        return {
            "made": None if last is None else last.made,
            "age_seconds": None if last is None else int(self.age()),
            "problem": self.problem or None,
        }

    def age(self) -> float:
        """Seconds since the last backup was made that was proved; infinite if there is none."""
        last = last_backup.read(self._directory)
        return float("inf") if last is None else last.age(self._clock.now())

    def look(self) -> None:
        """Begin one if it is due and none is under way."""
        settings, now = self._settings(), self._clock.now()
        if not settings.backup_into:
            self.problem = ""
            return
        due = self.age() >= settings.backup_every * 3600 and now >= self._not_before
        if due and self._thread is None and not self._ending:
            self._not_before = now + RETRY
            self._thread = threading.Thread(target=self._make, args=(settings,), name="backup", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the one that is under way."""
        self._ending = True
        if self._process is not None:
            self._process.kill()
        if self._thread is not None:
            self._thread.join()

    # --- inside

    def _make(self, settings: Settings) -> None:
        """In a thread of its own: start the process, and lend it the root key."""
        root = self._root()
        told: dict[str, Any] | None = None
        reason = "the process that makes it ended"
        try:
            process, ours = spawn.start("keystead.server.backup.process", confined=False)
            ours.setblocking(True)
            self._process = process
            if self._ending:
                process.kill()
            link = Link(ours)
            try:
                link.send(
                    {
                        "data": str(self._directory.path),
                        "into": settings.backup_into,
                        "keep": settings.backup_keep,
                        "keys": settings.backup_keys,
                        "root": root.fingerprint,
                    }
                )
                told = serve(link, root)
            finally:
                link.close()
                process.wait()
        except (OSError, ValueError) as error:
            reason = str(error)
        self._process = None
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._made, told or {"problem": reason})

    def _made(self, told: dict[str, Any]) -> None:
        self._thread = None
        if self._ending:
            return
        self.problem = told.get("problem", "")
        if self.problem:
            logs.event("backup failed", "error", reason=self.problem)
            self._failed()
            return
        logs.event("backup made and verified", file=told["file"])

        def record(pipeline: Pipeline, batch: Batch) -> bool:
            told_of = {
                "File": told["file"],
                "Head": told["head"],
                "Made": told["made"],
                "Removed": str(told["removed"]),
            }
            home = pipeline.home
            record_service(
                batch, pipeline.clock, pipeline.entropy, home.account, ACTION, told_of, region=home.region
            )
            return False

        self._run(record)
