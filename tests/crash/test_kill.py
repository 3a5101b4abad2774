"""kill -9 of a real server under load: nothing that was acknowledged is lost, and nothing is unrecorded."""

import http.client
import json
import os
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.live import Client, LiveServer, keystead

CYCLES = 1000 if os.environ.get("TEST_EVIDENCE") else 30
CLIENTS = 4


class Ledger:
    """What the server acknowledged."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.blobs: list[tuple[str, str]] = []
        self.requests: set[str] = set()
        self.lock = threading.Lock()


def work(server: LiveServer, ledger: Ledger, number: int, cycle: int) -> None:
    """Create keys and aliases, encrypt, disable and enable, until the server is gone."""
    client = server.client()
    try:
        for step in range(10_000):
            key_id = note(ledger, client.ok("CreateKey"))["KeyMetadata"]["KeyId"]
            with ledger.lock:
                ledger.keys[key_id] = "Enabled"
            name = f"alias/c{cycle}-n{number}-s{step}"
            note(ledger, client.ok("CreateAlias", KeyId=key_id, AliasName=name))
            with ledger.lock:
                ledger.aliases[name] = key_id
            for text in ("a", "b", "c"):
                blob = note(ledger, client.ok("Encrypt", KeyId=name, Plaintext=f"{key_id} {text}"))[
                    "CiphertextBlob"
                ]
                with ledger.lock:
                    ledger.blobs.append((blob, f"{key_id} {text}"))
            if step % 2:
                # From here on either state may be found, until the answer says which.
                with ledger.lock:
                    ledger.keys[key_id] = "?"
                note(ledger, client.ok("DisableKey", KeyId=key_id))
                with ledger.lock:
                    ledger.keys[key_id] = "Disabled"
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        client.close()


def note(ledger: Ledger, members: dict[str, Any]) -> dict[str, Any]:
    with ledger.lock:
        ledger.requests.add(str(members["RequestId"]))
    return members


def losses(server: LiveServer, ledger: Ledger) -> list[str]:
    """Everything that was acknowledged and is not there."""
    client: Client = server.client()
    lost = []
    for key_id, state in ledger.keys.items():
        status, members = client.call("DescribeKey", KeyId=key_id)
        if status != 200 or state not in ("?", members["KeyMetadata"]["KeyState"]):
            lost.append(f"key {key_id} {state}: {members}")
        elif state != "Enabled":
            client.ok("EnableKey", KeyId=key_id)
    for name, key_id in ledger.aliases.items():
        status, members = client.call("DescribeKey", KeyId=name)
        if status != 200 or members["KeyMetadata"]["KeyId"] != key_id:
            lost.append(f"alias {name}")
    for blob, plaintext in ledger.blobs:
        status, members = client.call("Decrypt", CiphertextBlob=blob)
        if status != 200 or members["Plaintext"] != plaintext:
            lost.append(f"ciphertext of {plaintext}: {members}")
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
                calls, answers, again, batch, since = done.args
                self._deliver(calls, answers)
                done = sequencer.partial(self._committed, [], [], again, batch, since)
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
