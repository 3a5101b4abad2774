"""The service without its sockets: pipeline and sequencer over an opened store, and the timers of what it does by itself."""

import asyncio
from collections.abc import Callable

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.pipeline import Pipeline
from keystead.api.rewrapping import Rewrapping
from keystead.api.scheduled import (
    delete_due,
    expire_due,
    purge_access_keys,
    purge_nonces,
    purge_sessions,
    rotate_due,
)
from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.server import logs
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import OpenedStore
from keystead.server.service import backups, refusals
from keystead.server.service.backups import Backups
from keystead.server.service.metrics import Metrics
from keystead.server.service.sequencer import Sequencer
from keystead.server.service.underway import LOOP, Hanging, Underway
from keystead.settings import Settings

_DELETIONS_EVERY = 1.0  # seconds; it also finds out within so long that the store can't commit, or can again
_ROTATIONS_EVERY = 60.0
_ACCESS_KEYS_EVERY = 60.0
_NONCES_EVERY = 30.0
_WRAPPING_EVERY = 1.0
# A thousand rows a second: each batch holds up calls for a millisecond or two.
_REWRAPS_EVERY, _REWRAPPED_AT_ONCE = 0.025, 25
_TURNS_EVERY = 0.5


class Service:
    """Pipeline and sequencer over an opened store, with their timers: the service without its sockets."""

    def __init__(
        self,
        opened: OpenedStore,
        *,
        region: str,
        clock: Clock,
        entropy: Entropy,
        loop: asyncio.AbstractEventLoop,
        patience: float = 0.0,
        client_clock: Clock | None = None,
        service_keys: bool = True,
    ) -> None:
        self.metrics = Metrics()
        self.pipeline = Pipeline(
            store=opened.store,
            vault=opened.vault,
            clock=clock,
            entropy=entropy,
            region=region,
            account=opened.account,
            server_id=opened.server_id,
            client_clock=client_clock,
            service_keys=service_keys,
        )
        self._underway = Underway()
        self.hanging = Hanging(self._underway, self.metrics.hanging)
        self.sequencer = Sequencer(self.pipeline, self.metrics, loop, patience, self._underway)
        self._loop = loop
        self._backups: Backups | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start_timers(self) -> None:
        """Carry out what is due now and from here on."""
        self.every(_TURNS_EVERY, "turns", lambda: self._underway.begin(LOOP))
        self.every(_DELETIONS_EVERY, "deletions", lambda: self.sequencer.run(delete_due))
        self.every(_DELETIONS_EVERY, "expiries", lambda: self.sequencer.run(expire_due))
        self.every(_ROTATIONS_EVERY, "rotations", lambda: self.sequencer.run(rotate_due))
        self.every(_ACCESS_KEYS_EVERY, "access keys", lambda: self.sequencer.run(purge_access_keys))
        self.every(_ACCESS_KEYS_EVERY, "sessions", lambda: self.sequencer.run(purge_sessions))
        self.every(_NONCES_EVERY, "nonces", lambda: self.sequencer.run(purge_nonces))
        rewrapping = Rewrapping(_REWRAPPED_AT_ONCE)
        self.every(_WRAPPING_EVERY, "wrapping keys", lambda: self.sequencer.run(rewrapping))
        self.every(
            _REWRAPS_EVERY, "rewraps", lambda: self.sequencer.run(rewrapping) if rewrapping.busy else None
        )
        self.every(refusals.EVERY, "refusals", self.metrics.refusals.begin_anew)

    def watch(self, directory: DataDirectory, settings: Callable[[], Settings]) -> None:
        """Show how the data directory grows, and make backups of it when they are due, as the settings say then."""
        self.metrics.watch_database(directory.database)
        pipeline = self.pipeline
        made = self._backups = Backups(
            directory,
            settings,
            pipeline.vault.root,
            pipeline.clock,
            self._loop,
            self.sequencer.run,
            self.metrics.backup_failed,
        )
        self.metrics.watch_backups(made.age, made.detail)
        self.every(backups.EVERY, "backups", made.look)

    def every(self, seconds: float, name: str, action: Callable[[], None]) -> None:
        """Do something now and then every so many seconds until the stop."""
        try:
            action()
        except Exception as error:  # a bug, and no reason to leave it undone from here on
            logs.failure("timer failed", error, action=name)
        self._timers[name] = self._loop.call_later(seconds, self.every, seconds, name, action)

    async def stop(self) -> None:
        """Answer all that was accepted, then end. Clients had their time: slow work that has not begun is refused."""
        for timer in self._timers.values():
            timer.cancel()
        if self._backups is not None:
            self._backups.stop()
        self.sequencer.abandon()
        await self.sequencer.drain()
        self.metrics.refusals.begin_anew()
        self.sequencer.close()
        self.pipeline.store.close()
