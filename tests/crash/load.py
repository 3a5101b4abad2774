"""Clients of several servers, and what is left of their work."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.crash.ledger import Ledger
from tests.crash.site import Caller, Site
from tests.histories import GONE
from tests.live import keystead
from tests.postgres import until

CLIENTS = 4
WITHIN = 240.0  # seconds, for what takes some


class Load:
    """Clients that go on with another server when one is gone, until they are told to end.

    `longest` is how many seconds one waited at most until it was answered, or told to try again later, which `later` counts.
    """

    def __init__(self, site: Site, ledger: Ledger, seed: str) -> None:
        self._over = threading.Event()
        self._site = site
        self._ledger = ledger
        self.longest = 0.0
        self.later = 0
        names = [f"{seed}-{number}" for number in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in names]
        for thread in self._threads:
            thread.start()

    def more(self, count: int, meanwhile: Callable[[], object] = lambda: True) -> None:
        """Wait until so many more calls were acknowledged, at a time when `meanwhile` gives something that is true."""
        enough = len(self._ledger.requests) + count
        until(lambda: meanwhile() and len(self._ledger.requests) >= enough, WITHIN)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WITHIN)
            assert not thread.is_alive()

    def _work(self, name: str) -> None:
        caller, chance = Caller(self._site.servers, self._site.access_key), random.Random(name)
        step = 0

        def ask(action: str, **parameters: str) -> dict[str, Any]:
            client = caller.to(chance.randrange(len(self._site.servers)))
            began = time.monotonic()
            status, members = client.call(action, **parameters)
            self.longest = max(self.longest, time.monotonic() - began)
            if status == 503:
                self.later += 1
                raise ConnectionError("it is not told whether that happened")
            assert status == 200, members
            return members

        while not self._over.is_set():
            step += 1
            try:
                self._ledger.told(ask, f"alias/{name}-{step}", bool(step % 2))
            except GONE:
                self._over.wait(0.05)
        caller.close()


def losses(site: Site, ledger: Ledger) -> list[str]:
    caller, chance = Caller(site.servers, site.access_key), random.Random(0)

    def call(action: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        return caller.to(chance.randrange(len(site.servers))).call(action, **parameters)

    lost = ledger.lost(call)
    caller.close()
    recorded = {row[0] for row in site.ask("SELECT request_id FROM audit")}
    return [*lost, *(f"record of {request}" for request in ledger.requests - recorded)]


def proved(site: Site) -> list[str]:
    """What the log does not prove: every record of every chain, and that no key was used after it was disabled."""
    first = site.servers[0]
    told = keystead("audit", "verify", "--data", str(first.data), env=first.env, timeout=WITHIN)
    return [] if told.returncode == 0 else [told.stdout + told.stderr]
