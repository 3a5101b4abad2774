"""The service without its sockets: pipeline and sequencer over an opened store, and the timers of what it does by itself."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.api.rewrapping import Rewrapping
from keystead.api.scheduled import (
    delete_due,
    expire_due,
    leave,
    note_heads,
    purge_access_keys,
    purge_nonces,
    purge_sessions,
    rotate_due,
    write_all_tallies,
    write_tallies,
)
from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.server import logs
from keystead.server.data.anchor import Anchor
from keystead.server.data.directory import DataDirectory
from keystead.server.data.world import OpenedStore
from keystead.server.service import anchoring, backups, refusals
from keystead.server.service.alarms import Alarms
from keystead.server.service.anchoring import Anchoring
from keystead.server.service.backups import Backups
from keystead.server.service.checkpoints import Checkpoints, Target
from keystead.server.service.facts import sizes_of
from keystead.server.service.metrics import Metrics
from keystead.server.service.sequencer import Sequencer
from keystead.server.service.underway import LOOP, Hanging, Underway
from keystead.settings import Settings
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import Shared

_DELETIONS_EVERY = 1.0  # seconds; it also finds out within so long that the store can't commit, or can again
_ROTATIONS_EVERY = 60.0
_ACCESS_KEYS_EVERY = 60.0
_NONCES_EVERY = 30.0
_TALLIES_EVERY = 60.0
_MANY_TALLIES_EVERY = 5.0
_WRAPPING_EVERY = 1.0
_TENDED_EVERY = 10.0
_HEADS_EVERY = 60.0
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
        checkpoints: tuple[Sequence[Target], float] = ((), 3600.0),
    ) -> None:
        """`checkpoints`: where they go, and every how many seconds."""
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
        self.checkpoints = Checkpoints(*checkpoints, clock, self.metrics.registry)
        self._underway = Underway()
        self.hanging = Hanging(self._underway, self.metrics.hanging)
        self.sequencer = Sequencer(self.pipeline, self.metrics, loop, patience, self._underway)
        self.alarms = Alarms(opened.store.blocked, self.metrics, self.sequencer, loop)
        self._loop = loop
        self._backups: Backups | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._shared = opened.store.shared
        self._weak = opened.weak
        self._anchors = opened.anchors
        self._anchorings: list[Anchoring] = []

    def start_timers(self) -> None:
        """Carry out what is due now and from here on; keep the anchors, if there are any."""
        self.alarms.start()
        for anchor in self._anchors:
            self._keep(anchor)
        if self._shared is not None:
            self._look_after(self._shared)
        self.every(_TURNS_EVERY, "turns", lambda: self._underway.begin(LOOP))
        self.every(_DELETIONS_EVERY, "deletions", lambda: self.sequencer.run(delete_due))
        self.every(_DELETIONS_EVERY, "expiries", lambda: self.sequencer.run(expire_due))
        self.every(_ROTATIONS_EVERY, "rotations", lambda: self.sequencer.run(rotate_due))
        self.every(_ACCESS_KEYS_EVERY, "access keys", lambda: self.sequencer.run(purge_access_keys))
        self.every(_ACCESS_KEYS_EVERY, "sessions", lambda: self.sequencer.run(purge_sessions))
        self.every(_NONCES_EVERY, "nonces", lambda: self.sequencer.run(purge_nonces))
        self.every(_TALLIES_EVERY, "tallies", lambda: self.sequencer.run(write_tallies))
        self.every(_MANY_TALLIES_EVERY, "many tallies", self._write_many_tallies)
        if self.checkpoints.wanted:
            self.every(
                self.checkpoints.often, "checkpoints", lambda: self.sequencer.run(self.checkpoints.sign)
            )
        rewrapping = Rewrapping(_REWRAPPED_AT_ONCE)
        self.every(_WRAPPING_EVERY, "wrapping keys", lambda: self.sequencer.run(rewrapping))
        self.every(
            _REWRAPS_EVERY, "rewraps", lambda: self.sequencer.run(rewrapping) if rewrapping.busy else None
        )
        self.every(refusals.EVERY, "refusals", self.metrics.refusals.begin_anew)

    def _keep(self, anchor: Anchor) -> None:
        store = self.pipeline.store
        assert isinstance(store, DatabaseStore)
        kept = Anchoring(anchor, self.pipeline.vault.row_seals(), store, self.metrics.anchor_failed)
        self.every(anchoring.EVERY, f"anchor {anchor}", lambda: self.sequencer.run(kept.note))
        self._anchorings.append(kept)

    def _look_after(self, shared: Shared) -> None:
        """Compare clocks with the database that several servers share, and be seen there."""

        def tend(pipeline: Pipeline, batch: Batch) -> bool:
            shared.tend()
            return False

        for one in self.of_database():
            logs.event("the database does not keep all that is promised", "warning", reason=one)
        self.metrics.watch_shared(
            lambda: shared.skew, lambda: shared.connected, shared.problems, self.of_database
        )
        self.every(_TENDED_EVERY, "database", lambda: self.sequencer.run(tend))
        self.every(_HEADS_EVERY, "heads", lambda: self.sequencer.run(note_heads))

    def warnings(self) -> list[str]:
        """What else is wrong, while calls are answered."""
        unwritten = [one.problem for one in self._anchorings]
        return [*self.alarms.warnings(), *filter(None, unwritten)]

    def sizes(self, directory: DataDirectory) -> Mapping[str, int]:
        """Bytes of the database, and of its write-ahead log if that is beside it."""
        return sizes_of(directory) if self._shared is None else {"database": self._shared.size}

    def of_database(self) -> list[str]:
        """What of a database that several servers share, or of the way to it, does not keep what is promised."""
        return [] if self._shared is None else [*filter(None, [self._weak]), *self._shared.warnings]

    def problems(self) -> list[str]:
        """What is known to keep calls from being answered; "" is nothing."""
        found = [] if self._shared is None else self._shared.problems()
        known = any(self.metrics.store_problem.endswith(one) for one in found)
        return [
            *self.hanging.problems(),
            *self.alarms.problems(),
            *found,
            "" if known else self.metrics.store_problem,
        ]

    def _write_many_tallies(self) -> None:
        if self.pipeline.tallies.many:
            self.sequencer.run(write_tallies)

    def watch(self, directory: DataDirectory, settings: Callable[[], Settings]) -> None:
        """Show how the database grows, and make backups of one in the data directory when they are due, as the settings say
        then."""
        self.metrics.watch_database(partial(self.sizes, directory))
        if self._shared is not None:
            return
        pipeline = self.pipeline
        made = self._backups = Backups(
            directory,
            settings,
            lambda: pipeline.vault.root,
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
        self.sequencer.run(write_all_tallies)
        self.sequencer.run(leave)
        await self.sequencer.drain()
        self.sequencer.run(self.checkpoints.sign_last)
        await self.sequencer.drain()
        await self._loop.run_in_executor(None, self.checkpoints.close)
        self.metrics.refusals.begin_anew()
        self.sequencer.close()
        for anchor in self._anchorings:
            await asyncio.to_thread(anchor.stop)
        self.pipeline.store.close()
