import asyncio
import json
from pathlib import Path

import pytest

from keystead.errors import OperatorError
from keystead.proxy.upstream import Gone, Upstream


def gone(upstream: Upstream) -> str:
    with pytest.raises(Gone) as caught:
        asyncio.run(upstream.connect())
    return str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "ftp://h", "https://"])
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(OperatorError):
        Upstream(url=url)


def test_nobody_listens() -> None:
    assert "127.0.0.1:1" in gone(Upstream(url="http://127.0.0.1:1"))


@pytest.mark.parametrize("content", [None, "", "{}", '{"url": "http://h"}'])
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
