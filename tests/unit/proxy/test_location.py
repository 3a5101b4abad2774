"""The location service: what is asked decides who answers."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from keystead.clock import SystemClock
from keystead.crypto.authority import Authority
from keystead.entropy import SystemEntropy
from keystead.proxy.server import ProxyServer
from keystead.proxy.tunnel import Tunnel
from keystead.proxy.upstream import Upstream
from tests.unit.proxy.test_server import ask, echo, play, refused_for_want_of_a_token

KMS_ENDPOINT = b"/?Action=DescribeEndpoints&ServiceCode=kms"
ECS_ENDPOINT = b"/?Action=DescribeEndpoints&ServiceCode=ecs"
LOCATION = "location-readonly.aliyuncs.com"


async def in_tls(proxy: ProxyServer, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"CONNECT %b:443 HTTP/1.1\r\n\r\n" % LOCATION.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    context = ssl.create_default_context(cadata=proxy.certificate_pem.decode())
    await writer.start_tls(context, server_hostname=LOCATION)
    writer.write(request)
    found = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return found


def located(
    request: bytes, *, through: Callable[[ProxyServer, int, bytes], Awaitable[bytes]] | None
) -> tuple[bytes, list[bytes]]:
    """The answer to a request, and what the earlier proxy was asked for. The server echoes; the earlier proxy refuses."""
    outward: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outward.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        earlier = await asyncio.start_server(refuse, "127.0.0.1", 0)
        ports = [one.sockets[0].getsockname()[1] for one in (server, earlier)]
        tunnel = Tunnel(dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), f"http://127.0.0.1:{ports[1]}"))
        proxy = ProxyServer(
            Upstream(url=f"http://127.0.0.1:{ports[0]}"), tunnel, SystemClock(), SystemEntropy()
        )
        await proxy.start()
        try:
            port = int(proxy.url.rpartition(":")[2])
            if through is None:
                return await ask(port, request)
            return await through(proxy, port, request)
        finally:
            await proxy.stop()
            server.close()
            earlier.close()

    return asyncio.run(main()), outward


@pytest.mark.parametrize("plain", [True, False])
def test_the_endpoints_of_what_is_answered_here_are_the_servers_to_tell(plain: bool) -> None:
    where = b"http://" + LOCATION.encode() if plain else b""
    request = b"GET %b%b HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n" % (where, KMS_ENDPOINT)
    answer, outward = located(request, through=None if plain else in_tls)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % KMS_ENDPOINT)
    assert outward == []


def test_a_form_is_read_to_know_what_is_asked() -> None:
    body = ECS_ENDPOINT[2:]
    head = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
    answer, outward = located(head % len(body) + body, through=in_tls)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert outward[0].startswith(b"CONNECT location-readonly.aliyuncs.com:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("plain", [True, False])
def test_other_questions_go_where_the_client_wanted(plain: bool) -> None:
    where = b"http://" + LOCATION.encode() if plain else b""
    request = b"GET %b%b HTTP/1.1\r\nHost: h\r\n\r\n" % (where, ECS_ENDPOINT)
    answer, outward = located(request, through=None if plain else in_tls)
    if plain:
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert outward[0].startswith(b"GET http://location-readonly.aliyuncs.com/?Action=DescribeEndpoints&")
    else:
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert outward[0].startswith(b"CONNECT location-readonly.aliyuncs.com:443 HTTP/1.1\r\n")


def test_the_vendor_must_prove_who_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    vendor = Authority.create(
        "vendor", dns=["aliyuncs.com"], addresses=[], now=SystemClock().now(), lifetime=3600
    )
    leaf = vendor.issue([LOCATION], [], SystemClock().now(), 3600)
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate_pem + leaf.key_pem)
    (tmp_path / "roots.pem").write_bytes(vendor.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    request = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % ECS_ENDPOINT

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await writer.start_tls(context)
            await echo(reader, writer)
        except (ssl.SSLError, ConnectionError):
            writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        tunnel = Tunnel({"HTTPS_PROXY": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
        proxy = ProxyServer(Upstream(url="http://127.0.0.1:1"), tunnel, SystemClock(), SystemEntropy())
        await proxy.start()
        try:
            return await in_tls(proxy, int(proxy.url.rpartition(":")[2]), request)
        finally:
            await proxy.stop()
            server.close()

    assert asyncio.run(main()).startswith(b"HTTP/1.1 502 ")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    assert asyncio.run(main()).endswith(
        b"\r\n\r\nGET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % ECS_ENDPOINT
    )


def test_other_questions_of_whoever_has_a_wrong_token_go_nowhere() -> None:
    wrong = b"Proxy-Authorization: Basic x\r\n"
    request = b"GET http://%b%b HTTP/1.1\r\nHost: h\r\n%b\r\n"
    host = LOCATION.encode()
    answer, outward = located(request % (host, ECS_ENDPOINT, wrong), through=None)
    assert refused_for_want_of_a_token(answer)
    assert outward == []
    answer, _ = located(request % (host, KMS_ENDPOINT, wrong), through=None)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Proxy-Authorization" not in answer


def test_a_question_for_a_server_that_is_gone_is_answered() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        answer = await in_tls(proxy, port, b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % KMS_ENDPOINT)
        assert answer.startswith(b"HTTP/1.1 503 ")

    play(scenario)
