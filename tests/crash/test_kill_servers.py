"""kill -9 of servers and of their database under load: nothing that was acknowledged is lost, and the log proves the rest."""

import os
import random
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.crash.ledger import Ledger
from tests.crash.site import Caller, Site
from tests.histories import GONE
from tests.live import keystead
from tests.postgres import Cluster, cluster, until

pytestmark = [pytest.mark.alone, pytest.mark.crash]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
KILLS = 1000 if EVIDENCE else 12
BETWEEN = 50 if EVIDENCE else 12  # kills, after which it is looked at what is there
CLIENTS = 4
WITHIN = 240.0  # seconds, for what takes some


class Load:
    """Clients that go on with another server when one is gone, until they are told to end."""

    def __init__(self, site: Site, ledger: Ledger, seed: str) -> None:
        self._over = threading.Event()
        self._site = site
        self._ledger = ledger
        names = [f"{seed}-{number}" for number in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in names]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WITHIN)
            assert not thread.is_alive()

    def _work(self, name: str) -> None:
        caller, chance = Caller(self._site.servers, self._site.access_key), random.Random(name)
        step = 0

        def ask(action: str, **parameters: str) -> dict[str, Any]:
            status, members = caller.to(chance.randrange(len(self._site.servers))).call(action, **parameters)
            if status == 503:
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


class Killer:
    """What kills, and what starts again whatever does not run."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site = site
        self._chance = chance
        self.count = 0
        self.databases = 0

    def kill(self) -> None:
        """One server or the database; of servers mostly one that serves."""
        self.revive()
        self.count += 1
        if self._chance.random() < 0.2:
            self.databases += 1
            if self._chance.random() < 0.5:
                self._site.primary.stop("immediate")
            else:
                self._site.primary.kill()
            self._site.primary.start()
            return
        if self._chance.random() < 0.8:
            until(lambda: self.revive() or any(one.serves for one in self._site.servers), WITHIN)
        serving = [one for one in self._site.servers if one.serves] or self._site.servers
        self._chance.choice(serving).kill()

    def revive(self) -> None:
        """Start what does not run: a server ends by itself if it starts while there is no database."""
        for one in self._site.servers:
            if one.process is None or one.process.poll() is not None:
                one.start(wait=False)

    def settle(self) -> None:
        """Until all serve."""
        until(lambda: self.revive() or all(one.serves for one in self._site.servers), WITHIN)
        self._site.settle()


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
    told = keystead("audit", "verify", "--data", str(site.servers[0].data), timeout=WITHIN)
    return [] if told.returncode == 0 else [told.stdout + told.stderr]


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    chance, rest = random.Random("kills"), threading.Event().wait
    answers = 0
    with cluster() as primary, Site(tmp_path, primary) as site:
        killer = Killer(site, chance)
        while killer.count < KILLS:
            ledger = Ledger()
            load = Load(site, ledger, f"after-{killer.count}")
            for _ in range(BETWEEN):
                rest(chance.uniform(0, 0.6))
                killer.kill()
            load.end()
            killer.settle()
            assert len(ledger.keys) > BETWEEN
            assert losses(site, ledger) == []
            answers += len(ledger.requests)
        assert proved(site) == []
        chains = site.ask("SELECT count(DISTINCT chain), count(*) FROM audit")
    print(
        f"kill -9: {killer.count} times, {killer.databases} of the database; {answers} answers, chains and records: {chains}"
    )


USED_AFTER = """
    import sys
    from keystead.api import pipeline
    from keystead.domain.keys.lifecycle import KeyState

    admit = pipeline.admit

    def careless(gate, state):
        admit(gate, KeyState.ENABLED if state is KeyState.DISABLED else state)

    pipeline.admit = careless
    from keystead.cli import main
    sys.exit(main())
"""


def test_a_planted_use_of_a_disabled_key_is_found(tmp_path: Path, postgres: Cluster) -> None:
    with Site(tmp_path, postgres, 2) as site:
        careless = tmp_path / "careless.py"
        careless.write_text(textwrap.dedent(USED_AFTER))
        site.servers[1].kill()
        site.servers[1].program = [sys.executable, str(careless)]
        site.servers[1].start()
        caller = Caller(site.servers, site.access_key)
        key_id = caller.to(0).ok("CreateKey")["KeyMetadata"]["KeyId"]
        caller.to(1).ok("Encrypt", KeyId=key_id, Plaintext="x")
        caller.to(0).ok("DisableKey", KeyId=key_id)
        assert proved(site) == []
        caller.to(1).ok("Encrypt", KeyId=key_id, Plaintext="x")
        caller.close()
        (told,) = proved(site)
        assert key_id in told
