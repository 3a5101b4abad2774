"""HTTP/1.1 on a connection: bytes to HttpRequest, HttpResponse to bytes. No meaning, strict framing, bounded everything.

llhttp (through httptools) parses; what it leaves open is refused here: more than one length, a length beside a transfer
coding, codings other than chunked, header names or values with control characters, a signature's headers twice. After
any such thing the connection is answered once and closed, since nobody can tell where the next request begins.
"""

import asyncio
import email.utils
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
import msgspec

from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.clock import Clock
from keystead.server.network import peer
from keystead.server.network.forwarded import Origins
from keystead.server.network.framing import Refused, check_head, end_of_piece, joined
from keystead.server.network.limits import Connections, Handler, Limits, Refuse

_GOODBYE = 0.3  # seconds
_SHORT = 64 * 1024  # bytes of a body
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class HttpServer:
    """What the connections of one listener share: handler, limits, the date, the sweep for deadlines."""

    def __init__(
        self,
        handler: Handler,
        *,
        refuse: Refuse,
        limits: Limits,
        clock: Clock,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
        channel: Channel = Channel.NETWORK,
    ) -> None:
        self.handler = handler
        self.refuse = refuse
        self.limits = limits
        self.clock = clock
        self.observer = connections
        self.loop = loop
        self.channel = channel
        self.open: set[HttpProtocol] = set()
        self.draining = False  # each connection ends with its next answer
        self.stopping = False
        self.held = False
        self.waiting: set[HttpProtocol] = set()  # until it is held no longer
        self.origins = Origins()
        self.arriving = 0  # bytes of bodies that are not whole
        self._date = (0, "")
        self._sweep: asyncio.TimerHandle | None = loop.call_later(1, self._check_deadlines)

    def protocol(self) -> "HttpProtocol":
        """For create_server: a protocol for one more connection."""
        return HttpProtocol(self)

    def date(self) -> str:
        """The Date header's value, made once a second."""
        now = int(self.clock.now())
        if now != self._date[0]:
            self._date = (now, email.utils.formatdate(now, usegmt=True))
        return self._date[1]

    def hold(self, held: bool) -> None:
        """Hand on no request for the time being, or go on. Who sends more of them meanwhile is not read."""
        self.held = held
        if not held:
            waiting, self.waiting = self.waiting, set()
            for connection in waiting:
                connection.go_on()

    async def stop(self, seconds: float) -> None:
        """Let accepted requests finish, for at most so long; close idle connections at once, and with 0 all of them."""
        self.draining = self.stopping = True
        for connection in list(self.open):
            connection.close_if_idle()
        deadline = self.loop.time() + seconds
        while any(connection.busy for connection in self.open) and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
        # Time for what was written to leave; a client that does not say goodbye is not waited for.
        leaving = self.loop.time() + min(_GOODBYE, seconds)
        while self.open and self.loop.time() < leaving:
            await asyncio.sleep(0.02)
        for connection in list(self.open):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _check_deadlines(self) -> None:
        now = self.loop.time()
        for connection in list(self.open):
            connection.check_deadline(now)
        self._sweep = self.loop.call_later(1, self._check_deadlines)


class _Exchange(msgspec.Struct):
    """One request and, later, its response; responses leave in the order of the requests."""

    head: bool
    close: bool
    response: HttpResponse | None = None


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._limits = server.limits
        self._transport: Any = None
        self._parser: Any = None
        self._peer = peer.Peer("")
        self._exchanges: list[_Exchange] = []
        self._pending = b""  # arrived, and not parsed before requests may be taken again
        self._reading = True
        self._closing = False  # no further request is read
        self._since = 0.0  # when the request that is being read began; 0: none is
        self._idle_since = 0.0
        self._blocked_since = 0.0  # when the client stopped taking what is written; 0: it takes it
        self._reset()

    def _reset(self) -> None:
        self._target = bytearray()
        self._fields: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._body = bytearray()
        self._upgrade = False

    # --- the transport's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        server = self._server
        server.observer.opened()
        server.open.add(self)
        now = server.loop.time()
        self._idle_since = now
        self._peer = peer.of(transport)
        transport.set_write_buffer_limits(high=self._limits.buffered)
        self._parser = httptools.HttpRequestParser(self)
        if len(server.open) > self._limits.connections or server.stopping:
            self._refuse(Refused(503, "ServiceUnavailable", "There are too many connections; try again."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open.discard(self)
        self._server.observer.closed()
        self._server.waiting.discard(self)
        self._closing = True
        self._forget_body()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._pending:
            self._pending += data  # it was on its way when reading was paused
            return
        if not self._since:
            self._since = self._server.loop.time()
        if self._reading and not self._server.held and end_of_piece(data) == len(data):
            # One request, the usual: the same as below, without its questions.
            if self._parse(data) and len(self._exchanges) >= self._limits.pipelined:
                self._pause()
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Parse what arrived, request by request, for as long as requests may be taken."""
        begin = 0
        while begin < len(data):
            if self._stuck():
                self._pending = data[begin:]
                break
            end = end_of_piece(data, begin)
            if not self._parse(data[begin:end]):
                return
            begin = end
        if self._stuck():
            self._pause()

    def _stuck(self) -> bool:
        """Whether no more requests may be taken: too many await answers, those are not taken, or the server holds all."""
        full = len(self._exchanges) >= self._limits.pipelined
        return full or self._blocked_since != 0 or self._server.held

    def _pause(self) -> None:
        if self._server.held:
            self._server.waiting.add(self)
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Take what waits, and read again, if requests may be taken again."""
        if self._reading or self._closing:
            return
        if self._stuck():
            self._pause()
            return
        pending, self._pending = self._pending, b""
        if pending or self._since:
            self._since = self._server.loop.time()
        self._take(pending)
        if not self._stuck() and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _parse(self, data: bytes) -> bool:
        """Whether it is well-formed so far."""
        try:
            self._parser.feed_data(data)
            return True
        except Refused as refused:
            self._refuse(refused)
        except httptools.HttpParserUpgrade:
            self._refuse(Refused(400, "InvalidRequest", "CONNECT and Upgrade are not served."))
        except httptools.HttpParserError as error:
            # A refusal raised in a callback comes back wrapped.
            cause = error.__context__
            while cause is not None and not isinstance(cause, Refused):
                cause = cause.__context__
            self._refuse(cause or Refused(400, "InvalidRequest", "The request is not well-formed HTTP/1.1."))
        return False

    def pause_writing(self) -> None:
        self._blocked_since = self._server.loop.time()
        self._pause()

    def resume_writing(self) -> None:
        self._blocked_since = 0.0
        self.go_on()

    def eof_received(self) -> bool:
        # A client that half-closes still gets the answers to what it sent.
        self._closing = True
        return bool(self._exchanges) and not self._peer.tls  # TLS has no half-closed state

    # --- the parser's side

    def on_message_begin(self) -> None:
        if self._closing:
            raise Refused(400, "InvalidRequest", "Nothing may follow a request that closes the connection.")
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > self._limits.target:
            raise Refused(
                414, "InvalidRequest", f"The request target is longer than {self._limits.target} bytes."
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        self._fields.append((name, value))
        if self._header_bytes > self._limits.headers or len(self._fields) > self._limits.header_fields:
            raise Refused(
                431,
                "InvalidRequest",
                f"The headers are more than {self._limits.header_fields} or longer than {self._limits.headers} bytes.",
            )

    def on_headers_complete(self) -> None:
        version = self._parser.get_http_version()
        headers = self._headers = joined(self._fields)
        check_head(version, self._parser.get_method(), self._target, headers, self._limits.body)
        expect = headers.get("expect")
        if expect is not None:
            if expect.lower() != "100-continue":
                raise Refused(417, "InvalidRequest", "Expect must be 100-continue.")
            if version == "1.1":
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        server = self._server
        self._body += body
        server.arriving += len(body)
        if len(self._body) > self._limits.body:
            raise Refused(413, "InvalidRequest", f"The body is longer than {self._limits.body} bytes.")
        if server.arriving > self._limits.bodies and len(self._body) > _SHORT:
            raise Refused(503, "ServiceUnavailable", "There are too many long requests; try again.")

    def _forget_body(self) -> None:
        self._server.arriving -= len(self._body)
        self._body = bytearray()

    def on_message_complete(self) -> None:
        server, self._since = self._server, 0.0
        try:
            target = self._target.decode("ascii")
        except UnicodeDecodeError:
            raise Refused(
                400, "InvalidRequest", "The request target must be percent-encoded ASCII."
            ) from None
        source, tls = server.origins.of(self._peer, self._headers, server.limits.trusted_proxies)
        method = self._parser.get_method().decode()
        close = not self._parser.should_keep_alive() or server.draining
        exchange = _Exchange(method == "HEAD", close)
        self._exchanges.append(exchange)
        if close:
            self._closing = True
        body = bytes(self._body)
        if body:
            self._forget_body()
        request = HttpRequest(
            method=method,
            target=target,
            headers=self._headers,
            body=body,
            source=source,
            user=self._peer.user,
            tls=tls,
            channel=server.channel,
            awaited=None if server.channel is Channel.NETWORK else partial(peer.waits, self._transport),
        )
        server.handler(request, lambda response: self._answer(exchange, response))

    # --- answers

    def _answer(self, exchange: _Exchange, response: HttpResponse) -> None:
        exchange.response = response
        while self._exchanges and self._exchanges[0].response is not None:
            first = self._exchanges.pop(0)
            assert first.response is not None
            # What was accepted before and is behind it on this connection is still to be answered.
            close = first.close or (self._server.draining and not self._exchanges)
            self._send(first.response, head=first.head, close=close)
            if close:
                self._exchanges.clear()
                return
        self._idle_since = self._server.loop.time()
        if not self._reading:
            self.go_on()
        if self._closing and not self._exchanges:
            self._transport.close()

    def _send(self, response: HttpResponse, *, head: bool, close: bool) -> None:
        status, body = response.status, response.body
        more = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        if close:
            more += "Connection: close\r\n"
        top = (
            f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\nDate: {self._server.date()}\r\n"
            f"Content-Type: {response.content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        )
        self._write(top.encode() if head else top.encode() + body)
        if close:
            self._closing = True
            self._transport.close()

    def _write(self, data: bytes) -> None:
        # uvloop raises when the other side is already gone; there is nobody left to tell.
        if not self._transport.is_closing():
            self._transport.write(data)

    def _refuse(self, refused: Refused) -> None:
        self._server.observer.refused(refused.code)
        self._closing = True
        self._since = 0.0
        self._forget_body()
        exchange = _Exchange(False, True)
        self._exchanges.append(exchange)
        response = self._server.refuse(refused.status, refused.code, refused.message)
        self._answer(exchange, response)

    # --- deadlines and the end

    def check_deadline(self, now: float) -> None:
        """Close what takes too long: an unfinished request, an idle connection, an answer that is not taken."""
        limits = self._limits
        if self._blocked_since and now - self._blocked_since > limits.write_seconds:
            self.abort()
        elif not self._reading:
            pass  # it is not the client that keeps anybody waiting
        elif self._since and now - self._since > limits.request_seconds:
            self._refuse(Refused(408, "InvalidRequest", "The request took too long to arrive."))
        elif not self._exchanges and not self._since and now - self._idle_since > limits.idle_seconds:
            self._transport.close()

    @property
    def busy(self) -> bool:
        """Whether an accepted request is still to be answered, or its answer to be taken by the client."""
        return bool(self._exchanges) or self._transport.get_write_buffer_size() > 0

    def close_if_idle(self) -> None:
        """Close the connection unless an accepted request is still to be answered."""
        if not self._exchanges:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._closing = True
        self._transport.abort()
