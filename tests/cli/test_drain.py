"""A stop that first lets load balancers know: served meanwhile, not ready, and over at once where somebody insists."""

import http.client
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import LiveServer, live

FOREVER = ("--drain-seconds", "600")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ready(server: LiveServer, *, ops: bool = False, method: str = "GET") -> tuple[int, bytes]:
    """What /ready says where clients call, or on the ops listener."""
    found = server.description
    port = int(found["ops_url" if ops else "url"].rpartition(":")[2])
    connection: http.client.HTTPConnection
    if ops:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    else:
        context = ssl.create_default_context(cafile=found["ca_file"])
        connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
    connection.request(method, "/ready")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("front", ["yes", "no"])
def test_it_serves_on_and_is_not_ready_until_somebody_insists(tmp_path: Path, front: str) -> None:
    with live(tmp_path / "data", "--front-process", front, *FOREVER) as server:
        assert ready(server) == (200, b'{"status": "ready"}\n')
        assert ready(server, method="HEAD") == (200, b"")
        assert ready(server, ops=True)[0] == 200
        kept = server.client()
        kept.ok("ListKeys")
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        until(lambda: ready(server)[0] == 503)
        assert ready(server) == (503, b'{"status": "not ready"}\n')
        problems = json.loads(ready(server, ops=True)[1])["problems"]
        assert problems == ["the server is about to stop"]
        for _ in range(3):  # on the connection that it had, which ends, and on new ones
            kept.ok("ListKeys")
        log = server.log.read_text()
        assert '"draining"' in log
        assert '"stopped"' not in log
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert '"stopped"' in server.log.read_text()


def test_it_ends_by_itself_when_the_time_is_over(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--drain-seconds", "1") as server:
        assert server.process is not None
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert time.monotonic() - began >= 1


def test_the_time_is_that_of_the_last_reload(tmp_path: Path) -> None:
    settings = tmp_path / "keystead.toml"
    settings.write_text("drain-seconds = 600\n")
    with live(tmp_path / "data", "--config", str(settings)) as server:
        assert server.process is not None
        settings.write_text("")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: '"reloaded"' in server.log.read_text())
        server.process.send_signal(signal.SIGTERM)
        try:
            assert server.process.wait(60) == 0
        except subprocess.TimeoutExpired:
            server.kill()
            raise
