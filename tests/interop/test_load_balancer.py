"""The page's HAProxy before three servers over one database: calls go on, and none is lost, while they stop one after the
other."""

import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.live import Client, LiveServer, needs
from tests.several import Shared, servers

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "load-balancing.md").read_text(encoding="utf-8")
CALLERS = 4
DRAIN = ("--drain-seconds", "3")  # ten times what the balancer below needs to notice

pytestmark = pytest.mark.interop


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def port_of(server: LiveServer) -> str:
    return str(server.description["url"].rpartition(":")[2])


def written(folder: Path, listener: socket.socket, running: Sequence[Shared]) -> Path:
    """The page's file, with other ports and names, which checks more often."""
    (text,) = re.findall(r"^```haproxy\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    addresses = re.findall(r"^    server \w+ (\S+)$", text, re.MULTILINE)
    assert len(addresses) == len(running)
    for here, there in (
        ("bind :8443", f"bind fd@{listener.fileno()}"),
        ("inter 1s", "inter 100ms"),
        ("kms.example.org", "localhost"),
        ("/etc/keystead/ca.pem", str(running[0].data / "ca.pem")),
        *zip(addresses, (f"127.0.0.1:{port_of(one)}" for one in running), strict=True),
    ):
        assert here in text
        text = text.replace(here, there)
    conf = folder / "haproxy.cfg"
    conf.write_text(text)
    return conf


def balanced(server: LiveServer, listener: socket.socket) -> Client:
    """A client of the balancer."""
    found = server.description
    url = f"https://localhost:{listener.getsockname()[1]}"
    return Client(url, found["ca_file"], server.client().access_key)


class Caller:
    """Calls on and on, over kept connections, and notes what went wrong."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.answered = 0
        self.failed: list[object] = []

    def _work(self) -> None:
        while not self._ended.wait(0.01):
            try:
                status, members = self._client.call("ListKeys")
            except (OSError, HTTPException) as error:
                self.failed.append(error)
            else:
                self.answered += 1
                if status != 200:
                    self.failed.append(members)
        self._client.close()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(60)


@contextmanager
def haproxy(conf: Path, listener: socket.socket) -> Iterator[None]:
    command = ["haproxy", "-db", "-f", str(conf)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, pass_fds=[listener.fileno()])
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def restarted(server: LiveServer) -> None:
    """On the port that it had, which the balancer knows."""
    server.options = ("--listen", f"localhost:{port_of(server)}", *DRAIN)
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    server.start()


def test_no_call_is_lost_while_the_servers_stop_one_after_the_other(
    tmp_path: Path, database_url: str
) -> None:
    needs("haproxy")
    with servers(tmp_path, database_url, 3, *DRAIN) as running:
        one = running[0]
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, haproxy(written(tmp_path, listener, running), listener):

            def takes_calls() -> bool:
                try:
                    return balanced(one, listener).call("ListKeys")[0] == 200
                except (OSError, HTTPException):
                    return False

            until(takes_calls)
            callers = [Caller(balanced(one, listener)) for _ in range(CALLERS)]
            for caller in callers:
                caller.start()

            def is_called(server: LiveServer) -> bool:
                return takes_calls() and "keystead_requests_total" in metrics(server)

            def go_on() -> None:
                wanted = [caller.answered + 5 for caller in callers]
                until(
                    lambda: all(
                        caller.answered >= enough for caller, enough in zip(callers, wanted, strict=True)
                    )
                )

            try:
                go_on()
                for server in running:
                    restarted(server)
                    go_on()
                    # Before the next one stops: the balancer has found this one, and sends it calls.
                    until(partial(is_called, server))
                    assert all(each.process is not None and each.process.poll() is None for each in running)
            finally:
                for caller in callers:
                    caller.stop()
            assert [caller.failed for caller in callers] == [[]] * CALLERS


def metrics(server: LiveServer) -> str:
    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=30) as answer:
        return str(answer.read().decode())
