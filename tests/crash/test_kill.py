"""kill -9 of a real server under load: nothing that was acknowledged is lost, and nothing is unrecorded."""

import json
import os
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.crash.ledger import Ledger
from tests.histories import GONE
from tests.live import LiveServer, keystead

CYCLES = 1000 if os.environ.get("TEST_EVIDENCE") else 30
CLIENTS = 4


def work(server: LiveServer, ledger: Ledger, number: int, cycle: int) -> None:
    """Create keys and aliases, encrypt, disable and enable, until the server is gone."""
    client = server.client()
    try:
        for step in range(10_000):
            ledger.told(client.ok, f"alias/c{cycle}-n{number}-s{step}", bool(step % 2))
    except GONE:
        pass
    finally:
        client.close()


def losses(server: LiveServer, ledger: Ledger) -> list[str]:
    """Everything that was acknowledged and is not there."""
    client = server.client()
    lost = ledger.lost(client.call)
    client.close()
    # The audit log, and the seal of every row.
    verified = keystead("store", "verify", "--data", str(server.data))
    if verified.returncode != 0:
        lost.append(verified.stdout + verified.stderr)
    exported = keystead("audit", "export", "--data", str(server.data)).stdout
    recorded = {json.loads(line)["request_id"] for line in exported.splitlines()}
    lost += [f"record of {request}" for request in ledger.requests - recorded]
    return lost


def run(server: LiveServer, cycles: int, seconds: float) -> list[str]:
    ledger = Ledger()
    for cycle in range(cycles):
        server.start()
        threads = [threading.Thread(target=work, args=(server, ledger, n, cycle)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        threads[0].join(seconds)
        server.kill()
        for thread in threads:
            thread.join()
    server.start()
    try:
        assert len(ledger.keys) > cycles
        print(f"kill -9: {cycles} times, {len(ledger.requests)} answers")
        return losses(server, ledger)
    finally:
        server.stop()


@pytest.mark.crash
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    assert run(LiveServer(tmp_path / "data"), CYCLES, 0.15) == []


EARLY = """
    import sys
    from keystead.server.service import sequencer

    class Early(sequencer.Sequencer):
        # Answers before the commit, and commits a little later.
        def _turn(self):
            committer, waiting = self._committer, []

            class Later:
                def commit(self, done):
                    waiting.append(done)

            self._committer = Later()
            super()._turn()
            self._committer = committer
            for done in waiting:
                calls, answers, *rest = done.args
                self._deliver(calls, answers)
                done = sequencer.partial(self._committed, [], [], *rest)
                self._loop.call_later(0.05, committer.commit, done)

    from keystead.server.service import timers
    timers.Sequencer = Early
    from keystead.cli import main
    sys.exit(main())
"""


@pytest.mark.crash
def test_a_planted_early_reply_is_found(tmp_path: Path) -> None:
    program = tmp_path / "early.py"
    program.write_text(textwrap.dedent(EARLY))
    server = LiveServer(tmp_path / "data", program=[sys.executable, str(program)])
    assert run(server, 5, 0.3) != []
