"""Who sends more than the server takes waits: memory stays bounded, whichever process is slow."""

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import Client, LiveServer

pytestmark = pytest.mark.fuzz

CONNECTIONS = 24
BODY = b"Plaintext=" + b"a" * 1_000_000
PIPELINED = 16
MIB = 1024 * 1024
# What a connection may have sent that is not handed on: half a request, and a piece that was read already.
ROOM = 64 * MIB + CONNECTIONS * 3 * MIB // 2

PLANTED = """
import sys

if "keystead.server.network.front_process" in sys.orig_argv:
    from keystead.server.network.link import Link
    Link.pause_writing = lambda self: None
"""


def resident(pid: int) -> int:
    """Bytes of memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such process")


class Flood:
    """Connections that send long requests as quickly as they are taken, and read the answers.

    Only the server can find out that nobody signed them: they are handed on whole.
    """

    def __init__(self, server: LiveServer) -> None:
        port = int(server.description["url"].rpartition(":")[2])
        head = (
            f"POST {server.client().sign('Encrypt', KeyId='x')} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        self._whole = (head.encode() + BODY) * PIPELINED
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self.sent = [0] * CONNECTIONS
        self.answered = [0] * CONNECTIONS
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        number = {one: place for place, one in enumerate(self._sockets)}
        for one in self._sockets:
            one.setblocking(False)
        whole = self._whole
        while not self._ended.is_set():
            sending = [one for one in self._sockets if self.sent[number[one]] < len(whole)]
            readable, writable, _ = select.select(self._sockets, sending, [], 0.05)
            for one in writable:
                place = number[one]
                self.sent[place] += one.send(whole[self.sent[place] : self.sent[place] + MIB])
            for one in readable:
                self.answered[number[one]] += one.recv(MIB).count(b"HTTP/1.1 ")

    @property
    def total(self) -> int:
        return sum(self.sent)

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for one in self._sockets:
            one.close()


def steady(flood: Flood) -> None:
    """Until nothing more is taken."""
    deadline = time.monotonic() + 60
    before, since = -1, time.monotonic()
    while time.monotonic() < since + 2:
        assert time.monotonic() < deadline
        if flood.total != before:
            before, since = flood.total, time.monotonic()
        time.sleep(0.02)


@contextmanager
def served(tmp_path: Path, planted: str = "") -> Iterator[LiveServer]:
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(planted)
    path = os.pathsep.join([str(folder), *(one for one in sys.path if one)])
    server = LiveServer(tmp_path / "data", "--http", "--front-process", "yes", env={"PYTHONPATH": path})
    server.start()
    try:
        yield server
    finally:
        server.stop()


def growth_while_the_server_takes_nothing(server: LiveServer) -> tuple[int, int]:
    """Bytes by which the front process grows, and bytes that it took from the clients meanwhile."""
    main, front = server.processes
    before = resident(front)
    with Flood(server) as flood:
        os.kill(main, signal.SIGSTOP)
        try:
            steady(flood)
            grown, taken = resident(front) - before, flood.total
        finally:
            os.kill(main, signal.SIGCONT)
        deadline = time.monotonic() + 120
        while flood.answered != [PIPELINED] * CONNECTIONS:
            assert time.monotonic() < deadline, flood.answered
            time.sleep(0.05)
    assert server.processes == [main, front]
    return grown, taken


def test_while_the_server_takes_nothing_nothing_is_taken_from_the_clients(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        grown, taken = growth_while_the_server_takes_nothing(server)
        print(f"taken {taken / MIB:.0f} MiB, grown {grown / MIB:.0f} MiB")
        assert taken < CONNECTIONS * PIPELINED * len(BODY) / 2
        assert grown < ROOM
        assert server.client().ok("ListKeys")["TotalCount"] == 0


def test_a_front_process_that_takes_all_the_same_is_found(tmp_path: Path) -> None:
    with served(tmp_path, PLANTED) as server:
        grown, _ = growth_while_the_server_takes_nothing(server)
        assert grown > ROOM


def test_a_flood_of_long_requests_leaves_memory_as_it_was_and_others_are_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        processes = server.processes
        client: Client = server.client()
        client.ok("ListKeys")
        before = [resident(pid) for pid in processes]
        most = list(before)
        for _ in range(2):
            with Flood(server) as flood:
                while flood.answered != [PIPELINED] * CONNECTIONS:
                    client.ok("ListKeys")
                    most = [max(pair) for pair in zip(most, map(resident, processes), strict=True)]
        grown = [(after - first) // MIB for after, first in zip(most, before, strict=True)]
        print(f"{2 * CONNECTIONS * PIPELINED * len(BODY) // MIB} MiB sent, grown by {grown} MiB")
        assert all(amount * MIB < ROOM for amount in grown)
        assert server.processes == processes
