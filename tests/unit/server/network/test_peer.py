import os
import socket
import struct
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from keystead.owners import name_of
from keystead.server.network import peer


class Told:
    """A socket for which the system answers this."""

    def __init__(self, answer: bytes | OSError) -> None:
        self.answer = answer

    def getsockopt(self, level: int, option: int, length: int) -> bytes:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer[:length]


class Known:
    """A transport of which this is known."""

    def __init__(self, connection: Any, peername: Any, tls: Any = None) -> None:
        self._known = {"socket": connection, "peername": peername, "ssl_object": tls}

    def get_extra_info(self, name: str) -> Any:
        return self._known[name]


def test_an_address_is_where_a_network_connection_comes_from() -> None:
    assert peer.of(Known(None, ("192.0.2.1", 4711))) == ("192.0.2.1", "", "")
    assert peer.of(Known(None, ("2001:db8::1", 4711, 0, 0))) == ("2001:db8::1", "", "")
    # A policy's network would not have an address with a zone, and a deny of it would not be met.
    assert peer.of(Known(None, ("fe80::1%eth0", 4711, 0, 2))).source == "fe80::1"


def test_the_version_of_tls_is_known() -> None:
    for version, told in (("TLSv1.3", "TLSv1.3"), (None, "")):
        found = peer.of(Known(None, ("192.0.2.1", 4711), SimpleNamespace(version=lambda: version)))  # noqa: B023
        assert found.tls == told


def test_the_system_says_who_opened_a_unix_socket() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer.of(Known(ours, ours.getpeername())) == (
            f"unix:{os.getuid()}",
            name_of(os.getuid()),
            "",
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_at_the_other_end_is_that_user() -> None:
    name = f"\0keystead-test-{os.getpid()}"  # of no file, so no mode stands in the way
    script = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "with socket.socket(socket.AF_UNIX) as s: s.connect('\\0' + sys.argv[1]); s.recv(1)\n"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        listener.settimeout(60)
        environment = {one: value for one, value in os.environ.items() if not one.startswith("COVERAGE_")}
        child = subprocess.Popen([sys.executable, "-c", script, name[1:]], cwd="/", env=environment)
        connection, peername = listener.accept()
        with connection:
            assert peer.of(Known(connection, peername)) == ("unix:65534", name_of(65534), "")
        assert child.wait(60) == 0


def test_what_linux_and_macos_tell_is_understood() -> None:
    linux = struct.pack("iII", 77, 4_294_967_294, 5)
    assert peer.user_id(Told(linux), "linux") == 4_294_967_294
    macos = struct.pack("IIhxx16I", 0, 501, 1, *range(16))
    assert peer.user_id(Told(macos), "darwin") == 501


@pytest.mark.parametrize(
    ("answer", "platform"),
    [
        (struct.pack("iII", 77, 1000, 5), "sunos5"),
        (OSError(), "linux"),
        (b"short", "linux"),
        (OSError(), "darwin"),
        (struct.pack("IIhxx16I", 1, 501, 1, *range(16)), "darwin"),  # of a version that is not known
    ],
)
def test_where_nobody_says_it_is_not_known(answer: bytes | OSError, platform: str) -> None:
    assert peer.user_id(Told(answer), platform) is None


def test_a_unix_socket_of_nobody_knows_whom_is_a_unix_socket() -> None:
    assert peer.of(Known(Told(OSError()), "")) == ("unix", "", "")


class Transport:
    """One end of a connection, as a transport tells of it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def is_closing(self) -> bool:
        return self.connection.fileno() < 0

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.connection


def test_who_closed_the_other_end_of_a_unix_socket_waits_no_longer() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        one = Transport(ours)
        assert peer.waits(one)
        theirs.sendall(b"request")
        assert peer.waits(one)
        if sys.platform == "linux":
            theirs.shutdown(socket.SHUT_WR)  # it sends no more, and takes the answer
            assert peer.waits(one)
        theirs.close()
        assert not peer.waits(one)
        assert ours.recv(100) == b"request"  # nothing was read
        ours.close()
        assert not peer.waits(one)
