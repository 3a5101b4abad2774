"""Slow and stuck connections beside good clients: these hardly notice, and those are cut at their time limit."""

import multiprocessing
import os
import resource
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live import Client, LiveServer

pytestmark = pytest.mark.alone

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
SLOW, SECONDS = (1000, 10) if EVIDENCE else (500, 5)
ROUNDS = 5 if EVIDENCE else 3
REQUESTS = 1000 if EVIDENCE else 300  # of the good clients, in a round
GOOD_CLIENTS = 2
TRIES = 3
STUCK = 10  # connections with megabytes of answers that nobody takes
FACTOR = 2.0
FLOOR = 0.005  # seconds; below it, twice as slow is noise
SLACK = 3.0  # seconds: deadlines are swept once a second
WRITE_SECONDS = 30  # the only limit that is no setting

PROGRAM = """
import sys
from functools import partial
from keystead.server import app
from keystead.server.network import connection as http
app.Limits = partial(http.Limits, write_seconds=float(sys.argv.pop(1)))
planted = sys.argv.pop(1)
if planted == "unlimited":
    http.HttpProtocol.check_deadline = lambda self, now: None
if planted == "scans":
    date = http.HttpServer.date
    http.HttpServer.date = lambda self: [sum(range(10_000)) for connection in self.open] and date(self)
from keystead.cli import main
sys.exit(main())
"""


class Target(NamedTuple):
    """What a slow client needs to know."""

    port: int
    ca_file: str
    request: bytes  # one that is well signed
    long_answers: list[bytes]


def hold(target: Target, counts: dict[str, int], parent: "Connection[object, object]") -> None:
    """In a process of its own: open connections of each kind, say so, and be slow on them until told to end."""
    raise_descriptor_limit()
    context = ssl.create_default_context(cafile=target.ca_file)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
    kept: list[socket.socket] = []
    trickling: list[tuple[ssl.SSLSocket, bytes]] = []

    def connect(receive: int = 0) -> ssl.SSLSocket:
        plain = socket.socket()
        if receive:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        plain.connect(("127.0.0.1", target.port))
        return context.wrap_socket(plain, server_hostname="localhost")

    for _ in range(counts["stuck"]):
        opened = connect(4096)
        opened.sendall(b"".join(target.long_answers))
        kept.append(opened)
    for _ in range(counts["handshakes"]):
        plain = socket.create_connection(("127.0.0.1", target.port))
        plain.send(b"\x16\x03\x01")
        kept.append(plain)
    kept += [connect() for _ in range(counts["idle"])]
    for number in range(counts["silent"]):
        opened = connect()
        opened.send(target.request if number == 0 else b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        kept.append(opened)  # never read
    for _ in range(counts["headers"]):
        opened = connect()
        opened.send(head + b"X-Slow: ")
        trickling.append((opened, b"a"))
    for _ in range(counts["bodies"]):
        opened = connect()
        opened.send(
            head + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"
        )
        trickling.append((opened, b"a"))
    for opened, _ in trickling:
        opened.setblocking(False)
    parent.send("open")
    while not parent.poll(1):
        for opened, piece in trickling:
            try:
                opened.send(piece)
            except OSError:
                pass  # cut by the server, which counts; it stays open on this side
    parent.close()


def raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))


@contextmanager
def slow_clients(target: Target, counts: dict[str, int]) -> Iterator[None]:
    """These connections are open."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(target, counts, theirs))
    process.start()
    try:
        assert ours.poll(60)
        assert ours.recv() == "open"
        yield
    finally:
        ours.send("end")
        process.join(20)
        process.kill()
        process.join()
        ours.close()
        theirs.close()


def p99(clients: list[Client], key_id: str) -> float:
    """Seconds, of so many requests by good clients at once."""
    times: list[float] = []

    def work(client: Client) -> None:
        # Its connection may have been idle for too long.
        client.close()
        client.ok("DescribeKey", KeyId=key_id)
        for _ in range(REQUESTS // len(clients)):
            begun = time.perf_counter()
            client.ok("Encrypt", KeyId=key_id, Plaintext="x")
            times.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == REQUESTS // len(clients) * len(clients)
    return statistics.quantiles(times, n=100)[98]


def descriptors(server: LiveServer) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.processes)


def shares(count: int) -> dict[str, int]:
    stuck = min(STUCK, count // 10)
    each = (count - stuck) // 5
    kinds = {"handshakes": each, "idle": each, "silent": each, "headers": each}
    return {"stuck": stuck, **kinds, "bodies": count - stuck - 4 * each}


class Result(NamedTuple):
    """Seconds of p99 without and with slow clients, and the descriptors before, with them and after their time limits."""

    quiet: float
    slow: float
    before: int
    during: int
    after: int
    handshakes: int

    @property
    def unharmed(self) -> bool:
        return self.slow < max(FACTOR * self.quiet, self.quiet + FLOOR)

    def check(self) -> None:
        assert self.unharmed, self
        assert self.after <= self.before + 2, self


def measure(directory: Path, count: int, seconds: int, planted: str = "") -> Result:
    """Run a server with these time limits among so many slow connections."""
    raise_descriptor_limit()
    program = directory / "program.py"
    program.write_text(PROGRAM)
    server = LiveServer(
        directory / "data", "--request-seconds", str(seconds), "--idle-seconds", str(seconds), "--stop-seconds", "1",
        "--front-confinement", "no",  # descriptors are counted from outside
        *(["--front-process", "no"] if planted else []),
        program=[sys.executable, str(program), str(WRITE_SECONDS if EVIDENCE else seconds), planted],
    )  # fmt: skip
    server.start()
    try:
        clients = [server.client() for _ in range(GOOD_CLIENTS)]
        key_id = clients[0].ok("CreateKey", Description="密" * 8192)["KeyMetadata"]["KeyId"]
        requests = [
            f"POST {clients[0].sign('DescribeKey', KeyId=key_id)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            for _ in range(301)
        ]
        found = server.description
        target = Target(int(found["url"].rpartition(":")[2]), found["ca_file"], requests[0], requests[1:])
        p99(clients, key_id)  # warm
        quiet = [p99(clients, key_id) for _ in range(ROUNDS)]
        before = descriptors(server)
        counts = shares(count)
        with slow_clients(target, counts):
            opened = time.monotonic()
            during = descriptors(server)
            slow = [p99(clients, key_id) for _ in range(ROUNDS)]
            # Good clients go on: they are not cut, however long the others take.
            limit = max(seconds, WRITE_SECONDS if EVIDENCE else 0) + SLACK
            while descriptors(server) > before + 2 and time.monotonic() < opened + limit:
                clients[0].ok("Encrypt", KeyId=key_id, Plaintext="x")
                clients[1].ok("Encrypt", KeyId=key_id, Plaintext="x")
                time.sleep(0.2)
            after = descriptors(server)
        quiet += [p99(clients, key_id) for _ in range(ROUNDS)]
        for client in clients:
            client.close()
    finally:
        server.stop()
    return Result(
        statistics.median(quiet), statistics.median(slow), before, during, after, counts["handshakes"]
    )


@pytest.mark.fuzz
def test_slow_clients_cost_the_good_ones_little_and_are_cut(tmp_path: Path) -> None:
    begun = time.monotonic()
    found = measure(tmp_path, SLOW, SECONDS)
    for attempt in range(TRIES - 1):
        if found.unharmed:
            break
        # Another program may have taken the processor just then; what the slow clients cost is there each time.
        (tmp_path / str(attempt)).mkdir()
        found = measure(tmp_path / str(attempt), SLOW, SECONDS)
    assert found.during >= found.before + SLOW
    found.check()
    if EVIDENCE:
        print(
            f"\nslow clients: {SLOW} connections, good p99 {found.quiet * 1000:.2f} ms without and "
            f"{found.slow * 1000:.2f} ms with them, descriptors {found.before}, {found.during}, {found.after}, "
            f"{time.monotonic() - begun:.0f} s"
        )


@pytest.mark.fuzz
def test_a_server_without_time_limits_is_found(tmp_path: Path) -> None:
    found = measure(tmp_path, 60, 1, "unlimited")
    with pytest.raises(AssertionError):
        found.check()
    assert found.after > found.before + 30


@pytest.mark.fuzz
def test_a_server_that_looks_at_all_connections_for_each_request_is_found(tmp_path: Path) -> None:
    # They must not be cut before all rounds are measured.
    found = measure(tmp_path, 60, 40 if EVIDENCE else 4, "scans")
    with pytest.raises(AssertionError):
        found.check()
    assert found.slow > found.quiet + FLOOR
