"""Two ends of a link over a real pair of sockets."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from keystead.api.http import receive
from keystead.api.http.message import HttpResponse
from keystead.errors import BadRequest, InternalFailure, KmsError
from keystead.server.logs import Log
from keystead.server.network import link as module
from keystead.server.network.limits import Limits
from keystead.server.network.link import (
    Adjust,
    Alive,
    Answered,
    Asked,
    Begin,
    Closed,
    FromFront,
    FromServer,
    Link,
    Listening,
    Malformed,
    Message,
    Opened,
    Ping,
    Present,
    Stop,
)
from keystead.server.network.listener import Named, Pem
from tests.harness import Service

RESPONSE = HttpResponse(status=200, content_type="t", body=b"\x00b", headers=(("a", "b"),))
SIGNED = receive.receive(Service().request("Encrypt", {"Plaintext": "密", "Format": "XML"}))


class Pair:
    """A server's and a front's end, and what each received."""

    def __init__(self) -> None:
        self.server: list[Any] = []
        self.front: list[Any] = []
        self.lost: list[str] = []
        self.crowded: list[bool] = []

    async def connect(self) -> "Pair":
        self.of_server = Link(
            list[FromFront],
            lambda _, m: self.server.append(m),
            lambda: self.lost.append("server"),
            self.crowded.append,
        )
        self.of_front = Link(
            list[FromServer], lambda _, m: self.front.append(m), lambda: self.lost.append("front")
        )
        loop = asyncio.get_running_loop()
        for one, end in zip(socket.socketpair(), (self.of_server, self.of_front), strict=True):
            await loop.create_unix_connection(lambda end=end: end, sock=one)  # type: ignore[misc]
        return self

    def raw(self, data: bytes) -> None:
        """Bytes from the front's side, as they are."""
        self.of_front._transport.write(data)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


def play(scenario: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        pair = await Pair().connect()
        await scenario(pair)
        pair.of_server.close()
        await pair.until(lambda: sorted(pair.lost) == ["front", "server"])

    asyncio.run(main())


@pytest.mark.parametrize(
    "message",
    [
        Begin((3, 4), Limits(connections=7), Log("json", "debug"), Pem(b"certificate", b"key")),
        Begin((3,), Limits(), Log("auto", "info", "keystead.log"), None),
        Adjust(Limits(idle_seconds=7), Log("text", "debug", "keystead.log")),
        Present(Pem(b"certificate", b"key", (Named(("kms.example",), b"certificate", b"key"),))),
        Present(Pem(b"certificate", b"key")),
        Answered(1, RESPONSE),
        Stop(1.5),
        Ping(),
    ],
)
def test_what_the_server_says_arrives(message: Message) -> None:
    async def scenario(pair: Pair) -> None:
        pair.of_server.send(message)
        await pair.until(lambda: bool(pair.front))
        assert pair.front == [message]

    play(scenario)


@pytest.mark.parametrize(
    "message", [Listening(), Listening(("a",)), Alive(), Opened(), Closed(), Malformed("c"), Asked(2, SIGNED)]
)
def test_what_the_front_says_arrives(message: Message) -> None:
    async def scenario(pair: Pair) -> None:
        pair.of_front.send(message)
        await pair.until(lambda: bool(pair.server))
        assert pair.server == [message]

    play(scenario)


@pytest.mark.parametrize("refusal", [BadRequest(reason="why"), InternalFailure()])
def test_a_refusal_arrives_as_the_same_refusal(refusal: KmsError) -> None:
    asked = msgspec.structs.replace(SIGNED, refusal=refusal, claims=None)

    async def scenario(pair: Pair) -> None:
        pair.of_front.send(Asked(1, asked))
        await pair.until(lambda: bool(pair.server))
        found = pair.server[0].received.refusal
        assert (type(found), found.text) == (type(refusal), refusal.text)

    play(scenario)


def test_messages_of_one_turn_share_a_frame_and_a_crowd_does_not_wait_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames: list[int] = []
    encode = module._encode

    def counted(messages: list[Message]) -> bytes:
        frames.append(len(messages))
        return encode(messages)

    monkeypatch.setattr(module, "_encode", counted)

    async def scenario(pair: Pair) -> None:
        for _ in range(module._BURST + 2):
            pair.of_front.send(Opened())
        await pair.until(lambda: len(pair.server) == module._BURST + 2)
        assert frames == [module._BURST, 2]

    play(scenario)


def test_what_is_long_does_not_wait_for_the_end_of_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[int] = []
    encode = module._encode

    def counted(messages: list[Message]) -> bytes:
        frames.append(len(messages))
        return encode(messages)

    monkeypatch.setattr(module, "_encode", counted)

    async def scenario(pair: Pair) -> None:
        for size in (module._BULK - 1, 0, 1, module._BULK, 1):
            pair.of_front.send(Opened(), size)
        await pair.until(lambda: len(pair.server) == 5)
        assert frames == [3, 1, 1]

    play(scenario)


def test_the_longest_requests_fit_into_a_frame() -> None:
    limits = Limits()
    request = Service().request("Encrypt")
    target = request.target + "&a=" + "%26" * ((limits.target - len(request.target)) // 3 - 1)
    body = b"b=" + b"%26" * (limits.body // 3 - 1)
    form = {**request.headers, "content-type": "application/x-www-form-urlencoded"}
    long = receive.receive(
        msgspec.structs.replace(request, method="POST", target=target, body=body, headers=form)
    )
    assert long.size > limits.body
    assert long.refusal is None
    short = receive.receive(msgspec.structs.replace(request, target=f"{request.target}&a={'%26' * 10_000}"))
    assert short.refusal is None
    # So many leave together at most.
    together = [Asked(1, short)] * (module._BULK // short.size) + [Asked(2, long)]
    assert len(module._encode(together)) < module.FRAME / 2


def test_an_end_that_takes_nothing_is_told_of_and_may_be_read_no_more() -> None:
    answer = Answered(1, msgspec.structs.replace(RESPONSE, body=bytes(100_000)))

    async def scenario(pair: Pair) -> None:
        pair.of_front.read(False)
        for _ in range(9):
            pair.of_server.send(answer, 100_000)
            await asyncio.sleep(0.01)
        assert pair.crowded == []  # what the kernel holds, and up to so much here
        for _ in range(6):
            pair.of_server.send(answer, 100_000)
            await asyncio.sleep(0.01)
        assert pair.crowded == [True]
        pair.of_server.read(False)
        pair.of_front.send(Opened())
        await asyncio.sleep(0.05)
        assert pair.server == []
        pair.of_front.read(True)
        await pair.until(lambda: len(pair.front) == 15)
        assert pair.crowded == [True, False]
        pair.of_server.read(True)
        await pair.until(lambda: pair.server == [Opened()])

    play(scenario)


def test_an_end_that_is_gone_is_not_read() -> None:
    async def scenario(pair: Pair) -> None:
        pair.of_front.abort()
        for wanted in (False, True):
            pair.of_front.read(wanted)
        await pair.until(lambda: sorted(pair.lost) == ["front", "server"])

    play(scenario)


def test_a_frame_may_come_in_pieces() -> None:
    frame = module._encode([Opened(), Malformed("x" * 300)])
    whole = len(frame).to_bytes(4, "big") + frame

    async def scenario(pair: Pair) -> None:
        for byte in whole + whole[:2]:
            pair.raw(bytes((byte,)))
            await asyncio.sleep(0.0005)
        pair.raw(whole[2:])
        await pair.until(lambda: len(pair.server) == 4)
        assert pair.server[3] == Malformed("x" * 300)

    play(scenario)


def refusing(name: str, values: dict[str, str]) -> bytes:
    """A request with a refusal that this end would not have made."""
    asked = msgspec.msgpack.decode(module._encode([Asked(1, msgspec.structs.replace(SIGNED, claims=None))]))
    asked[0][2][-2] = [name, values]
    return msgspec.msgpack.encode(asked)


NOT_THE_FRONTS = [
    b"\xff\xff\xff\xff",  # a frame that would be longer than any
    b"\x00\x00\x00\x01\xc1",  # no MessagePack
    module._encode([Stop(1.0)]),  # the server's to say
    msgspec.msgpack.encode([[99]]),
    msgspec.msgpack.encode([[5, 1, "text"]]),
    refusing("BadRequest", {}),  # without the value that its message needs
    refusing("BadRequest", {"reason": "x"})[:-1],
    refusing("OperatorError", {"message": "x"}),
    refusing("CODES", {}),
    refusing("Nothing", {}),
]


@pytest.mark.parametrize("frame", NOT_THE_FRONTS)
def test_nonsense_ends_the_link(frame: bytes) -> None:
    async def scenario(pair: Pair) -> None:
        pair.raw(frame if frame.startswith((b"\xff", b"\x00")) else len(frame).to_bytes(4, "big") + frame)
        await pair.until(lambda: sorted(pair.lost) == ["front", "server"])
        assert pair.server == []

    play(scenario)


def test_a_frame_just_short_enough_is_waited_for() -> None:
    async def scenario(pair: Pair) -> None:
        pair.raw(module.FRAME.to_bytes(4, "big"))
        await asyncio.sleep(0.05)
        assert pair.lost == []

    play(scenario)


def test_when_the_other_end_is_gone_messages_are_dropped() -> None:
    async def scenario(pair: Pair) -> None:
        pair.of_server.close()
        await pair.until(lambda: sorted(pair.lost) == ["front", "server"])
        pair.of_front.send(Opened())
        await asyncio.sleep(0.01)
        assert pair.server == []

    play(scenario)


def test_messages_show_no_values() -> None:
    assert repr(Present(Pem(b"certificate", b"canary"))) == "<Present>"
    assert repr(Pem(b"certificate", b"canary")) == "<Pem>"


def test_a_message_that_cannot_be_taken_ends_the_link(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(pair: Pair) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("canary")

        pair.of_server._received = broken
        pair.of_front.send(Opened())
        await pair.until(lambda: sorted(pair.lost) == ["front", "server"])

    play(scenario)
    assert "link between two processes broken" in caplog.text
    assert "canary" not in caplog.text


def test_only_refusals_have_a_form_of_their_own() -> None:
    with pytest.raises(NotImplementedError, match="object"):
        module._to_wire(object())
