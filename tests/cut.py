"""The network between a client and a database, for tests: it can be cut and stalled, and lose a commit or its answer."""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable
from typing import Literal

_CHUNK = 65536
# The statement, and the tag by which the server says that it has committed.
_WORDS = {"commit": re.compile(rb"\bCOMMIT\b", re.I), "answer": re.compile(rb"COMMIT\0")}
_PART = 6  # bytes of a word that may end one chunk
_RESET = struct.pack("ii", 1, 0)  # closing sends a reset, and forgets what was not sent


class Cut:
    """What listens on `port` and passes all on to the `target` port, both on 127.0.0.1.

    It sees words in the clear only, so what is lost by word has to come without TLS. Each loss happens once, is counted in
    `losses`, and resets its connection; what connects anew is served.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.losses = 0
        self._to_lose: Literal["", "commit", "answer"] = ""
        self._refuses = False
        self._links: set[_Link] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)

    def __enter__(self) -> "Cut":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def cut(self) -> None:
        """Reset all connections, and each new one, until it is healed."""

        def act() -> None:
            self._refuses = True
            self._flows.set()
            for link in list(self._links):
                link.reset()

        self._do(act)

    def stall(self) -> None:
        """Hold all that is sent, in both directions, until it is healed or cut."""
        self._do(self._flows.clear)

    def heal(self) -> None:
        """Pass on what was held, and take new connections."""

        def act() -> None:
            self._refuses = False
            self._flows.set()

        self._do(act)

    def lose_commit(self) -> None:
        """The next COMMIT does not reach the server."""
        self._to_lose = "commit"

    def lose_answer(self) -> None:
        """The next COMMIT is done, and the client does not come to know it."""
        self._to_lose = "answer"

    def _do(self, act: Callable[[], None]) -> None:
        """Run it where the connections are; on return it has happened to them."""

        async def done() -> None:
            act()
            await asyncio.sleep(0)  # what is reset is closed in the next round

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        server = await asyncio.start_server(self._connected, sock=listening)
        await self._over.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            await self._flows.wait()
            if self._refuses:
                return
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
            link.add(to_server)
            await asyncio.gather(
                self._pump(link, reader, to_server, "commit"), self._pump(link, from_server, writer, "answer")
            )
        except OSError:
            pass  # one side has gone, and so the other goes
        finally:
            link.reset()
            self._links.discard(link)

    async def _pump(
        self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, brings: str
    ) -> None:
        seen = b""
        while data := await reader.read(_CHUNK):
            await self._flows.wait()
            seen = seen[-_PART:] + data
            if self._to_lose == brings and _WORDS[brings].search(seen):
                self._to_lose = ""
                self.losses += 1
                link.reset()
                return
            writer.write(data)
            await writer.drain()
        await self._flows.wait()
        writer.write_eof()


class _Link:
    """The two connections of one client."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self._ends = [client]

    def add(self, server: asyncio.StreamWriter) -> None:
        gone = self._ends[0].is_closing()
        self._ends.append(server)
        if gone:
            self.reset()

    def reset(self) -> None:
        for end in self._ends:
            if not end.is_closing():
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.transport.abort()
