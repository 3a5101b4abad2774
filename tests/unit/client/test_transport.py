"""Sending against small servers that answer anything, and endpoints of every form."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from keystead import __version__
from keystead.client import transport
from keystead.client.transport import Address, Answer, Endpoint, Session, send_control, urls_of
from keystead.clock import FixedClock
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError, Unreachable

PAIR = ("LTAIid", "canary-secret")


@contextmanager
def answering(listener: socket.socket, raw: bytes) -> Iterator[Callable[[], bytes]]:
    """A server that reads one request and sends these bytes; gives what it was sent."""
    got: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            while len(body) < length:
                body += connection.recv(65536)
            got.append(head + b"\r\n\r\n" + body)
            connection.sendall(raw)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with listener:
            yield lambda: got[0]
    finally:
        thread.join(5)


def network() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def call(url: str, pair: tuple[str, str] = PAIR, ca_file: str | None = None, token: str = "") -> Answer:
    endpoint = Endpoint(url=url, ca_file=ca_file, access_key=pair, security_token=token)
    with Session(endpoint, FixedClock(), SeededEntropy(b"t"), "tests") as session:
        return session.call("Encrypt", "2016-01-20", {"Plaintext": "a b+密"})


def test_a_request_is_a_signed_post_with_its_parameters_in_the_query() -> None:
    listener, url = network()
    with answering(listener, reply(b'{"B": 1, "A": {"C": "x"}}')) as got:
        answer = call(url)
    assert (answer.status, list(answer.members)) == (200, ["B", "A"])
    head = got().split(b"\r\n\r\n")[0].decode()
    target = head.split(" ")[1]
    assert head.startswith("POST /?")
    assert parse_qs(target[2:]) == {"Plaintext": ["a b+密"]}
    lines = head.lower().split("\r\n")
    assert f"host: {url[7:]}" in lines
    assert len([line for line in lines if line.startswith("host:")]) == 1
    assert "x-acs-action: encrypt" in lines
    assert f"user-agent: keystead/{__version__} tests" in lines
    assert "user-agent" not in next(line for line in lines if line.startswith("authorization:"))
    assert PAIR[1] not in head


def test_a_refusal_is_an_answer() -> None:
    listener, url = network()
    with answering(listener, reply(b'{"Code": "Rejected.Disabled", "Message": "m"}', "409 Conflict")):
        answer = call(url)
    assert (answer.status, answer.members["Code"]) == (409, "Rejected.Disabled")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (reply(b"<html>"), "the answer is not that of a KMS (status 200)"),
        (reply(b"[]"), "the answer is not that of a KMS (status 200)"),
        (reply(b"\xff"), "the answer is not that of a KMS (status 200)"),
        (reply(b"[" * 100_000), "the answer is not that of a KMS (status 200)"),
        (reply(b'{"x": "' + b"a" * 2_000_000 + b'"}'), "the answer is not that of a KMS (status 200)"),
        (reply(b'{"status": "gone"}', "404 Not Found"), "the answer is not that of a KMS (status 404)"),
        (reply(b"{}", "302 Found"), "the answer is not that of a KMS (status 302)"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot reach http://127.0.0.1:"),
        (b"", "cannot reach http://127.0.0.1:"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", "the answer is not that of a KMS (status 200)"),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_a_kms_is_told(raw: bytes, told: str) -> None:
    listener, url = network()
    with answering(listener, raw), pytest.raises(OperatorError) as error:
        call(url)
    assert error.value.message.startswith(told)
    assert error.value.hint
    assert "canary" not in error.value.message + error.value.hint


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "netloc"),
    [
        ("https://localhost:8443", "localhost", 8443, True, "localhost:8443"),
        ("https://kms.cn-hangzhou.aliyuncs.com", "kms.cn-hangzhou.aliyuncs.com", None, True, "kms.cn-hangzhou.aliyuncs.com"),
        ("https://kms.cn-hangzhou.aliyuncs.com/", "kms.cn-hangzhou.aliyuncs.com", None, True, "kms.cn-hangzhou.aliyuncs.com"),
        ("http://[::1]:1", "::1", 1, False, "[::1]:1"),
        ("HTTPS://Host:65535", "host", 65535, True, "Host:65535"),
        ("https://host:", "host", None, True, "host"),
    ],
)  # fmt: skip
def test_an_endpoint_is_host_and_port(url: str, host: str, port: int | None, tls: bool, netloc: str) -> None:
    address = Address.of(url)
    assert (address.host, address.port, address.tls, address.netloc) == (host, port, tls, netloc)


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8443", "ftp://h", "https://", "https://:1", "https://h:0", "https://h:65536", "https://h:x", "https://[::1",
        "https://h/path", "https://h?q", "https://h#f", "https://ä.example", "https://h h", "https://h\x7f",
    ],
)  # fmt: skip
def test_anything_else_is_not_an_endpoint(url: str) -> None:
    with pytest.raises(OperatorError, match="is not an endpoint") as error:
        call(url)
    assert error.value.message.startswith(repr(url))


def test_a_password_in_an_endpoint_is_not_repeated() -> None:
    for url in ("https://user:canary@h", "https://user:canary@h:x"):
        with pytest.raises(OperatorError) as error:
            call(url)
        assert "canary" not in error.value.message + error.value.hint


def test_an_endpoint_shows_no_secret() -> None:
    shown = repr(Endpoint(url="https://h", ca_file=None, access_key=PAIR, security_token="canary-token"))
    assert (shown, "canary" in shown) == ("<Endpoint https://h>", False)


def test_a_server_that_is_not_there_is_told() -> None:
    listener, url = network()
    listener.close()
    with pytest.raises(OperatorError, match=f"cannot reach {url}: Connection refused"):
        call(url)


def test_a_server_that_speaks_no_tls_is_told() -> None:
    listener, url = network()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    with listener, pytest.raises(OperatorError, match="cannot reach https://"):
        call(url.replace("http", "https"))
    thread.join(5)


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    for file, why in ((tmp_path / "ca.pem", "it is no PEM certificate"), (tmp_path / "no", "No such file")):
        with pytest.raises(OperatorError) as error:
            call("https://localhost:1", ca_file=str(file))
        assert error.value.message.startswith(f"cannot read the CA certificate {file}: {why}")


def test_an_access_key_with_a_line_break_is_told_without_showing_it() -> None:
    for pair, token, told in (
        (("canary\r", "s"), "", "the AccessKey id holds a character that it cannot have"),
        (PAIR, "canary\n", "the security token holds a character that it cannot have"),
        (PAIR, "canary密", "the security token holds a character that it cannot have"),
    ):
        with pytest.raises(OperatorError) as error:
            call("http://localhost:1", pair=pair, token=token)
        assert error.value.message == told


@pytest.mark.parametrize("depth", [1, 40])
def test_a_control_socket_is_reached_however_long_its_path_is(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["four"] * depth)
    folder.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    link = Path(f"/tmp/k{threading.get_native_id()}")
    link.symlink_to(folder)
    try:
        listener.bind(str(link / "control.sock"))
    finally:
        link.unlink()
    listener.listen()
    with answering(listener, reply(b"{}")) as got:
        answer = send_control(
            folder / "control.sock", "DeleteAccessKey", "2026-11-24", {"AccessKeyId": "a b"}, "tests", ""
        )
    assert answer == Answer(200, {})
    head, _, content = got().partition(b"\r\n\r\n")
    assert f"user-agent: keystead/{__version__} tests\r\n".encode() in head + b"\r\n"
    assert parse_qs(content.decode()) == {
        "Action": ["DeleteAccessKey"],
        "Version": ["2026-11-24"],
        "AccessKeyId": ["a b"],
    }


def test_a_control_socket_without_a_server_is_told(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(OperatorError, match="is still starting, or stopping"):
        send_control(path, "A", "V", {}, "tests", "")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(OperatorError, match="is still starting, or stopping"):
        send_control(path, "A", "V", {}, "tests", "")
    with pytest.raises(OperatorError, match=r"cannot reach the server at .*: Not a directory"):
        send_control(path / "control.sock", "A", "V", {}, "tests", "")


def test_a_control_socket_that_gives_no_answer_leaves_it_open_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_SECONDS", 0.2)
    path = tmp_path / "control.sock"
    kept: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with pytest.raises(Unreachable, match=r"has not answered within 0\.2 s") as error:
            send_control(path, "A", "V", {}, "tests", "look")
        assert error.value.hint == "look"
        with pytest.raises(Unreachable, match="takes no connection") as error:
            for _ in range(10):
                waiting = socket.socket(socket.AF_UNIX)
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(str(path))
                kept.append(waiting)
            send_control(path, "A", "V", {}, "tests", "look")
        assert error.value.hint == "nothing was asked of it; try again later"
        for one in kept:
            one.close()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with (
            answering(listener, b""),
            pytest.raises(Unreachable, match="ended the connection without an answer") as error,
        ):
            send_control(path, "A", "V", {}, "tests", "look")
        assert error.value.hint == "look"


# --- several addresses of one service


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("https://a", ("https://a",)),
        ("https://a,https://b:1", ("https://a", "https://b:1")),
        ("https://b , https://a/,,https://a,", ("https://b", "https://a")),
    ],
)
def test_several_endpoints_are_named_with_commas(text: str, urls: tuple[str, ...]) -> None:
    assert urls_of(text) == urls


@pytest.mark.parametrize("text", ["", ",", "https://a,b", "https://a;https://b", "https://a https://b"])
def test_each_of_several_is_an_endpoint(text: str) -> None:
    with pytest.raises(OperatorError, match="is not an endpoint"):
        urls_of(text)


def test_no_part_of_a_password_with_a_comma_is_repeated() -> None:
    with pytest.raises(OperatorError) as error:
        urls_of("https://a,https://user:can,ary@h")
    assert error.value.message == "what was given is not an endpoint"


GONE = "http://127.0.0.1:1"  # a port at which nobody listens
OK, LATER = reply(b'{"RequestId": "ok"}'), reply(b'{"Code": "ServiceUnavailable"}', "503 Service Unavailable")


def unasked(listener: socket.socket) -> bool:
    """Whether nobody connected."""
    listener.setblocking(False)
    with listener, suppress(BlockingIOError):
        listener.accept()
        return False
    return True


@pytest.mark.parametrize(
    "answer", [LATER, reply(b"<html>no server is available", "503 Busy")], ids=["ours", "a balancer's"]
)
def test_a_server_that_answers_503_is_passed_over_and_the_next_is_asked_anew(answer: bytes) -> None:
    first, second = network(), network()
    with answering(first[0], answer) as one, answering(second[0], OK) as other:
        assert call(f"{first[1]},{second[1]}").members["RequestId"] == "ok"
    asked = [
        {
            line.partition(b":")[0]: line.partition(b":")[2]
            for line in got().lower().split(b"\r\n")[1:]
            if line
        }
        for got in (one, other)
    ]
    assert [got[b"host"].strip().decode() for got in asked] == [
        url.partition("//")[2] for _, url in (first, second)
    ]
    assert len({got[b"x-acs-signature-nonce"] for got in asked}) == 2


def test_a_server_that_is_not_there_or_speaks_something_else_is_passed_over() -> None:
    other, second = network(), network()

    def greet() -> None:
        connection, _ = other[0].accept()
        with connection:
            connection.sendall(b"220 mail\r\n")
            connection.recv(65536)

    thread = threading.Thread(target=greet)
    thread.start()
    with other[0], answering(second[0], OK):
        https = other[1].replace("http:", "https:")
        assert call(f"{GONE},{https},{second[1]}").status == 200
        thread.join(20)


def test_the_one_that_answered_is_asked_the_next_time_too() -> None:
    second = network()
    with Session(
        Endpoint(f"{GONE},{second[1]}", None, PAIR), FixedClock(), SeededEntropy(b"t"), "tests"
    ) as session:
        assert session.url == GONE
        with answering(second[0], OK):
            session.call("Encrypt", "2016-01-20", {})
        assert session.url == second[1]


def test_where_all_answer_503_that_is_the_answer_and_where_none_is_there_each_is_told() -> None:
    first, second = network(), network()
    with answering(first[0], LATER), answering(second[0], LATER):
        assert call(f"{first[1]},{second[1]}").status == 503
    third = network()
    with answering(third[0], LATER):
        assert call(f"{third[1]},{GONE}").status == 503
    fourth = network()
    with (
        answering(fourth[0], reply(b"busy", "503 Busy")),
        pytest.raises(OperatorError, match=r"\(status 503\)"),
    ):
        call(f"{fourth[1]},{GONE}")
    with pytest.raises(Unreachable) as error:
        call(f"{GONE},http://127.0.0.1:2")
    told = "none of 2 servers: cannot reach http://127.0.0.1:1: Connection refused; cannot reach http://127.0.0.1:2: "
    assert error.value.message.startswith(told)
    assert error.value.hint


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"], ids=["none", "half"]
)
def test_what_was_sent_and_is_not_answered_is_not_sent_to_another(answer: bytes) -> None:
    first, second = network(), network()
    with answering(first[0], answer), pytest.raises(OperatorError):
        call(f"{first[1]},{second[1]}")
    assert unasked(second[0])


def test_a_refusal_is_the_answer_of_all() -> None:
    first, second = network(), network()
    with answering(first[0], reply(b'{"Code": "Forbidden.NoPermission"}', "403 Forbidden")):
        assert call(f"{first[1]},{second[1]}").status == 403
    assert unasked(second[0])
