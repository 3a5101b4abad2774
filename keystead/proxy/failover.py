"""Several addresses of one service behind the proxy: each request goes to the server that answers now.

That is the first one, until it can't be reached or answers 503; then the next, until that is so again. A request is read
whole before it is sent, so that another server can be sent the same: its signature is good for any. What was sent and was
not answered may have been carried out, so it is sent to no other: its client is told by the end of its connection, and
knows whether the call may be repeated.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from keystead.proxy.http1 import END_OF_HEAD, headers_of, whole_body
from keystead.proxy.tap import Tap
from keystead.proxy.upstream import Gone, Upstream

_ANSWER = 60.0  # seconds until a server that answers nothing is given up

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answer(NamedTuple):
    """What a server sent, as it came; `last`: whether it ends the connection."""

    status: int
    raw: bytes
    last: bool


class Failover:
    """The servers, in the order in which they are tried; whoever asks next begins with the one that answered last."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self.upstreams = upstreams
        self.place = 0

    def pass_over(self, place: int) -> None:
        """The server at this place does not answer: it is the next one's turn, unless that is so already."""
        if place == self.place:
            self.place = (place + 1) % len(self.upstreams)


class Conversation:
    """The requests of one client's connection, one after the other."""

    def __init__(self, servers: Failover, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._servers = servers
        self._reader = reader
        self._writer = writer
        self._far: tuple[int, Connection] | None = None  # the server's place, and the connection to it
        self.asked: tuple[list[str], bytes] = ([""], b"")
        """The head's lines and the body of the request that is being answered."""

    async def hold(self, first: tuple[list[str], bytes] | None, tap: Tap | None) -> None:
        """Answer all requests, beginning with one that was read already, if one was. Gone if no server could be sent one;
        OSError and the like when one side went away."""
        try:
            while (asked := first or await self._request()) is not None:
                first, self.asked = None, asked
                answer = await self._answered(tap)
                if tap is not None:
                    tap.received(answer.raw)
                self._writer.write(answer.raw)
                await self._writer.drain()
                if answer.last:
                    return
        finally:
            self._leave()
            if tap is not None:
                tap.ended()

    async def _request(self) -> tuple[list[str], bytes] | None:
        """The next request; None if the client is done."""
        try:
            head = await self._reader.readuntil(END_OF_HEAD)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        lines = head.decode("latin-1").split("\r\n")
        if "expect" in headers_of(lines):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = [line for line in lines if not line.lower().startswith("expect:")]
        return lines, await whole_body(headers_of(lines), self._reader)

    async def _answered(self, tap: Tap | None) -> Answer:
        """The answer of the first server that has another one than 503, else that one; Gone if none could be asked."""
        lines, body = self.asked
        raw = "\r\n".join(lines).encode("latin-1") + body
        refused: Answer | None = None
        reasons: list[str] = []
        told = False
        for _ in self._servers.upstreams:
            place = self._servers.place
            try:
                far = await self._connection(place)
            except Gone as gone:
                reasons.append(str(gone))
                self._servers.pass_over(place)
                continue
            if tap is not None and not told:
                tap.sent(raw)
                told = True
            try:
                answer = await asyncio.wait_for(
                    _exchange(far, raw, head=lines[0].startswith("HEAD ")), _ANSWER
                )
            except BaseException:
                self._servers.pass_over(place)  # for the requests to come
                raise
            if answer.last:
                self._leave()
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
            refused = answer
            self._servers.pass_over(place)
        if refused is None:
            raise Gone("; ".join(reasons))
        return refused

    async def _connection(self, place: int) -> Connection:
        """To the server at this place: the one that is there, or a new one. Gone if there is none to be had."""
        if self._far is not None:
            at, far = self._far
            if at == place and not far[0].at_eof():
                return far
            self._leave()
        far = await self._servers.upstreams[place].connect()
        self._far = (place, far)
        return far

    def _leave(self) -> None:
        if self._far is not None:
            self._far[1][1].transport.abort()
            self._far = None


async def _exchange(far: Connection, raw: bytes, *, head: bool) -> Answer:
    """Send a request, and read its answer. OSError and the like if there is none."""
    reader, writer = far
    writer.write(raw)
    while True:
        got = await reader.readuntil(END_OF_HEAD)
        lines = got.decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not rest[:3].isdecimal():
            raise ConnectionError("it does not speak HTTP")
        status = int(rest[:3])
        if status >= HTTPStatus.OK:  # below it is not the answer yet
            break
    headers = headers_of(lines)
    last = version != "HTTP/1.1" or "close" in headers.get("connection", "").lower()
    if head or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return Answer(status, got, last)
    if "content-length" in headers or "transfer-encoding" in headers:
        return Answer(status, got + await whole_body(headers, reader), last)
    return Answer(status, got + await reader.read(), True)
