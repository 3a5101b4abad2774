"""The heads that are refused, and the joining of header fields."""

import pytest

from keystead.server.network.framing import Refused, check_head, end_of_piece, joined

HOST = {"host": "localhost"}


def test_repeated_fields_are_joined_under_one_lower_case_name() -> None:
    fields = [(b"Via", b" a\t"), (b"via", b"b"), (b"X-Note", b"\xe9\t!")]
    assert joined(fields) == {"via": "a, b", "x-note": "\xe9\t!"}


@pytest.mark.parametrize(
    "name", [b"Host", b"Content-Length", b"Transfer-Encoding", b"Authorization", b"X-Acs-Action"]
)
def test_what_must_be_single_is_refused_when_repeated(name: bytes) -> None:
    assert joined([(name, b"1")]) == {name.decode().lower(): "1"}
    with pytest.raises(Refused) as caught:
        joined([(name, b"1"), (name.lower(), b"1")])
    assert caught.value.message == f"The header {name.decode().lower()} is given more than once."


@pytest.mark.parametrize("value", [b"a\x00b", b"a\x0bb", b"a\x1fb", b"a\x7fb"])
def test_control_characters_in_a_value_are_refused(value: bytes) -> None:
    with pytest.raises(Refused) as caught:
        joined([(b"x", value)])
    assert caught.value.message == "A header has a control character."


@pytest.mark.parametrize(
    ("version", "method", "target", "headers"),
    [
        ("1.1", b"GET", b"/", HOST),
        ("1.0", b"GET", b"/", {}),
        ("1.1", b"POST", b"/?a=b", {**HOST, "content-length": "10"}),
        ("1.1", b"POST", b"/", {**HOST, "content-length": "000000000010"}),
        ("1.1", b"POST", b"/", {**HOST, "transfer-encoding": "Chunked"}),
    ],
)
def test_a_clear_head_is_admitted(
    version: str, method: bytes, target: bytes, headers: dict[str, str]
) -> None:
    check_head(version, method, target, headers, 10)


@pytest.mark.parametrize(
    ("status", "version", "method", "target", "headers"),
    [
        (505, "2.0", b"GET", b"/", HOST),
        (505, "0.9", b"GET", b"/", HOST),
        (400, "1.1", b"GET", b"/", {}),
        (400, "1.1", b"CONNECT", b"/", HOST),
        (400, "1.1", b"TRACE", b"/", HOST),
        (400, "1.1", b"GET", b"/", {**HOST, "upgrade": "h2c"}),
        (400, "1.1", b"GET", b"http://elsewhere/", HOST),
        (400, "1.1", b"OPTIONS", b"*", HOST),
        (415, "1.1", b"POST", b"/", {**HOST, "content-encoding": "gzip"}),
        (400, "1.1", b"POST", b"/", {**HOST, "transfer-encoding": "gzip, chunked"}),
        (400, "1.1", b"POST", b"/", {**HOST, "transfer-encoding": "chunked, identity"}),
        (400, "1.0", b"POST", b"/", {**HOST, "transfer-encoding": "chunked"}),
        (400, "1.1", b"POST", b"/", {**HOST, "transfer-encoding": "chunked", "content-length": "0"}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": "+1"}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": "-1"}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": "1_0"}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": ""}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": "\u0661"}),
        (400, "1.1", b"POST", b"/", {**HOST, "content-length": "0000000000010"}),
        (413, "1.1", b"POST", b"/", {**HOST, "content-length": "11"}),
    ],
)
def test_a_head_that_two_readers_could_read_differently_is_refused(
    status: int, version: str, method: bytes, target: bytes, headers: dict[str, str]
) -> None:
    with pytest.raises(Refused) as caught:
        check_head(version, method, target, headers, 10)
    assert (caught.value.status, caught.value.code) == (status, "InvalidRequest")


@pytest.mark.parametrize(
    ("data", "begin", "end"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 0, 18),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET", 0, 27),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET", 27, 30),
        (b"GET / HTTP/1.1\r\n", 0, 16),
        (b"", 0, 0),
        (b"x" * 16_384, 0, 16_384),
        (b"x" * 16_385, 0, 16_384),
        (b"x" * 40_000, 16_384, 32_768),
        (b"x" * 40_000, 32_768, 40_000),
        (b"x" * 16_380 + b"\r\n\r\n" + b"y", 0, 16_384),
        (b"x" * 16_381 + b"\r\n\r\n" + b"y", 0, 16_384),
    ],
)
def test_a_piece_has_the_end_of_one_head_or_is_short(data: bytes, begin: int, end: int) -> None:
    assert end_of_piece(data, begin) == end
