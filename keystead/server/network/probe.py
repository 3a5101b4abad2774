"""Whether a listener answers, seen as its clients see it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence

LIMIT = 2.0  # seconds that an answer may take
# A head whose body is asked for before it is sent: it is answered by whoever reads HTTP, and is no request yet.
_HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
_ANSWER = b"HTTP/1.1 100 "
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class Probe:
    """Asks the listeners behind these sockets. Who asks while that is under way shares the answer."""

    def __init__(self, sockets: Sequence[socket.socket], *, tls: bool) -> None:
        self._addresses = [one.getsockname()[:2] for one in sockets]
        self._context: ssl.SSLContext | None = None
        if tls:
            # Who listens there is known: what matters is that, not who, it is.
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self._asking: asyncio.Task[str] | None = None

    async def problem(self) -> str:
        """What is wrong with one of them; empty: nothing is."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str:
        found = await asyncio.gather(*(self._one(*address) for address in self._addresses))
        return next(filter(None, found), "")

    async def _one(self, host: str, port: int) -> str:
        where = f"port {port} at {host}"
        writer = None
        try:
            async with asyncio.timeout(LIMIT):
                reader, writer = await asyncio.open_connection(
                    _EVERYWHERE.get(host, host), port, ssl=self._context
                )
                writer.write(_HEAD)
                answer = await reader.readline()
        except TimeoutError:
            return f"{where} does not answer"
        except OSError as error:
            return f"{where} does not answer: {error.strerror or type(error).__name__}"
        finally:
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.transport.abort()
        if answer.startswith(_ANSWER):
            return ""
        return f"{where} answers {answer[9:12].decode('latin-1') or 'nothing'}"
