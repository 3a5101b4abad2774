import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.clock import FixedClock
from keystead.server import logs
from keystead.server.systemd import ServiceManager

CLOCK = FixedClock(12.5)


@pytest.fixture(params=["/", "@"], ids=["path", "abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address of a socket, as in NOTIFY_SOCKET, and the socket."""
    address = str(tmp_path / "notify") if request.param == "/" else f"@keystead-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0"))
        receiver.setblocking(False)
        yield address, receiver


def told(receiver: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return found


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]


def test_what_it_is_told(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    one = ServiceManager.of({"NOTIFY_SOCKET": address}, CLOCK)
    one.starting(0)
    one.starting(20_000_000)
    one.ready()
    one.inform(0, "serves\nhttps://localhost:8443")
    one.inform(0, "serves\nhttps://localhost:8443")
    one.inform(1, "serves\nhttps://localhost:8443")
    one.inform(1, "the disk is full")
    one.reloading()
    one.ready()
    assert told(receiver) == [
        "EXTEND_TIMEOUT_USEC=100000000\nSTATUS=opens its database",
        "READY=1",
        "WATCHDOG=1",
        "STATUS=serves https://localhost:8443",
        "WATCHDOG=1",
        "STATUS=the disk is full",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "READY=1",
    ]
    one.stopping(40.5)
    one.inform(2, "another one")  # it lives on, whatever happens
    one.reloading()
    one.ready()
    stopping = "STOPPING=1\nEXTEND_TIMEOUT_USEC=40500000\nSTATUS=finishes what it accepted, and stops"
    assert told(receiver) == [stopping, "WATCHDOG=1"]


def test_its_names_are_taken_out_of_the_environment(manager: tuple[str, socket.socket]) -> None:
    address, _ = manager
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/h",
    }
    assert ServiceManager.of(environment, CLOCK).often == 1.5
    assert environment == {"HOME": "/h"}


@pytest.mark.parametrize(
    ("period", "process", "seconds"),
    [
        ("4000000", "", 2.0),
        ("9999999", "", 4.9999995),
        ("10000001", "", 5.0),
        ("200000", "", 0.1),
        ("199999", "", 0.1),
        ("1", "", 0.1),
        ("0", "", 5.0),
        ("", "", 5.0),
        ("-4000000", "", 5.0),
        ("4s", "", 5.0),
        ("9" * 19, "", 5.0),
        ("9" * 5000, "", 5.0),
        ("٣", "", 5.0),
        ("4000000", "1", 5.0),
        ("4000000", "me", 5.0),
    ],
)
def test_a_watchdog_that_is_meant_for_this_process(period: str, process: str, seconds: float) -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": period, "WATCHDOG_PID": process}
    assert ServiceManager.of(environment, CLOCK).often == seconds


def test_without_a_manager_nobody_is_told() -> None:
    one = ServiceManager.of({"WATCHDOG_USEC": "1000000"}, CLOCK)
    one.ready()
    one.inform(1, "serves")
    one.stopping(1)


@pytest.mark.parametrize("address", ["relative/path", "vsock:2:1234", " "])
def test_an_address_of_another_kind_is_said(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    one = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}, CLOCK)
    one.ready()
    assert one.often == 5.0
    assert logged(capsys) == ["service manager not told: its socket is of a kind that is not known"]


def test_a_manager_that_is_gone_is_said_once(
    manager: tuple[str, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "info")
    address, receiver = manager
    one = ServiceManager(address, CLOCK)
    receiver.close()
    one.inform(1, "")
    one.inform(2, "")
    assert logged(capsys) == ["service manager not told"]


def test_a_manager_that_reads_nothing_holds_nobody_up(
    manager: tuple[str, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "info")
    address, receiver = manager
    one = ServiceManager(address, CLOCK)
    for ended in range(100_000):
        one.inform(ended, "")
        if logged(capsys):
            break
    else:
        raise AssertionError("the socket took all")
    assert set(told(receiver)) == {"WATCHDOG=1"}
    one.inform(-1, "")
    assert told(receiver) == ["WATCHDOG=1"]
    assert logged(capsys) == []
