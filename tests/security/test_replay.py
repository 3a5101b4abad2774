"""A request is accepted once: later, at once, after a restart, with the clock set back."""

import sys
import threading
import time
from pathlib import Path

from tests.live import LiveServer, live

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
