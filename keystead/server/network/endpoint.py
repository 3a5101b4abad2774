"""Where requests come in: listening sockets, TLS and HTTP, in the process that runs this."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

from keystead.api.http.encode import refusal
from keystead.api.http.message import Channel, HttpResponse
from keystead.clock import Clock
from keystead.server.network import listener
from keystead.server.network.connection import HttpServer
from keystead.server.network.limits import Connections, Handler, Limits
from keystead.server.network.listener import Pem

DRAINING = "the server is about to stop"
_SHUTDOWN = 2.0  # seconds that a client has to say goodbye in TLS


class Endpoint:
    """A listener. Without a certificate it speaks plain HTTP."""

    def __init__(
        self,
        handler: Handler,
        sockets: Sequence[socket.socket],
        *,
        limits: Limits,
        clock: Clock,
        connections: Connections,
        channel: Channel = Channel.NETWORK,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._limits = limits
        self._http = HttpServer(
            handler,
            refuse=refuse,
            limits=limits,
            clock=clock,
            connections=connections,
            loop=self._loop,
            channel=channel,
        )
        self._context: ssl.SSLContext | None = None
        self._servers: list[asyncio.AbstractServer] = []

    async def start(self, pem: Pem | None = None) -> None:
        """Accept connections."""
        if pem is not None:
            self._context = listener.server_context()
            self.present(pem)
        for one in self._sockets:
            create = (
                self._loop.create_unix_server if one.family == socket.AF_UNIX else self._loop.create_server
            )
            self._servers.append(
                await create(
                    self._http.protocol,
                    sock=one,
                    ssl=self._context,
                    ssl_handshake_timeout=self._limits.request_seconds if self._context else None,
                    ssl_shutdown_timeout=_SHUTDOWN if self._context else None,
                )
            )

    @property
    def problem(self) -> str:
        """What keeps it from serving; empty: nothing."""
        return DRAINING if self._http.draining else ""

    def present(self, pem: Pem) -> None:
        """Serve this certificate on every connection from now on."""
        assert self._context is not None
        listener.load_certificate(self._context, pem)

    def when_presented(self, then: Callable[[], None]) -> None:
        """Call `then` when what was presented is served: it is."""
        then()

    def adjust(self, limits: Limits) -> None:
        """Keep to these limits on new connections."""
        self._limits = self._http.limits = limits

    def hold(self, held: bool) -> None:
        """Take no requests for the time being, or take them again; clients that send some wait meanwhile."""
        self._http.hold(held)

    def drain(self) -> None:
        """Go on serving, and let each connection end with its next answer."""
        self._http.draining = True

    async def stop(self, seconds: float) -> None:
        """Accept nothing more, and let accepted requests finish, for at most so long."""
        for server in self._servers:
            server.close()
        for one in self._sockets:
            one.close()
        await self._http.stop(seconds)


def refuse(status: int, code: str, message: str) -> HttpResponse:
    """The answer to what is not even a request, in the shape that clients parse."""
    return refusal(status, code, message, "", "", False)
