"""The proxy: answers for the vendor's hosts of the products that we serve, passes everything else through untouched.

A CONNECT to `kms[-vpc].<region>.aliyuncs.com` ends here, in a TLS connection under the CA of this run; its bytes go on to
the server unchanged, Host header included, since signatures cover it. There each request's own signature protects, and some
clients can give a proxy no credentials. What goes outward does so for the user alone who runs this: for who has the token in
the proxy's URL, and without it for connections that the system says are this user's.
"""

import asyncio
import base64
import hmac
import os
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from keystead.api.http.encode import failure
from keystead.api.http.message import HttpRequest
from keystead.clock import Clock
from keystead.crypto.authority import Authority
from keystead.entropy import Entropy, uuid4
from keystead.errors import KmsError, ServiceUnavailable
from keystead.portable import file_with
from keystead.proxy import peer
from keystead.proxy.failover import Conversation, Failover
from keystead.proxy.http1 import as_request, body_of, headers_of, once, one_request, say
from keystead.proxy.interception import Route, asks_elsewhere, route_of
from keystead.proxy.tap import Tap, Watch
from keystead.proxy.tunnel import Tunnel, authorization
from keystead.proxy.upstream import Gone, Upstream

LIFETIME = 24 * 3600
_HEAD = 256 * 1024  # a request line of 128 KiB and its headers
_CHUNK = 65536
_GOODBYE = 1.0  # seconds
_CONTEXTS = 256  # host names whose certificates are kept

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Serve = Callable[[Reader, Writer], Coroutine[Any, Any, None]]


class NotServed(
    KmsError,
    code="UnsupportedProduct",
    status=404,
    message="Keystead answers for kms, ram, sts and location hosts; it does not serve {host}.",
    gateway=True,
): ...


class HttpsOnly(
    KmsError,
    code="UnsupportedProtocol",
    status=400,
    message="Plain HTTP would show secrets to the network; call {host} by HTTPS.",
    gateway=True,
): ...


class ServerGone(
    KmsError,
    code=ServiceUnavailable.code,
    status=ServiceUnavailable.status,
    message="The request has failed due to a temporary failure of the server. Keystead's proxy has no server: {reason}.",
    gateway=True,
): ...


class ProxyServer:
    """One proxy on a loopback port, with a CA of its own whose key never leaves memory."""

    def __init__(
        self,
        upstream: Upstream | Failover,
        tunnel: Tunnel,
        clock: Clock,
        entropy: Entropy,
        lifetime: int = LIFETIME,
        watch: Watch | None = None,
    ) -> None:
        """`watch` is told every call that is answered here; then there is also a way to the server for those who need no
        proxy, plain HTTP at `direct_url`."""
        self._lifetime = lifetime
        self._upstream = upstream
        self._tunnel = tunnel
        self._clock = clock
        self._entropy = entropy
        self._token = entropy.take(24).hex()
        self._authority = Authority.create(
            "Keystead run CA",
            dns=["aliyuncs.com"],
            addresses=[],
            now=clock.now(),
            lifetime=lifetime,
            entropy=entropy,
        )
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._watch = watch
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.direct_url = ""

    @property
    def certificate_pem(self) -> bytes:
        """The CA that clients must trust."""
        return self._authority.certificate_pem

    async def start(self) -> None:
        """Listen on a free loopback port; `url` has the token in it."""
        self.url = f"http://keystead:{self._token}@127.0.0.1:{await self._listen(self._serve)}"
        if self._watch is not None:
            self.direct_url = f"http://127.0.0.1:{await self._listen(partial(self._forward, ''))}"

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one connection

    async def _listen(self, serve: Serve) -> int:
        """Accept connections that are served so; the port."""
        server = await asyncio.start_server(partial(self._accept, serve), "127.0.0.1", 0, limit=_HEAD)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def _accept(self, serve: Serve, reader: Reader, writer: Writer) -> None:
        # A task of our own: asyncio tells the end of its own by cancellation as a fault (until Python 3.12).
        task = asyncio.get_running_loop().create_task(self._converse(serve, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, serve: Serve, reader: Reader, writer: Writer) -> None:
        try:
            await serve(reader, writer)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # one side went away, or never spoke HTTP
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            await _closed(writer)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode("latin-1")
        lines = head.split("\r\n")
        try:
            method, target, _ = lines[0].split(" ", 2)
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host = parts.hostname or ""
        except ValueError:
            await say(writer, "400 Bad Request", "this is an HTTP proxy\n")
            return
        answered = target.endswith(":443") if method == "CONNECT" else parts.scheme == "http"
        route = route_of(host)
        if not answered and route is not Route.PASS:
            route = Route.REFUSE  # at another port the vendor would have it
        if route is Route.PASS and not await self._may_pass(lines, writer):
            return
        if method == "CONNECT":
            await self._connect(route, host, parts, lines, reader, writer)
        else:
            await self._plain(route, host, parts, lines, reader, writer)

    async def _may_pass(self, lines: list[str], writer: Writer) -> bool:
        """Whether a client with this head may go outward by way of this proxy; if not, it was told so."""
        if self._authorized(headers_of(lines).get("proxy-authorization"), writer):
            return True
        await say(
            writer,
            "407 Proxy Authentication Required",
            "the proxy of keystead run asks for the token in its URL\n",
            'Proxy-Authenticate: Basic realm="keystead"',
        )
        return False

    def _authorized(self, given: str | None, writer: Writer) -> bool:
        if given is None:
            return peer.owner(writer) == os.geteuid()  # Java can give a proxy no token
        return self._is_token(given)

    def _is_token(self, given: str) -> bool:
        scheme, _, encoded = given.strip().partition(" ")
        try:
            pair = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(pair, f"keystead:{self._token}".encode())

    def _once(self, lines: list[str], body: bytes, *more: str) -> bytes:
        """What goes on, without our token: some clients copy a proxy's credentials into the request itself."""
        kept = [lines[0]]
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.strip().lower() != "authorization" or not self._is_token(value):
                kept.append(line)
        return once(kept, body, *more)

    async def _connect(
        self, route: Route, host: str, parts: SplitResult, lines: list[str], reader: Reader, writer: Writer
    ) -> None:
        if route is not Route.PASS:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self._context(host), ssl_handshake_timeout=30)
            if route is Route.SERVE:
                await self._forward(host, reader, writer)
            elif route is Route.ASK:
                await self._ask(host, lines, reader, writer)
            else:
                asked, body = await one_request(reader)
                where = host if parts.port == 443 else f"{host}:{parts.port}"
                await self._fail(NotServed(host=where), host, writer, as_request(asked, body))
            return
        try:
            far_reader, far_writer = await asyncio.wait_for(self._tunnel.open(host, parts.port or 0), 60)
        except (OSError, ValueError, ssl.SSLError, TimeoutError):
            await say(writer, "502 Bad Gateway", f"cannot reach {host}\n")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, far_reader, far_writer)

    async def _ask(self, host: str, lines: list[str], reader: Reader, writer: Writer) -> None:
        """In TLS: one request whose meaning decides where it goes."""
        asked, body = await one_request(reader)
        first, request = self._once(asked, body), as_request(asked, body)
        if not asks_elsewhere(request):
            await self._forward(host, reader, writer, first, request)
        elif await self._may_pass(lines, writer):
            try:
                far_reader, far_writer = await asyncio.wait_for(self._tunnel.open_tls(host), 60)
            except (OSError, ssl.SSLError, TimeoutError):
                await say(writer, "502 Bad Gateway", f"cannot reach {host}\n")
                return
            far_writer.write(first)
            await _join(reader, writer, far_reader, far_writer)

    async def _plain(
        self, route: Route, host: str, parts: SplitResult, lines: list[str], reader: Reader, writer: Writer
    ) -> None:
        """A plain-HTTP request in absolute form."""
        if parts.scheme != "http" or not host:
            await say(writer, "400 Bad Request", "this is an HTTP proxy\n")
            return
        method, target, _ = lines[0].split(" ", 2)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        here = [f"{method} {path} HTTP/1.1", *lines[1:]]
        if route in (Route.SERVE, Route.REFUSE):
            await self._fail(HttpsOnly(host=host), host, writer, as_request(here, b""))
            return
        body = b""
        if route is Route.ASK:
            body = await body_of(here, reader)
            request = as_request(here, body)
            if not asks_elsewhere(request):
                await self._forward(host, reader, writer, self._once(here, body), request)
                return
            if not await self._may_pass(lines, writer):
                return
        proxy = self._tunnel.proxy("http", host)
        try:
            if proxy is None:
                far_reader, far_writer = await asyncio.open_connection(host, parts.port or 80)
            else:
                far_reader, far_writer = await self._tunnel.to_proxy(proxy)
        except (OSError, ValueError, ssl.SSLError):
            await say(writer, "502 Bad Gateway", f"cannot reach {host}\n")
            return
        more = [] if proxy is None else authorization(proxy)
        first = f"{method} {path if proxy is None else target} HTTP/1.1"
        far_writer.write(self._once([first, *lines[1:]], body, *more))
        await _join(reader, writer, far_reader, far_writer)

    async def _forward(
        self,
        host: str,
        reader: Reader,
        writer: Writer,
        first: bytes = b"",
        request: HttpRequest | None = None,
    ) -> None:
        """To the server, beginning with the request that was read already, if one was."""
        tap = None if self._watch is None else Tap(self._watch)
        if isinstance(self._upstream, Failover):
            await self._converse_with(self._upstream, host, reader, writer, first, tap)
            return
        try:
            far_reader, far_writer = await self._upstream.connect()
        except Gone as gone:
            request = request or as_request(*await one_request(reader))
            await self._fail(ServerGone(reason=str(gone)), host, writer, request)
            return
        if tap is not None:
            tap.sent(first)
        far_writer.write(first)
        await _join(reader, writer, far_reader, far_writer, tap)

    async def _converse_with(
        self, servers: Failover, host: str, reader: Reader, writer: Writer, first: bytes, tap: Tap | None
    ) -> None:
        """As `_forward`, to whichever of several servers answers."""
        talk = Conversation(servers, reader, writer)
        try:
            head, _, body = first.partition(b"\r\n\r\n")
            read = (f"{head.decode('latin-1')}\r\n\r\n".split("\r\n"), body) if first else None
            await talk.hold(read, tap)
        except Gone as gone:
            await self._fail(ServerGone(reason=str(gone)), host, writer, as_request(*talk.asked))

    async def _fail(self, error: KmsError, host: str, writer: Writer, request: HttpRequest) -> None:
        """The answer to a request that was read to its end: a client that still sends may not see it."""
        response = failure(error, uuid4(self._entropy), host, False)
        if self._watch is not None:
            self._watch(request)(response)
        await say(writer, f"{response.status} Refused", response.body.decode(), kind=response.content_type)

    def _context(self, host: str) -> ssl.SSLContext:
        context = self._contexts.get(host)
        if context is None:
            leaf = self._authority.issue([host], [], self._clock.now(), self._lifetime)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            with file_with(leaf.certificate_pem) as certificate, file_with(leaf.key_pem) as key:
                context.load_cert_chain(certificate, key)
            if len(self._contexts) >= _CONTEXTS:
                # No client has so many regions: whoever asks for more is not to fill the memory.
                self._contexts.pop(next(iter(self._contexts)))
            self._contexts[host] = context
        return context


async def _join(
    reader: Reader, writer: Writer, far_reader: Reader, far_writer: Writer, tap: Tap | None = None
) -> None:
    """Pass bytes both ways until both sides are done, or one is gone."""
    try:
        tasks = [
            asyncio.create_task(_pass(reader, far_writer, None if tap is None else tap.sent)),
            asyncio.create_task(_pass(far_reader, writer, None if tap is None else tap.received)),
        ]
        try:
            # When the far side is done nothing more will come for the client; the other way round it may.
            await tasks[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if tap is not None:
            tap.ended()
        await _closed(far_writer)


async def _closed(writer: Writer) -> None:
    """Close, and wait for the other side's goodbye, which may never come; nothing is left for the loop's end to find."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), _GOODBYE)
    except (OSError, ssl.SSLError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


async def _pass(reader: Reader, writer: Writer, heard: Callable[[bytes], None] | None) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(_CHUNK):
            if heard is not None:
                heard(data)  # before, so that whoever has an answer finds its line in the log
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
