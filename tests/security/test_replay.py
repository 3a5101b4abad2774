"""A request is accepted once: later, at once, after a restart, with the clock set back."""

import os
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from keystead.store import nonce_tables
from tests.harness import OnDisk
from tests.live import LiveServer, live

NONCES = 1_000_000 if os.environ.get("TEST_EVIDENCE") else 200_000
MEMORY = 16 * 1024 * 1024  # bytes

CLOCK = """
import os, sys, time
from keystead import clock
offset = float(os.environ["OFFSET"])
clock.SystemClock.now = lambda self: time.time() + offset
from keystead.cli import main
sys.exit(main())
"""


def test_a_captured_request_is_refused_later_and_after_a_restart(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        client = server.client()
        target = client.sign("CreateKey")
        assert client.send(target)[0] == 200
        status, members = client.send(target)
        assert (status, members["Code"]) == (400, "SignatureNonceUsed")
        server.kill()
        server.start()
        client = server.client()
        assert client.send(target)[1]["Code"] == "SignatureNonceUsed"
        assert client.ok("ListKeys")["TotalCount"] == 1


def test_of_32_copies_at_once_exactly_one_is_accepted(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        clients = [server.client() for _ in range(32)]
        target = clients[0].sign("CreateKey")
        for client in clients:
            client._connection.connect()
        codes: list[str] = []
        barrier = threading.Barrier(32)

        def send(client: object) -> None:
            barrier.wait()
            codes.append(client.send(target)[1].get("Code", ""))  # type: ignore[attr-defined]

        threads = [threading.Thread(target=send, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == ["", *["SignatureNonceUsed"] * 31]


def test_a_clock_set_back_revives_nothing(tmp_path: Path) -> None:
    program = tmp_path / "clock.py"
    program.write_text(CLOCK)
    # Plain HTTP on loopback, since the certificates of other hours are not valid now.
    server = LiveServer(
        tmp_path / "data", "--http", program=[sys.executable, str(program)], env={"OFFSET": "0"}
    )
    server.start()
    target = server.client().sign("CreateKey")
    assert server.client().send(target)[0] == 200
    server.stop()
    # Half an hour later its nonce is forgotten, and it is stale.
    server.env = {"OFFSET": "1800"}
    server.start()
    assert server.client().send(target)[1]["Code"] == "InvalidTimeStamp.Expired"
    server.stop()
    server.env = {"OFFSET": "0"}
    server.start()
    assert server.client().send(target)[1]["Code"] in ("InvalidTimeStamp.Expired", "SignatureNonceUsed")
    time.sleep(1.1)  # requests of the forgotten second itself are refused, whatever their nonce
    assert server.client().ok("ListKeys")["TotalCount"] == 1
    server.stop()


def memory_of(folder: Path, nonces: int, seconds: int) -> int:
    """The most memory that so many nonces took, of so many seconds, in bytes; all of them are known afterwards."""
    store = OnDisk(folder).store
    rows = [(1_767_323_045 + number % seconds, number.to_bytes(16, "big")) for number in range(1000)]
    tracemalloc.start()
    try:
        for first in range(0, nonces, len(rows)):
            store.begin()
            store.nonces.add(
                [(second, (int.from_bytes(one, "big") + first).to_bytes(16, "big")) for second, one in rows]
            )
            store.commit()
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    store.begin()
    assert all(store.nonces.seen(*row) for row in rows)
    assert not store.nonces.seen(rows[0][0], b"\xff" * 16)
    store.rollback()
    store.close()
    return taken


@pytest.mark.crash
@pytest.mark.parametrize("seconds", [1, 900])
def test_nonces_are_all_known_and_take_little_memory(seconds: int, tmp_path: Path) -> None:
    assert memory_of(tmp_path / "data", NONCES, seconds) < MEMORY


def test_nonces_that_are_all_kept_in_memory_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonce_tables, "KNOWN_NONCES", 10**9)
    assert memory_of(tmp_path / "data", 200_000, 900) > MEMORY
