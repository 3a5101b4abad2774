import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest

from keystead.errors import OperatorError
from keystead.proxy.tunnel import Tunnel, authorization


def through(environment: dict[str, str], scheme: str, host: str) -> str | None:
    proxy = Tunnel(environment).proxy(scheme, host)
    return None if proxy is None else proxy.geturl()


def test_the_earlier_proxy_is_found_in_every_spelling() -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        assert through({name: "http://p:1"}, "https", "h") == "http://p:1"
    assert through({"HTTPS_PROXY": "p:1"}, "https", "h") == "http://p:1"
    assert through({"HTTPS_PROXY": "http://p:1"}, "http", "h") is None
    assert (
        through({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "https", "h") == "http://low:1"
    )


def test_nothing_goes_round_a_proxy_of_another_kind() -> None:
    async def scenario() -> None:
        tunnel = Tunnel({"ALL_PROXY": "socks5://p:1"})
        assert tunnel.warning.startswith("the proxy that is set is a socks5 proxy, which cannot be used here")
        with pytest.raises(OSError, match="socks5 proxy"):
            await tunnel.open("h", 443)

    asyncio.run(scenario())
    assert Tunnel({"HTTPS_PROXY": "http://p:1"}).warning == Tunnel({}).warning == ""


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://[proxy]:80", "http://p:abc", "http://h:99999", "http://"]
)
def test_what_is_no_proxy_is_told(url: str) -> None:
    with pytest.raises(OperatorError, match="https_proxy is not the URL of a proxy"):
        Tunnel({"https_proxy": url})


@pytest.mark.parametrize(
    ("exempt", "host", "direct"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        (".example.com", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        ("*", "anything", True),
        ("a, b ,c", "B", True),
        ("", "example.com", False),
    ],
)
def test_no_proxy_is_honoured(exempt: str, host: str, direct: bool) -> None:
    assert (through({"HTTPS_PROXY": "http://p:1", "NO_PROXY": exempt}, "https", host) is None) is direct


def test_credentials_of_the_earlier_proxy_are_sent_on() -> None:
    proxy = Tunnel({"HTTPS_PROXY": "http://us%40er:pa%3Ass@p:1"}).proxy("https", "h")
    assert proxy is not None
    assert authorization(proxy) == ["Proxy-Authorization: Basic dXNAZXI6cGE6c3M="]
    plain = Tunnel({"HTTPS_PROXY": "http://p:1"}).proxy("https", "h")
    assert plain is not None
    assert authorization(plain) == []


def play(answer: bytes, scenario: Callable[[Tunnel], Awaitable[None]]) -> bytes:
    """Run a scenario against an earlier proxy that answers CONNECT so; what it was sent."""
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await scenario(Tunnel({"HTTPS_PROXY": f"http://u:p@127.0.0.1:{port}"}))

    asyncio.run(main())
    return asked[0]


def test_a_tunnel_goes_by_way_of_the_earlier_proxy() -> None:
    async def scenario(tunnel: Tunnel) -> None:
        reader, writer = await tunnel.open("::1", 443)
        assert await reader.read() == b"hello"
        writer.close()

    asked = play(b"HTTP/1.1 200 OK\r\n\r\nhello", scenario)
    assert asked.startswith(
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic dTpw\r\n"
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 No\r\n\r\n", b"", b"nonsense"])
def test_an_earlier_proxy_that_refuses_is_an_error(answer: bytes) -> None:
    async def scenario(tunnel: Tunnel) -> None:
        with pytest.raises(OSError, match="refused"):
            await tunnel.open("h", 443)

    play(answer, scenario)


def test_a_host_that_does_not_prove_who_it_is_is_an_error() -> None:
    async def scenario(tunnel: Tunnel) -> None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await tunnel.open_tls("h")

    asked = play(b"HTTP/1.1 200 OK\r\n\r\nno TLS", scenario)
    assert asked.startswith(b"CONNECT h:443 HTTP/1.1\r\n")
