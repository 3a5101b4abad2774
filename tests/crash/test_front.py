"""kill -9 of either process of a real server, and a front process that hangs: the other one does what it should."""

import http.client
import os
import re
import signal
import sys
import threading
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


def metrics(server: LiveServer) -> str:
    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def restarts(server: LiveServer) -> dict[str, int]:
    found = re.findall(r'^keystead_front_restarts_total\{reason="(\w+)"\} (\d+)', metrics(server), re.M)
    return {reason: int(count) for reason, count in found}


def test_a_front_process_that_is_killed_is_replaced_and_nothing_answered_is_lost(tmp_path: Path) -> None:
    keys = []
    with live(tmp_path / "data", "--front-process", "yes") as server:
        client = server.client()
        for _ in range(2):
            keys.append(client.ok("CreateKey")["KeyMetadata"]["KeyId"])
            front = server.processes[1]
            os.kill(front, signal.SIGKILL)
            until(lambda front=front: server.processes[1:] not in ([], [front]))
            until(lambda: ready(server)[0] == 200)
            with pytest.raises((OSError, http.client.HTTPException)):  # that connection is gone
                client.ok("ListKeys")
            assert [client.ok("DescribeKey", KeyId=key)["KeyMetadata"]["KeyId"] for key in keys] == keys
            assert server.processes[1] != front
        until(lambda: "\nkeystead_connections 2.0" in metrics(server))  # the client's, and this one
        assert "\nkeystead_front_process_resident_memory_bytes" in metrics(server)
        assert restarts(server) == {"ended": 2, "silent": 0}
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


# --- a front process that hangs

LIMIT = 5.0  # seconds until calls succeed again
SLOW_MACHINE = 3.0  # so many times as long may this one take
CALLERS = 4

# Imported by both processes before anything of ours; the front process spins when a request asks for it.
SPINS = """
import sys
if "keystead.server.network.front_process" in sys.orig_argv:
    from keystead.api.http import receive as module
    receive = module.receive
    def spin(request):
        while "planted" in request.target:
            pass
        return receive(request)
    module.receive = spin
"""
NEVER_ASKS = """
import sys
from keystead.server.network.front_supervisor import Front
Front._ping = lambda self: None
from keystead.cli import main
sys.exit(main())
"""


class Load:
    """Callers that make keys without a pause, note what was acknowledged, and connect anew when the server is gone."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._ended = threading.Event()
        self.acknowledged: list[tuple[float, str]] = []  # when the call began, and the key
        self._threads = [threading.Thread(target=self._work) for _ in range(CALLERS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        client = self._server.client()
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            self.acknowledged.append((began, key_id))
        client.close()

    def since(self, moment: float) -> bool:
        """Whether a call that began after the moment was acknowledged."""
        return any(began > moment for began, _ in self.acknowledged[-100:])


def recovered(server: LiveServer, load: Load, hang: Any, limit: float) -> list[str]:
    """Let the front process hang under load. What is wrong with what follows."""
    until(lambda: len(load.acknowledged) > 20)
    hang()
    hung = time.monotonic()
    status, said = ready(server)  # asked while it hangs
    problems = [] if status == 503 else [f"/ready says {status} {said.decode()}"]
    while not load.since(hung) and time.monotonic() < hung + limit:
        time.sleep(0.01)
    if not load.since(hung):
        return [*problems, f"no call succeeded within {limit} s"]
    print(f"calls succeed again after {time.monotonic() - hung:.1f} s")
    deadline = time.monotonic() + limit
    while (status := ready(server)[0]) != 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    if status != 200:
        problems.append(f"/ready says {status} when calls succeed")
    return problems


def lost(server: LiveServer, load: Load) -> list[str]:
    """Keys that were acknowledged and are not there, by a server that is started anew."""
    server.stop()
    server.start()
    client = server.client()
    found = [key_id for _, key_id in load.acknowledged if client.call("DescribeKey", KeyId=key_id)[0] != 200]
    client.close()
    return found


def spinning(tmp_path: Path) -> dict[str, str]:
    """The environment of a server whose front process spins when it is asked to."""
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SPINS)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *(one for one in sys.path if one)])}


def stop_it(server: LiveServer) -> None:
    os.kill(server.processes[1], signal.SIGSTOP)


def spin_it(server: LiveServer) -> None:
    client = server.client()
    client._connection.request("POST", "/?planted")


@pytest.mark.parametrize("hang", [stop_it, spin_it])
def test_a_front_process_that_hangs_under_load_is_replaced_and_nothing_acknowledged_is_lost(
    hang: Any, tmp_path: Path
) -> None:
    with live(tmp_path / "data", "--front-process", "yes", env=spinning(tmp_path)) as server:
        with Load(server) as load:
            assert recovered(server, load, lambda: hang(server), SLOW_MACHINE * LIMIT) == []
            assert restarts(server) == {"ended": 0, "silent": 1}
        assert server.log.read_text().count('"front process hangs"') == 1
        assert lost(server, load) == []


def test_a_server_that_does_not_ask_is_found(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(NEVER_ASKS)
    server = LiveServer(
        tmp_path / "data", "--front-process", "yes", "--stop-seconds", "1",
        program=[sys.executable, str(program)],
    )  # fmt: skip
    server.start()
    try:
        with Load(server) as load:
            front = server.processes[1]
            found = recovered(server, load, lambda: stop_it(server), LIMIT)
            os.kill(front, signal.SIGKILL)
        assert found == [f"no call succeeded within {LIMIT} s"]
    finally:
        server.stop()


def test_a_service_that_was_stopped_as_a_whole_goes_on_with_the_same_front_process(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--front-process", "yes") as server:
        client = server.client()
        client.ok("ListKeys")
        processes = server.processes
        for order in (processes, processes[::-1]):
            for pid in order:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(3)  # longer than a front process may be silent
            for pid in order:
                os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            while time.monotonic() < began + 3:  # it would be killed within so long
                client.ok("ListKeys")  # on the same connection
                time.sleep(0.05)
        assert server.processes == processes
        assert restarts(server) == {"ended": 0, "silent": 0}
        assert ready(server)[0] == 200
