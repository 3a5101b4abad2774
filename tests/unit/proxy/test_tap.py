"""What is heard of a connection: requests with their answers, in pieces, one after another, and none at all."""

import pytest

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.proxy.tap import Answered, Tap

REQUEST = b"POST /?Action=Encrypt HTTP/1.1\r\nHost: h\r\nX-Name: v\r\nContent-Length: 3\r\n\r\na=b"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: t\r\nx-acs-request-id: r\r\nContent-Length: 2\r\n\r\n{}"


class Heard:
    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.answers: list[HttpResponse | None] = []
        self.tap = Tap(self.watch)

    def watch(self, request: HttpRequest) -> Answered:
        self.requests.append(request)
        return self.answers.append


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_and_its_answer_in_pieces_of_any_size(size: int) -> None:
    heard = Heard()
    for _ in range(2):
        for start in range(0, len(REQUEST), size):
            heard.tap.sent(REQUEST[start : start + size])
        for start in range(0, len(ANSWER), size):
            heard.tap.received(ANSWER[start : start + size])
    heard.tap.ended()
    first, second = heard.requests
    assert first == second
    assert (first.method, first.target, first.body) == ("POST", "/?Action=Encrypt", b"a=b")
    assert first.headers == {"host": "h", "x-name": "v", "content-length": "3"}
    assert [(one.status, one.body) for one in heard.answers if one] == [(200, b"{}")] * 2
    assert heard.answers[0] is not None
    assert ("x-acs-request-id", "r") in heard.answers[0].headers


def test_requests_that_do_not_wait_get_their_answers_in_order() -> None:
    heard = Heard()
    heard.tap.sent(REQUEST * 3)
    heard.tap.received(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER + ANSWER.replace(b"200 OK", b"404 No"))
    assert [one and one.status for one in heard.answers] == [200, 404]
    heard.tap.ended()
    assert heard.answers[2:] == [None]
    heard.tap.ended()
    assert len(heard.answers) == 3


def test_an_answer_in_chunks_and_one_that_ends_with_its_connection() -> None:
    heard = Heard()
    heard.tap.sent(REQUEST)
    heard.tap.received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert [one and one.body for one in heard.answers] == [b"{}"]
    heard = Heard()
    heard.tap.sent(REQUEST)
    heard.tap.received(b"HTTP/1.1 200 OK\r\n\r\n{}")
    heard.tap.ended()
    assert heard.answers == [None]


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", b""]
)
def test_what_is_no_http_is_passed_over(data: bytes) -> None:
    heard = Heard()
    heard.tap.sent(data)
    heard.tap.sent(REQUEST)
    heard.tap.received(data)
    heard.tap.received(ANSWER)
    heard.tap.ended()
    assert len(heard.requests) == len(heard.answers) <= 1


def test_of_a_body_without_end_no_more_is_kept_than_a_request_may_have() -> None:
    heard = Heard()
    heard.tap.sent(REQUEST)
    piece = b"x" * 65536
    heard.tap.received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (40 * len(piece)))
    for _ in range(40):
        heard.tap.received(piece)
    (answer,) = heard.answers
    assert answer is not None
    assert len(answer.body) == 1024 * 1024
