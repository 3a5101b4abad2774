import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from keystead.crypto.authority import Authority
from keystead.errors import OperatorError
from keystead.proxy.upstream import Gone, Untrusted, Upstream


def gone(upstream: Upstream) -> str:
    with pytest.raises(Gone) as caught:
        asyncio.run(upstream.connect())
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://h",
        "https://",
        "https://h:99999",
        "https://[::1",
        "https://u:pw@h",
        "https://h/p?x",
    ],
)
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(OperatorError, match="is not an endpoint"):
        Upstream(url=url)


def test_a_name_that_no_host_can_have() -> None:
    with pytest.raises(Untrusted, match=r"a\.\.b is not a name that a host can have") as caught:
        asyncio.run(Upstream(url="https://a..b:443").connect())
    assert caught.value.hint == "check the URL"


def test_nobody_listens() -> None:
    assert "127.0.0.1 at port 1 cannot be reached: " in gone(Upstream(url="http://127.0.0.1:1"))


@pytest.mark.parametrize(
    "content", [None, "", "{}", '{"url": "http://h"}', '{"url": "h:1", "ca_file": null}']
)
def test_a_description_that_is_gone_or_odd(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "server.json"
    if content is not None:
        path.write_text(content)
    assert "no server runs on" in gone(Upstream(description=path))


def test_it_follows_the_description(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "server.json"
        upstream = Upstream(description=path)
        for _ in range(2):
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            path.write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "ca_file": None}))
            _, writer = await upstream.connect()
            writer.close()
            server.close()

    asyncio.run(main())


def test_a_ca_file_that_is_missing_is_gone_too(tmp_path: Path) -> None:
    assert gone(Upstream(url="https://127.0.0.1:1", ca_file=str(tmp_path / "none")))


def authority() -> Authority:
    return Authority.create("test", dns=["localhost"], addresses=[], now=time.time(), lifetime=86_400)


def against(
    context: ssl.SSLContext | None,
    work: Callable[[int], Awaitable[None]],
    greeting: bytes = b"",
) -> None:
    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
        await work(server.sockets[0].getsockname()[1])
        server.close()

    asyncio.run(main())


def test_what_is_not_to_be_believed_is_said_with_its_remedy(tmp_path: Path) -> None:
    ours, now = authority(), time.time()
    for name, content in (("ours", ours.certificate_pem), ("other", authority().certificate_pem)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "nonsense").write_text("nonsense")
    for hosts, begins, ca, told, hint in (
        (
            ["localhost"],
            now,
            "other",
            "was not accepted",
            "its CA certificate is another one; keystead ca show --pem",
        ),
        (
            ["localhost"],
            now,
            None,
            "was not accepted",
            "name its CA certificate with --ca; keystead ca show --pem",
        ),
        (
            ["a.localhost"],
            now,
            "ours",
            "was not accepted: ",
            "call the server by a name that its certificate has",
        ),
        (
            ["localhost"],
            now - 90_000,
            "ours",
            "was not accepted: certificate has expired",
            "compare the clocks",
        ),
        (["localhost"], now, "nonsense", "it is no PEM certificate", "check --ca"),
        (["localhost"], now, "none", "No such file or directory", "check --ca"),
    ):
        leaf = ours.issue(hosts, [], begins, 86_400)
        (tmp_path / "cert.pem").write_bytes(leaf.certificate_pem)
        (tmp_path / "key.pem").write_bytes(leaf.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

        async def ask(port: int, ca: str | None = ca, told: str = told, hint: str = hint) -> None:
            ca_file = None if ca is None else str(tmp_path / ca)
            upstream = Upstream(url=f"https://localhost:{port}", ca_file=ca_file)
            with pytest.raises(Untrusted) as caught:
                await upstream.connect()
            assert told in str(caught.value)
            assert hint in caught.value.hint

        against(context, ask)


def test_what_ends_early_may_come_back_and_what_speaks_something_else_will_not() -> None:
    async def ended(port: int) -> None:
        with pytest.raises(Gone) as caught:
            await Upstream(url=f"https://localhost:{port}").connect()
        assert not isinstance(caught.value, Untrusted)

    async def other(port: int) -> None:
        with pytest.raises(Untrusted, match="does not speak TLS as it should: "):
            await Upstream(url=f"https://localhost:{port}").connect()

    against(None, ended)
    against(None, other, b"HTTP/1.1 400 Bad Request\r\n\r\n")
