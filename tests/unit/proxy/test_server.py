"""The proxy itself: who may use it, and what it does with what is not ours."""

import asyncio
import base64
import json
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest

from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.proxy.server import ProxyServer
from keystead.proxy.tunnel import Tunnel
from keystead.proxy.upstream import Upstream
from tests.live import needs


def play(
    scenario: Callable[[ProxyServer, int], Awaitable[None]], environment: dict[str, str] | None = None
) -> None:
    async def main() -> None:
        proxy = ProxyServer(
            Upstream(url="http://127.0.0.1:1"), Tunnel(environment or {}), SystemClock(), SystemEntropy()
        )
        await proxy.start()
        try:
            await scenario(proxy, int(proxy.url.rpartition(":")[2]))
        finally:
            await proxy.stop()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds; TimeoutError if it does not come to that."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def credentials(proxy: ProxyServer) -> bytes:
    pair = proxy.url.partition("://")[2].partition("@")[0]
    return b"Proxy-Authorization: Basic " + base64.b64encode(pair.encode()) + b"\r\n"


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    found = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return found


OUTWARD = (
    b"CONNECT example.com:443",
    b"CONNECT oss-cn-hangzhou.aliyuncs.com:443",
    b"GET http://example.com/",
    b"GET kms.cn-hangzhou.aliyuncs.com",
)


def refused_for_want_of_a_token(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 407 ") and b'Proxy-Authenticate: Basic realm="keystead"' in answer


@pytest.mark.parametrize(
    "header",
    [
        b"Proxy-Authorization: Basic a2V5c3RlYWQ6d3Jvbmc=\r\n",
        b"Proxy-Authorization: Basic !\r\n",
        b"Proxy-Authorization: Bearer x\r\n",
        b"proxy-authorization:\r\n",
    ],
)
def test_nobody_with_a_wrong_token_gets_through(header: bytes) -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        for line in OUTWARD:
            answer = await ask(port, line + b" HTTP/1.1\r\nHost: h\r\n" + header + b"\r\n")
            assert refused_for_want_of_a_token(answer)

    play(scenario)


PYTHON = "/usr/bin/python3"  # that of the tests may lie where another user can't look
ASK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
    connection.sendall(bytes.fromhex(sys.argv[2]))
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
"""


async def ask_as(user: int | None, port: int, request: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-I", "-c", ASK, str(port), request.hex()),
        stdout=asyncio.subprocess.PIPE,
        user=user,
    )
    found, _ = await asyncio.wait_for(process.communicate(), 20)
    return found


def test_another_user_without_the_token_does_not_get_through() -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    needs(PYTHON)

    async def scenario(proxy: ProxyServer, port: int) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        far = server.sockets[0].getsockname()[1]
        request = b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: h\r\n%b\r\n"
        for line in OUTWARD:
            answer = await ask_as(65534, port, line + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert refused_for_want_of_a_token(answer)
        assert refused_for_want_of_a_token(await ask_as(65534, port, request % (far, b"")))
        # The same user's programs do, and another user's with the token.
        assert b"200 OK" in await ask_as(None, port, request % (far, b""))
        assert b"200 OK" in await ask_as(65534, port, request % (far, credentials(proxy)))
        server.close()

    play(scenario)


def test_what_is_answered_here_needs_no_token() -> None:
    # The classic Java SDK and others give a proxy no credentials; what they send is signed.
    async def scenario(proxy: ProxyServer, port: int) -> None:
        for host in (
            b"kms.cn-hangzhou.aliyuncs.com",
            b"KMS-VPC.cn-beijing.aliyuncs.com",
            b"sts.aliyuncs.com",
            b"ram.aliyuncs.com",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"CONNECT " + host + b":443 HTTP/1.1\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head == b"HTTP/1.1 200 Connection established\r\n\r\n"
            writer.close()
            answer = await ask(port, b"GET http://" + host + b"/ HTTP/1.1\r\nHost: h\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"UnsupportedProtocol" in answer

    play(scenario)


def test_the_certificates_of_endless_hosts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keystead.proxy.server._CONTEXTS", 3)

    async def scenario(proxy: ProxyServer, port: int) -> None:
        contexts = [proxy._context(f"kms.r-{number}.aliyuncs.com") for number in range(5)]
        assert proxy._context("kms.r-4.aliyuncs.com") is contexts[4]
        assert proxy._context("kms.r-0.aliyuncs.com") is not contexts[0]
        assert len(proxy._contexts) == 3

    play(scenario)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + head)
    await writer.drain()
    writer.close()


def test_another_host_is_tunnelled_untouched() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        far = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % far + credentials(proxy) + b"\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        writer.write(b"GET / HTTP/1.1\r\nX: y\r\n\r\n")
        assert (await reader.read()).endswith(b"GET / HTTP/1.1\r\nX: y\r\n\r\n")
        writer.close()
        server.close()

    play(scenario)


def test_a_plain_request_to_another_host_is_passed_on_without_our_token() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        far = server.sockets[0].getsockname()[1]
        request = b"GET http://127.0.0.1:%d/a?b HTTP/1.1\r\nHost: h\r\nKeep-Alive: 1\r\n" % far
        answer = await ask(port, request + credentials(proxy) + b"\r\n")
        assert answer.endswith(b"GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        # Some clients copy it into the request itself; an Authorization of their own stays.
        copied = credentials(proxy).removeprefix(b"Proxy-")
        answer = await ask(port, request + credentials(proxy) + copied + b"Authorization: Basic dTpw\r\n\r\n")
        assert answer.endswith(b"Host: h\r\nAuthorization: Basic dTpw\r\nConnection: close\r\n\r\n")
        server.close()

    play(scenario)


def test_a_plain_request_goes_by_way_of_the_earlier_proxy() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        answer = await ask(
            port, b"GET http://example.test/ HTTP/1.1\r\nHost: h\r\n" + credentials(proxy) + b"\r\n"
        )
        assert b"GET http://example.test/ HTTP/1.1\r\n" in answer
        assert b"Proxy-Authorization: Basic dTpw\r\n" in answer

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        far = server.sockets[0].getsockname()[1]
        tunnel = Tunnel({"HTTP_PROXY": f"http://u:p@127.0.0.1:{far}"})
        proxy = ProxyServer(Upstream(url="http://127.0.0.1:1"), tunnel, SystemClock(), SystemEntropy())
        await proxy.start()
        await scenario(proxy, int(proxy.url.rpartition(":")[2]))
        await proxy.stop()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"CONNECT 127.0.0.1:1 HTTP/1.1", b"502"),
        (b"CONNECT 127.0.0.1:port HTTP/1.1", b"502"),
        (b"GET http://127.0.0.1:1/ HTTP/1.1", b"502"),
        (b"CONNECT 127.0.0.1 HTTP/1.1", b"502"),
        (b"CONNECT [::1 HTTP/1.1", b"400"),
        (b"GET http://[::1/ HTTP/1.1", b"400"),
        (b"GET /relative HTTP/1.1", b"400"),
        (b"GET https://h/ HTTP/1.1", b"400"),
        (b"GET http://sts.aliyuncs.com/ HTTP/1.1", b"400"),
        (b"GET http://KMS.cn-hangzhou.aliyuncs.com/?Action=Encrypt HTTP/1.1", b"400"),
    ],
)
def test_what_cannot_be_reached_or_is_no_proxy_request(line: bytes, status: bytes) -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        answer = await ask(port, line + b"\r\n" + credentials(proxy) + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 " + status)

    play(scenario)


def test_what_is_no_http_is_answered_or_dropped() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        assert (await ask(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"half a")
        writer.close()

    play(scenario)


# --- the end of the proxy, with clients that are in the middle of something


def refused_in_tls(port: int) -> ssl.SSLSocket:
    """A client that got the whole answer in TLS and says no goodbye, as one does that is killed or hangs."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    plain.sendall(b"CONNECT kms.cn-hangzhou.aliyuncs.com:443 HTTP/1.1\r\n\r\n")
    assert plain.recv(100).startswith(b"HTTP/1.1 200 ")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secure = context.wrap_socket(plain, suppress_ragged_eofs=False)
    secure.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert secure.recv(100).startswith(b"HTTP/1.1 503 ")
    return secure


def silent(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def in_the_handshake(port: int) -> socket.socket:
    plain = silent(port)
    plain.sendall(b"CONNECT kms.cn-hangzhou.aliyuncs.com:443 HTTP/1.1\r\n\r\n")
    assert plain.recv(100).startswith(b"HTTP/1.1 200 ")
    return plain


@pytest.mark.parametrize("client", [refused_in_tls, silent, in_the_handshake])
@pytest.mark.parametrize("told_to_stop", [True, False])
def test_a_client_that_is_left_in_the_middle_costs_neither_time_nor_words(
    client: Callable[[int], socket.socket], told_to_stop: bool, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[socket.socket] = []

    async def main() -> None:
        upstream = Upstream(url="http://127.0.0.1:1")
        proxy = ProxyServer(upstream, Tunnel({}), SystemClock(), SystemEntropy())
        await proxy.start()
        kept.append(await asyncio.to_thread(client, int(proxy.url.rpartition(":")[2])))
        if client is refused_in_tls:
            await until(lambda: not proxy._tasks)
        else:
            await until(lambda: bool(proxy._tasks))
        if told_to_stop:
            async with asyncio.timeout(20):  # a client's goodbye in TLS is waited for 30 seconds
                await proxy.stop()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        asyncio.run(main())
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []
    for one in kept:
        one.close()


def test_another_port_of_an_answered_host_is_refused_and_nothing_goes_to_the_vendor() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT kms.cn-hangzhou.aliyuncs.com:8443 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        context = ssl.create_default_context(cadata=proxy.certificate_pem.decode())
        await writer.start_tls(context, server_hostname="kms.cn-hangzhou.aliyuncs.com")
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        assert b"it does not serve kms.cn-hangzhou.aliyuncs.com:8443" in answer
        writer.close()

    play(scenario)


def test_a_client_is_told_why_there_is_no_server() -> None:
    async def scenario(proxy: ProxyServer, port: int) -> None:
        answers: list[bytes] = []

        def ask_in_tls() -> None:
            plain = socket.create_connection(("127.0.0.1", port), timeout=20)
            plain.sendall(b"CONNECT kms.cn-hangzhou.aliyuncs.com:443 HTTP/1.1\r\n\r\n")
            assert plain.recv(100).startswith(b"HTTP/1.1 200 ")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                while data := secure.recv(65536):
                    answers.append(data)

        await asyncio.to_thread(ask_in_tls)
        answer = json.loads(b"".join(answers).partition(b"\r\n\r\n")[2])
        assert answer["Code"] == "ServiceUnavailable"
        assert "has no server: 127.0.0.1 at port 1 cannot be reached: " in answer["Message"]

    play(scenario)
