"""The link between a server and the front process or the console: frames of messages over a pair of sockets.

frame     length (4 bytes, big-endian) ‖ MessagePack: an array of messages
message   an array; its first member is the kind

Both ends are the same program on the same machine, so no version of this outlives a process. Messages that are sent in
one turn of the loop share a frame.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from keystead import errors
from keystead.api.http.message import HttpResponse
from keystead.api.http.receive import Received
from keystead.console.carrier import Page, Served
from keystead.errors import KmsError
from keystead.server import logs
from keystead.server.network.limits import Limits
from keystead.server.network.listener import Pem

FRAME = (
    8 * 1024 * 1024
)  # bytes; a frame that says to be longer is none. The longest request makes a fifth of one
CROWD = (
    1024 * 1024
)  # bytes that the other end has not taken, from which on `crowded` asks for no more of them
_BURST = 8  # messages that wait for the end of the turn; more leave at once, so that both processes have work
_BULK = 256 * 1024  # bytes of requests and answers that share a frame; with more it leaves at once
_LENGTH = 4


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message; each kind says who sends it. It shows its kind only: it may hold a private key or a plaintext."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Begin(Message, frozen=True, tag=0):
    """The server: listen on these descriptors, with this log."""

    descriptors: tuple[int, ...]
    limits: Limits
    log: logs.Log
    pem: Pem | None  # None: plain HTTP


class Present(Message, frozen=True, tag=1):
    """The server: serve this certificate from now on."""

    pem: Pem


class Answered(Message, frozen=True, tag=2):
    """The server: the answer to a request."""

    number: int
    response: HttpResponse


class Stop(Message, frozen=True, tag=3):
    """The server: accept nothing more, finish within so many seconds, and end."""

    seconds: float


class Drain(Message, frozen=True, tag=14):
    """The server: let each connection end with its next answer."""


class Listening(Message, frozen=True, tag=4):
    """The front: connections are accepted."""

    unconfined: tuple[str, ...] = ()  # what it could not give up, and why


class Asked(Message, frozen=True, tag=5):
    """The front: a request, with a number of its own; the console: a call, and the number of the page that it is for."""

    number: int
    received: Received
    page: int = 0


class Opened(Message, frozen=True, tag=6):
    """The front: one more connection is open."""


class Closed(Message, frozen=True, tag=7):
    """The front: one connection fewer is open."""


class Malformed(Message, frozen=True, tag=8):
    """The front: a connection was closed for what it sent."""

    code: str


class Adjust(Message, frozen=True, tag=20):
    """The server: other limits for new connections, and another log."""

    limits: Limits
    log: logs.Log


class Ping(Message, frozen=True, tag=9):
    """The server: give a sign of life."""


class Alive(Message, frozen=True, tag=10):
    """The front: its loop turns."""


class Presented(Message, frozen=True, tag=11):
    """The front: a certificate that was presented is served."""


class Visited(Message, frozen=True, tag=12):
    """The front, and the server to the console: a request for a page of the console."""

    number: int
    page: Page


class Set(Message, frozen=True, tag=13):
    """The server: the console's log, and which server it is."""

    log: logs.Log
    server: Served


FromServer = Begin | Present | Adjust | Answered | Drain | Stop | Ping
FromFront = Listening | Asked | Opened | Closed | Malformed | Alive | Presented | Visited
ToConsole = Set | Visited | Answered | Stop
FromConsole = Listening | Asked | Answered


def _to_wire(value: Any) -> object:
    if isinstance(value, KmsError):
        return type(value).__name__, value.values
    raise NotImplementedError(type(value).__name__)


def _from_wire(kind: type, value: Any) -> object:
    name, values = value
    found = getattr(errors, name)
    if not issubclass(found, kind):
        raise TypeError(f"{name} is not a refusal")
    refusal = found(**values)
    assert refusal.text  # it has all the values of its message
    return refusal


_encode = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode


class Link(asyncio.Protocol):
    """One end: `received` is called with it and each message, `lost` once when the other end is gone or talks nonsense.

    `crowded` is told when the other end takes so little that what waits for it must not grow, and when it takes it again.
    """

    def __init__(
        self,
        kinds: Any,
        received: Callable[["Link", Any], None],
        lost: Callable[[], None],
        crowded: Callable[[bool], None] = lambda crowded: None,
    ) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds, dec_hook=_from_wire)
        self._received = received
        self._lost = lost
        self._crowded = crowded
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._outgoing: list[Message] = []
        self._bytes = 0  # of requests and answers among them
        self._scheduled = False
        self._blocked = False  # the transport has more to send than it likes
        self._full = False  # the same, so much that `crowded` was told
        self._incoming = bytearray()

    def send(self, message: Message, size: int = 0) -> None:
        """Send a message soon, with so many bytes of a request or an answer in it. When the other end is gone it is dropped,
        as `lost` tells."""
        self._outgoing.append(message)
        self._bytes += size
        if len(self._outgoing) >= _BURST or self._bytes >= _BULK:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    def read(self, wanted: bool) -> None:
        """Whether to read what the other end sends."""
        if self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """Send what waits, then end."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End now: the other end is not what it should be."""
        self._transport.abort()

    # --- the transport's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        incoming += data
        begin = 0
        while len(incoming) - begin >= _LENGTH:
            length = int.from_bytes(incoming[begin : begin + _LENGTH], "big")
            end = begin + _LENGTH + length
            if length > FRAME:
                self.abort()
                return
            if len(incoming) < end:
                break
            frame = bytes(incoming[begin + _LENGTH : end])
            begin = end
            try:
                for message in self._decoder.decode(frame):
                    self._received(self, message)
            except Exception as error:  # the other end does not speak this language, or this one has a bug
                logs.failure("link between two processes broken", error)
                self.abort()
                return
        del incoming[:begin]

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if self._full:
            self._full = False
            self._crowded(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    # --- inside

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        messages, self._outgoing = self._outgoing, []
        self._bytes = 0
        if messages and not self._transport.is_closing():
            frame = _encode(messages)
            self._transport.write(len(frame).to_bytes(_LENGTH, "big") + frame)
            if self._blocked and not self._full and self._transport.get_write_buffer_size() > CROWD:
                self._full = True
                self._crowded(True)
