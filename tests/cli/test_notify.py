"""What a service manager is told by a real server, when, and that nobody but the server can tell it."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, LiveServer, keystead

# A server whose commits hang or fail as long as there is such a file.
PROGRAM = """
import pathlib, sys, time
from keystead import cli
from keystead.store.ports import StoreFailure
from keystead.store.sqlite import SqliteStore

FOLDER = pathlib.Path(sys.argv.pop(1))
commit = SqliteStore.commit

def planted(self):
    while (FOLDER / "hang").exists():
        time.sleep(0.01)
    if (FOLDER / "fail").exists():
        raise StoreFailure("the disk is full")
    commit(self)

SqliteStore.commit = planted
sys.exit(cli.main())
"""
WATCHDOG = 1.0


class Manager:
    """A service manager's socket, and what came to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0.01)
        self.told: list[str] = []

    def listen(self, seconds: float) -> list[str]:
        """What is told in so many seconds."""
        found: list[str] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found += self._next()
        return found

    def until(self, wanted: str) -> list[str]:
        """What is told up to a message that begins with these words."""
        found: list[str] = []
        deadline = time.monotonic() + 30
        while not any(one.startswith(wanted) for one in found):
            assert time.monotonic() < deadline, (wanted, found)
            found += self._next()
        return found

    def until_silent(self, seconds: float) -> None:
        """Until nothing but a status has been told for so long."""
        deadline = time.monotonic() + 30
        while "WATCHDOG=1" in self.listen(seconds):
            assert time.monotonic() < deadline, "it goes on"

    def _next(self) -> list[str]:
        try:
            return [self.socket.recv(4096).decode()]
        except TimeoutError:
            return []


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


@pytest.fixture(params=["yes", "no"], ids=["front process", "one process"])
def server(request: pytest.FixtureRequest, tmp_path: Path, manager: Manager) -> Iterator[LiveServer]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    server = LiveServer(
        tmp_path / "data",
        "--front-process",
        request.param,
        program=[sys.executable, str(program), str(tmp_path)],
        env={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))},
    )
    server.start(wait=False)
    yield server
    for name in ("hang", "fail"):
        (tmp_path / name).unlink(missing_ok=True)
    assert server.process is not None
    server.process.send_signal(signal.SIGCONT)
    server.stop()


def test_it_is_ready_when_it_answers(server: LiveServer, manager: Manager) -> None:
    assert manager.until("READY=1") == ["READY=1"]
    # Both listeners are there the moment that it says so.
    client = server.client()
    client.ok("CreateKey")
    client.close()
    ops = server.description["ops_url"].removeprefix("http://").rpartition(":")
    with socket.create_connection((ops[0], int(ops[2])), 10) as connection:
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert f"STATUS=serves {server.description['url']}" in manager.until("STATUS=")
    # No process but the server's own knows the way to the manager.
    for pid in server.processes[1:]:
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"WATCHDOG" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert server.stop() == 0
    assert manager.until("STOPPING=1")[-1].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\nSTATUS=")
    assert manager.listen(0.1) == []


def test_it_is_alive_as_long_as_it_works(server: LiveServer, manager: Manager, tmp_path: Path) -> None:
    manager.until("READY=1")
    for _ in range(4):
        manager.until("WATCHDOG=1")

    # A commit that hangs: nobody is answered, and the manager may kill it.
    (tmp_path / "hang").touch()
    manager.until_silent(3 * WATCHDOG)
    (tmp_path / "hang").unlink()
    manager.until("WATCHDOG=1")

    # A loop that does not turn.
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    manager.until_silent(3 * WATCHDOG)
    server.process.send_signal(signal.SIGCONT)
    manager.until("WATCHDOG=1")

    # A commit that fails is refused with its reason, which a restart would not mend: it is told, and no reason to kill.
    (tmp_path / "fail").touch()
    assert "the disk is full" in manager.until("STATUS=the disk")[-1]
    for _ in range(4):
        manager.until("WATCHDOG=1")
    (tmp_path / "fail").unlink()
    manager.until("STATUS=serves")


def test_a_server_that_cannot_start_is_not_ready(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no directory")
    told = keystead("serve", "--data", str(tmp_path / "data"), env={"NOTIFY_SOCKET": str(manager.path)})
    assert told.returncode == 1
    assert manager.listen(0.1) == []


@pytest.mark.parametrize("words", [["run", "--"], ["run", "--", *KEYSTEAD, "run", "--"]])
def test_the_command_of_run_cannot_tell_it(words: list[str], manager: Manager) -> None:
    env = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    told = keystead(*words, "env", env=env)
    assert told.returncode == 0, told.stderr
    assert "NOTIFY_SOCKET" not in told.stdout
    assert "WATCHDOG" not in told.stdout
    assert manager.listen(0.1) == []
