"""kill -9 of either process of a real server: the other one does what it should."""

import http.client
import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bench.servers import free_port
from tests.live import LiveServer, live

pytestmark = pytest.mark.crash


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ready(server: LiveServer) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"{server.description['ops_url']}/ready", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_a_front_process_that_is_killed_is_replaced_and_nothing_answered_is_lost(tmp_path: Path) -> None:
    keys = []
    with live(tmp_path / "data", "--front-process", "yes") as server:
        client = server.client()
        for _ in range(2):
            keys.append(client.ok("CreateKey")["KeyMetadata"]["KeyId"])
            front = server.processes[1]
            os.kill(front, signal.SIGKILL)
            until(lambda: ready(server)[0] == 503)
            assert b"the front process is being started again" in ready(server)[1]
            until(lambda: ready(server)[0] == 200)
            with pytest.raises((OSError, http.client.HTTPException)):  # that connection is gone
                client.ok("ListKeys")
            assert [client.ok("DescribeKey", KeyId=key)["KeyMetadata"]["KeyId"] for key in keys] == keys
            assert server.processes[1] != front
        with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
        assert "\nkeystead_connections 2.0" in metrics  # the client's, and this one
        assert "\nkeystead_front_process_resident_memory_bytes" in metrics
    assert len(re.findall('"error".*"front process ended"', server.log.read_text())) == 2


def test_a_server_that_is_killed_takes_its_front_process_with_it(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--front-process", "yes", "--listen", f"localhost:{free_port()}")
    for _ in range(3):
        server.start()
        server.client().ok("ListKeys")
        front = server.processes[1]
        server.kill()
        server.start()  # on the same port, at once
        server.client().ok("ListKeys")
        until(lambda front=front: not Path(f"/proc/{front}").exists())
        assert server.stop() == 0


@pytest.mark.parametrize(("choice", "processes"), [("yes", 2), ("no", 1)])
def test_a_server_serves_with_and_without_a_front_process(
    choice: str, processes: int, tmp_path: Path
) -> None:
    with live(tmp_path / "data", "--front-process", choice) as server:
        key_id = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
        blob = server.client().ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
        assert server.client().ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
        assert len(server.processes) == processes
