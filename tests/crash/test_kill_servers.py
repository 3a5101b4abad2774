"""kill -9 of servers and of their database under load: nothing that was acknowledged is lost, and the log proves the rest."""

import os
import random
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.crash.ledger import Ledger
from tests.crash.load import WITHIN, Load, losses, proved
from tests.crash.site import Caller, Site
from tests.postgres import Cluster, cluster, until
from tests.several import Shared

pytestmark = [pytest.mark.alone, pytest.mark.crash]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
KILLS = 1000 if EVIDENCE else 12
BETWEEN = 50 if EVIDENCE else 12  # kills, after which it is looked at what is there


class Killer:
    """What kills, and what starts again whatever does not run."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site = site
        self._chance = chance
        self.count = 0
        self.databases = 0

    def kill(self) -> None:
        """One server or the database; of servers mostly one that serves."""
        self.count += 1
        if self._chance.random() < 0.2:
            self.databases += 1
            if self._chance.random() < 0.5:
                self._site.primary.stop("immediate")
            else:
                self._site.primary.kill()
            self._site.primary.start()
            return
        some = self.serving() if self._chance.random() < 0.8 else []
        self._chance.choice(some or self._site.servers).kill()

    def serving(self) -> list[Shared]:
        """The servers that serve. Others are started if they do not run: one ends by itself that starts without a database."""
        for one in self._site.servers:
            if one.process is None or one.process.poll() is not None:
                one.start(wait=False)
        return [one for one in self._site.servers if one.serves]

    def settle(self) -> None:
        """Until all serve."""
        until(lambda: len(self.serving()) == len(self._site.servers), WITHIN)
        self._site.settle()


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    chance, rest = random.Random("kills"), threading.Event().wait
    answers = 0
    with cluster() as primary, Site(tmp_path, primary) as site:
        killer = Killer(site, chance)
        while killer.count < KILLS:
            ledger = Ledger()
            load = Load(site, ledger, f"after-{killer.count}")
            for _ in range(BETWEEN):
                load.more(chance.randrange(1, 10), killer.serving)
                rest(chance.uniform(0, 0.2))
                killer.kill()
            load.end()
            killer.settle()
            assert losses(site, ledger) == []
            answers += len(ledger.requests)
        assert proved(site) == []
        ((chains, records),) = site.ask("SELECT count(DISTINCT chain), count(*) FROM audit")
    told = f"{killer.databases} of the database; {answers} answers, {records} records in {chains} chains"
    print(f"kill -9: {killer.count} times, {told}")


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
