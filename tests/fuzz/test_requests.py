"""Odd requests through the socket of a live server: each is answered or closed in time, never by a fault of the server's.

The requests depend on the seed and the worker alone; time, nonces and the ids of the world's keys are all that changes
between runs.
"""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
import uvloop

from keystead.errors import CODES
from tests.fuzz.mutations import World, changed_bytes, odd_parameters, signed_request
from tests.live import KEYSTEAD, LiveServer

pytestmark = pytest.mark.alone

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
REQUESTS = 1_000_000 if EVIDENCE else 20_000
WORKERS = 16
PATIENT = 64  # connections that wait for the server's own time limit
ANSWERED_WITHIN = 5.0  # seconds
LIMITS = ["--http", "--request-seconds", "2", "--idle-seconds", "2", "--stop-seconds", "1"]
PAGE_CACHE = 64 * 2**20  # bytes; SQLite's is filled as the database grows, and then no more
GROWTH = 1.05
# The heap of a server that has seen few requests still grows to what the odd ones among them need; later it does not.
MARK, SETTLING = (5, 0) if EVIDENCE else (2, 16 * 2**20)
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.I)
# What one sender of HTTP/2.0 is told; every other 5xx is a fault.
VERSION_NOT_SUPPORTED = 505


class Found(AssertionError):
    """Something that no request may bring about."""


class Run:
    """Fuzzes one server from one seed."""

    def __init__(self, server: LiveServer, seed: int) -> None:
        self.server = server
        self.seed = seed
        self.port = int(server.description["url"].rpartition(":")[2])
        self.world = make_world(server)
        self.sent = 0
        self.codes: Counter[str] = Counter()
        self.waiting: set[asyncio.Task[None]] = set()
        self.open: set[asyncio.StreamWriter] = set()
        self.early: tuple[int, int] = (0, 0)
        self.late: tuple[int, int] = (0, 0)

    async def all(self, requests: int) -> None:
        """Send so many; Found at the first that is answered as none may be."""
        mark = requests // MARK
        try:
            async with asyncio.TaskGroup() as group:
                for worker in range(WORKERS):
                    group.create_task(self.work(worker, requests // WORKERS))
                while self.sent < mark:
                    await asyncio.sleep(0.01)
                self.early = self.memory()
        except* Found as found:
            raise found.exceptions[0] from None
        finally:
            results = await asyncio.gather(*self.waiting, return_exceptions=True)
            for writer in list(self.open):
                self.close(writer)
            await asyncio.sleep(0.1)  # the loop needs a turn to let the sockets go
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def memory(self) -> tuple[int, int]:
        """Bytes of memory in use, and how many of them may be SQLite's page cache."""
        resident = 0
        for pid in self.server.processes:
            status = Path(f"/proc/{pid}/status").read_text()
            resident += int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024
        stored = sum(path.stat().st_size for path in self.server.data.glob("keystead.db*"))
        return resident, min(stored, PAGE_CACHE)

    async def work(self, worker: int, requests: int) -> None:
        source = random.Random(f"{self.seed} {worker}")
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        sent = 0
        while sent < requests:
            if source.random() < 0.25:
                good = [self.signed(source) for _ in range(source.choice([0, 0, 0, 2]))]
                odd = changed_bytes(source, self.signed(source))
                patient = source.random() < 0.01
                split = source.random() < 0.05
                task = self.alone(b"".join(good) + odd, patient, split)
                if patient and len(self.waiting) < PATIENT:
                    waiter = asyncio.create_task(task)
                    self.waiting.add(waiter)
                    waiter.add_done_callback(self.over)
                else:
                    await task
                sent += len(good) + 1
                self.sent += len(good) + 1
                continue
            burst = [self.signed(source) for _ in range(source.randint(1, 12))]
            if connection is not None and connection[1].is_closing():
                self.close(connection[1])
                connection = None
            if connection is None:
                connection = await self.connect()
            if not await self.burst(connection, burst, source.random() < 0.05):
                self.close(connection[1])
                connection = None
            sent += len(burst)
            self.sent += len(burst)
        if connection is not None:
            self.close(connection[1])

    def over(self, task: "asyncio.Task[None]") -> None:
        # One that failed stays, for the gathering at the end.
        if not task.cancelled() and task.exception() is None:
            self.waiting.discard(task)

    def signed(self, source: random.Random) -> bytes:
        return signed_request(source, self.world, odd_parameters(source, self.world))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            connection = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        except OSError as error:
            raise Found(f"the server is gone after {self.sent} requests: {error}") from None
        self.open.add(connection[1])
        return connection

    def close(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self.open.discard(writer)

    async def burst(
        self,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        requests: list[bytes],
        split: bool,
    ) -> bool:
        """Well-formed requests, pipelined; whether the connection may be used again."""
        reader, writer = connection
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await write(writer, b"".join(requests), split)
                for request in requests:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = LENGTH.search(head)
                    if length is None:
                        raise self.found("an answer without a length", request, head)
                    body = await reader.readexactly(int(length[1]))
                    self.check(request, head, body)
                    if b"\r\nConnection: close\r\n" in head:
                        return False
                return True
        except TimeoutError:
            raise self.found("no answer in time", b"".join(requests), b"") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            return False

    async def alone(self, raw: bytes, patient: bool, split: bool) -> None:
        """Anything, on a connection of its own; the server closes it, by itself if the client does not say that it ended."""
        reader, writer = await self.connect()
        found = b""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await write(writer, raw, split)
                if not patient:
                    writer.write_eof()
                while piece := await reader.read(2**16):
                    found += piece
        except TimeoutError:
            raise self.found("neither answered in full nor closed in time", raw, found) from None
        except OSError:
            pass  # closed while we were still sending
        finally:
            self.close(writer)
        for status in STATUS.findall(found):
            if status >= b"500" and int(status) != VERSION_NOT_SUPPORTED:
                raise self.found("a fault", raw, found)
            self.codes[f"alone {status.decode()}"] += 1

    def check(self, request: bytes, head: bytes, body: bytes) -> None:
        match = STATUS.match(head)
        if match is None or match[1] >= b"500":
            raise self.found("a fault", request, head + body)
        if b"\r\nContent-Type: application/json" not in head:
            code = re.findall(rb"<Code>(.*?)</Code>", body)
            self.codes[code[0].decode() if match[1] != b"200" else "200"] += 1
            return
        members = json.loads(body)
        code = members.get("Code", "200")
        if code != "200" and code not in CODES and code != "InvalidRequest":
            raise self.found("a code of no catalogue", request, head + body)
        self.codes[code] += 1

    def found(self, what: str, request: bytes, answer: bytes) -> Found:
        return Found(f"{what}, seed {self.seed}: {request[:3000]!r} was answered {answer[:1000]!r}")


async def write(writer: asyncio.StreamWriter, raw: bytes, split: bool) -> None:
    if not split:
        writer.write(raw)
        return
    step = max(1, len(raw) // 10)
    for at in range(0, len(raw), step):
        writer.write(raw[at : at + step])
        await asyncio.sleep(0.001)
        if writer.is_closing():  # uvloop raises RuntimeError then
            raise ConnectionResetError


def make_world(server: LiveServer) -> World:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    disabled = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok("DisableKey", KeyId=disabled)
    client.ok("CreateAlias", KeyId=key_id, AliasName="alias/mine")
    blob = client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    client.close()
    return World(client.access_key, key_id, disabled, "alias/mine", blob)


def fuzz(server: LiveServer, requests: int, seed: int) -> Run:
    """Fuzz a started server and stop it; AssertionError for whatever is wrong then."""
    try:
        run = Run(server, seed)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.all(requests))
        late = run.late = run.memory()
        with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
    finally:
        server.stop()
    assert run.early[0]
    allowed = run.early[0] * GROWTH + late[1] - run.early[1] + SETTLING
    assert late[0] <= allowed, f"memory grew from {run.early} to {late}"
    assert "\nkeystead_faults_total 0.0\n" in metrics
    assert "\nkeystead_store_failures_total 0.0\n" in metrics
    log = server.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    assert '"level": "error"' not in log, log[-3000:]
    verify = [*KEYSTEAD, "audit", "verify", "--data", str(server.data)]
    verified = subprocess.run(verify, capture_output=True, text=True, timeout=1800, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    return run


@pytest.mark.fuzz
def test_no_request_is_a_fault_or_hangs(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", *LIMITS)
    server.start()
    begun = time.monotonic()
    run = fuzz(server, REQUESTS, 1)
    seconds = time.monotonic() - begun
    assert run.sent >= REQUESTS - WORKERS
    # The run reaches what lies behind the signature, and succeeds often enough to reach all of it.
    assert run.codes["200"] > REQUESTS // 30, run.codes
    assert run.codes["InvalidParameter"] > REQUESTS // 20, run.codes
    assert len(run.codes) > 20, run.codes
    if EVIDENCE:
        print(
            f"\nfuzzed requests: {run.sent} requests, {sum(run.codes.values())} answers of {len(run.codes)} kinds, "
            f"no fault, no hang, memory {run.early[0]} bytes early and {run.late[0]} at the end, {seconds:.0f} s"
        )


PLANTED = """
    import sys
    from keystead.api import bind as binding
    from keystead.server.service import sequencer

    kept = []
    parse = binding.bind

    def bind(operation, parameters):
        {bind}
        return parse(operation, parameters)

    binding.bind = bind
    submit = sequencer.Sequencer.submit

    def odd_submit(self, request, reply):
        {submit}
        submit(self, request, reply)

    sequencer.Sequencer.submit = odd_submit
    from keystead.cli import main
    sys.exit(main())
"""
RAISES = "if '\\x7f' in parameters.get('Description', ''): raise KeyError('x')"
LEAKS = "kept.append(bytearray(b'x' * 32768))"
HANGS = "if '=1e9' in request.target: return"
NEVER_CLOSES = "from keystead.server.network import connection; connection.HttpProtocol.check_deadline = lambda self, now: None"


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("bind", "submit", "message"),
    [
        (RAISES, "pass", "a fault"),
        (LEAKS, "pass", "memory grew"),
        ("pass", HANGS, "no answer in time"),
        ("pass", NEVER_CLOSES, "closed in time"),
    ],
    ids=["raises", "leaks", "hangs", "never-closes"],
)
def test_a_planted_fault_is_found(tmp_path: Path, bind: str, submit: str, message: str) -> None:
    program = tmp_path / "planted.py"
    program.write_text(textwrap.dedent(PLANTED).format(bind=bind, submit=submit))
    # In one process, where all that is planted takes effect.
    options = (*LIMITS, "--front-process", "no")
    server = LiveServer(tmp_path / "data", *options, program=[sys.executable, str(program)])
    server.start()
    # It ends with the first that is found; few clients say nothing and wait.
    with pytest.raises(AssertionError, match=message):
        fuzz(server, 5000 if bind == LEAKS else 40_000, 1)
