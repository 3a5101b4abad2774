"""Whose a connection is."""

import os
import socket
from pathlib import Path

import pytest

from keystead.proxy import peer


class Transport:
    """What `owner` needs of one: the addresses of an accepted connection."""

    def __init__(self, accepted: socket.socket) -> None:
        self._known = {"sockname": accepted.getsockname(), "peername": accepted.getpeername()}

    def get_extra_info(self, name: str) -> object:
        return self._known.get(name)


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_of_this_user(listener: socket.socket, family: socket.AddressFamily) -> None:
    with listener, socket.socket(family) as client:
        host = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"  # as Java connects
        client.connect((host, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            assert peer.owner(Transport(accepted)) == os.geteuid()


def test_a_connection_that_its_owner_has_closed_is_nobodys(listener: socket.socket) -> None:
    with listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            client.close()
            assert peer.owner(Transport(accepted)) is None


def test_where_the_system_does_not_tell(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peer, "_TABLES", (tmp_path / "nowhere",))
    with listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            assert peer.owner(Transport(accepted)) is None
            client.close()


def test_a_transport_without_addresses() -> None:
    class Closed:
        def get_extra_info(self, name: str) -> None:
            return None

    assert peer.owner(Closed()) is None
