import asyncio

import pytest

from keystead.proxy.http1 import as_request, body_of, headers_of, once, one_request, whole_body

HEAD = ["GET /?a=b HTTP/1.1", "Host: h", "content-length:  3 ", "Connection: keep-alive", "", ""]


def reading(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def test_one_request_is_its_head_and_what_its_length_says() -> None:
    async def scenario() -> None:
        reader = reading("\r\n".join(HEAD).encode() + b"abcNEXT")
        assert await one_request(reader) == (HEAD, b"abc")
        assert await reader.read() == b"NEXT"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("length", "body"), [("0", b""), ("3", b"abc"), ("", b""), ("-1", b""), ("٣", b""), ("12345678", b"")]
)
def test_a_length_is_digits(length: str, body: bytes) -> None:
    async def scenario() -> None:
        assert await body_of(["POST / HTTP/1.1", f"Content-Length: {length}"], reading(b"abc")) == body

    asyncio.run(scenario())


@pytest.mark.parametrize(("length", "fits"), [(0, True), (4_194_304, True), (4_194_305, False)])
def test_a_whole_body_has_at_most_four_mebibytes(length: int, fits: bool) -> None:
    async def scenario() -> None:
        told = whole_body({"content-length": str(length)}, reading(b"a" * length))
        if fits:
            assert await told == b"a" * length
        else:
            with pytest.raises(ConnectionError):
                await told

    asyncio.run(scenario())


@pytest.mark.parametrize(("chunks", "fits"), [(1, True), (4, True), (5, False)])
def test_so_has_one_in_chunks_with_their_heads(chunks: int, fits: bool) -> None:
    async def scenario() -> None:
        framed = (b"ffff0\r\n%b\r\n" % (b"a" * 0xFFFF0)) * chunks + b"0\r\n\r\n"
        told = whole_body({"transfer-encoding": "chunked"}, reading(framed))
        if fits:
            assert await told == framed
        else:
            with pytest.raises(ConnectionError):
                await told

    asyncio.run(scenario())


def test_a_body_that_ends_early_is_an_error() -> None:
    async def scenario() -> None:
        with pytest.raises(asyncio.IncompleteReadError):
            await body_of(["POST / HTTP/1.1", "Content-Length: 4"], reading(b"abc"))

    asyncio.run(scenario())


def test_a_head_as_the_protocol_core_takes_it() -> None:
    request = as_request(HEAD, b"abc")
    assert (request.method, request.target, request.body) == ("GET", "/?a=b", b"abc")
    assert (
        request.headers
        == headers_of(HEAD)
        == {"host": "h", "content-length": "3", "connection": "keep-alive"}
    )
    assert as_request(["nonsense"], b"").target == ""


def test_the_only_request_of_its_connection_has_nothing_that_was_meant_for_the_proxy() -> None:
    lines = [
        *HEAD[:2],
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: y",
        "Keep-Alive: 1",
        HEAD[3],
        "",
        "",
    ]
    sent = once(lines, b"body", "Proxy-Authorization: Basic other")
    assert sent == (
        b"GET /?a=b HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic other\r\nConnection: close\r\n\r\nbody"
    )
