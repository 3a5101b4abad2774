"""Once DisableKey is acknowledged, nothing is encrypted with the key any more: under load, thousands of times."""

import threading
import time
from pathlib import Path

import pytest

from tests.live import live

pytestmark = pytest.mark.alone

TRIES = 10_000
WORKERS = 6


def test_no_encrypt_succeeds_after_an_acknowledged_disable(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        owner = server.client()
        key_id = owner.ok("CreateKey")["KeyMetadata"]["KeyId"]
        lock, stop = threading.Lock(), threading.Event()
        disabled_at: list[float] = [0.0]  # when the last disable was acknowledged; 0 while enabled
        wrong: list[str] = []
        tries = [0]
        refused = [0]

        def work() -> None:
            client = server.client()
            while not stop.is_set():
                with lock:
                    before = disabled_at[0]
                status, members = client.call("Encrypt", KeyId=key_id, Plaintext="x")
                with lock:
                    tries[0] += 1
                    refused[0] += status == 409
                    # It was sent after the acknowledgement, and no enable began meanwhile.
                    if before and before == disabled_at[0] and status == 200:
                        wrong.append(members["RequestId"])
                    assert status in (200, 409)
            client.close()

        threads = [threading.Thread(target=work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        while tries[0] < TRIES and all(thread.is_alive() for thread in threads):
            owner.ok("DisableKey", KeyId=key_id)
            with lock:
                disabled_at[0] = time.monotonic()
            time.sleep(0.01)
            with lock:
                disabled_at[0] = 0.0
            owner.ok("EnableKey", KeyId=key_id)
            time.sleep(0.005)
        stop.set()
        for thread in threads:
            thread.join()
        assert tries[0] >= TRIES
        assert wrong == []
        assert refused[0] > 100
