import socket
import ssl

import pytest

from keystead.errors import OperatorError
from keystead.server.network import listener


@pytest.mark.parametrize(
    ("text", "expected"),
    [("localhost:8443", ("localhost", 8443)), ("[::1]:0", ("::1", 0)), ("0.0.0.0:65535", ("0.0.0.0", 65535))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert listener.parse_address(text) == expected


@pytest.mark.parametrize("text", ["localhost", ":8443", "h:", "h:65536", "h:-1", "h:x", ""])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(OperatorError, match="is not an address"):
        listener.parse_address(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False), ("example.com", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert listener.is_loopback(host) is expected


def test_localhost_is_both_families_on_one_port_and_children_inherit_neither() -> None:
    sockets = listener.listen("localhost", 0)
    try:
        assert {one.family for one in sockets} >= {socket.AF_INET}
        assert len({one.getsockname()[1] for one in sockets}) == 1
        assert not any(one.get_inheritable() for one in sockets)
        with pytest.raises(OperatorError, match="cannot listen"):
            listener.listen("127.0.0.1", sockets[0].getsockname()[1])
    finally:
        for one in sockets:
            one.close()


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(OperatorError, match=r"cannot listen on 203\.0\.113\.9:1"):
        listener.listen("203.0.113.9", 1)


def test_the_context_is_modern() -> None:
    context = listener.server_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert all("ECDHE" in name or name.startswith("TLS_") for name in names)
    assert not any("CBC" in name or name.endswith("SHA") for name in names)
