"""A listener: plain, with TLS and its renewal, and on a Unix socket."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.clock import FixedClock
from keystead.crypto.authority import Authority
from keystead.owners import name_of
from keystead.server.network import listener
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits, Reply
from keystead.server.network.listener import Pem
from tests.unit.server.network.test_connection import Counted

NOW = 1_767_323_045
REQUEST = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def certificate(authority: Authority) -> Pem:
    leaf = authority.issue(["localhost"], ["127.0.0.1"], NOW, 86400)
    return Pem(leaf.certificate_pem, leaf.key_pem)


def leaf(pem: Pem) -> bytes:
    """The first certificate of the chain, as DER."""
    end = b"-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert((pem.certificate.partition(end)[0] + end).decode())


def authority() -> Authority:
    return Authority.create(
        "test", dns=["localhost"], addresses=["127.0.0.1/32"], now=NOW, lifetime=10 * 86400
    )


class Watched(Counted):
    """Counts connections, and notes what a handler saw; nothing may be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[HttpRequest] = []

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        self.requests.append(request)
        reply(HttpResponse(status=200, content_type="text/plain", body=b"hello"))

    def refused(self, code: str) -> None:
        raise AssertionError(code)


def play(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """On the loop that servers run on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def edge(sockets: list[socket.socket], counted: Watched, channel: Channel = Channel.NETWORK) -> Endpoint:
    return Endpoint(
        counted.handle, sockets, limits=Limits(), clock=FixedClock(), connections=counted, channel=channel
    )


async def ask(port: int, context: ssl.SSLContext | None = None) -> tuple[bytes, bytes | None]:
    """The answer, and the certificate that was presented."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object")
    found = None if shown is None else shown.getpeercert(binary_form=True)
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    return answer, found


@pytest.mark.parametrize("secure", [False, True])
def test_it_answers_on_every_socket_until_it_is_stopped(secure: bool) -> None:
    async def scenario() -> None:
        counted = Watched()
        sockets = listener.listen("127.0.0.1", 0) + listener.listen("127.0.0.1", 0)
        ports = [one.getsockname()[1] for one in sockets]
        context = ssl._create_unverified_context() if secure else None
        one = edge(sockets, counted)
        await one.start(certificate(authority()) if secure else None)
        for port in ports:
            assert (await ask(port, context))[0].endswith(b"hello")
        assert {request.tls for request in counted.requests} == {"TLSv1.3" if secure else ""}
        assert one.problem == ""
        await one.stop(1)
        assert counted.open == 0
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await ask(port)

    play(scenario)


def test_a_new_certificate_is_presented_from_the_next_connection_on() -> None:
    async def scenario() -> None:
        sockets = listener.listen("127.0.0.1", 0)
        port = sockets[0].getsockname()[1]
        one, issuer = edge(sockets, Watched()), authority()
        pems = [certificate(issuer), certificate(issuer)]
        context = ssl._create_unverified_context()
        await one.start(pems[0])
        for pem in pems:
            one.present(pem)
            assert (await ask(port, context))[1] == leaf(pem)
        await one.stop(0)

    play(scenario)


def test_a_unix_socket_is_served_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        counted = Watched()
        control = socket.socket(socket.AF_UNIX)
        control.bind(str(tmp_path / "control"))
        one = edge([control], counted, Channel.CONTROL)
        await one.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control")
        writer.write(REQUEST)
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        assert counted.requests[0].channel is Channel.CONTROL
        user = os.getuid()
        assert (counted.requests[0].source, counted.requests[0].user) == (f"unix:{user}", name_of(user))
        assert counted.requests[0].awaited is not None
        assert not counted.requests[0].awaited()
        await one.stop(0)

    play(scenario)


def test_a_stop_without_patience_ends_connections_at_once() -> None:
    async def scenario() -> None:
        sockets = listener.listen("127.0.0.1", 0)
        port = sockets[0].getsockname()[1]
        one = edge(sockets, Watched())
        await one.start()
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await one.stop(0)
        assert loop.time() - begun < 0.1
        assert await reader.read() == b""

    play(scenario)
