"""The floor: a bare asyncio protocol with httptools on uvloop over TLS that answers every request with the same bytes.

    python -m bench.floor CERTIFICATE KEY BYTES

It prints its port. What it can't do, no server in Python on this machine can.
"""

import asyncio
import sys
from typing import Any

import httptools
import uvloop

from keystead.server.network.listener import server_context


class Floor(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: tuple[bytes, bytes]) -> None:
        self._answers = answers  # on a connection that goes on, and on one that ends
        self._transport: Any = None
        self._parser: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        last = not self._parser.should_keep_alive()
        if not self._transport.is_closing():
            self._transport.write(self._answers[last])
        if last:
            self._transport.close()


async def serve(certificate: str, key: str, size: int) -> None:
    """Serve until the process is ended."""
    context = server_context()
    context.load_cert_chain(certificate, key)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    answers = tuple(head % (size, last) + b"x" * size for last in (b"", b"Connection: close\r\n"))
    server = await asyncio.get_running_loop().create_server(
        lambda: Floor((answers[0], answers[1])), "127.0.0.1", 0, ssl=context
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
