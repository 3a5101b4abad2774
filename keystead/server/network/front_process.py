"""The front process: TLS, HTTP and the reading of requests, before the process that has the keys.

It obeys the link alone: signals that a terminal or a service manager sends to all processes are the server's to follow (it
starts with them blocked), and when the server is gone, so is this.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvloop

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.api.http.receive import receive
from keystead.clock import SystemClock
from keystead.console.carrier import page_of
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.network import confinement
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits, Reply
from keystead.server.network.link import (
    Adjust,
    Alive,
    Answered,
    Asked,
    Begin,
    Closed,
    Drain,
    FromServer,
    Link,
    Listening,
    Malformed,
    Opened,
    Ping,
    Present,
    Presented,
    Stop,
    Visited,
)
from keystead.server.network.listener import Pem
from keystead.server.network.pages import is_visit


class FrontProcess:
    """This process' end of the link, and the endpoint behind it."""

    def __init__(self, confine: Callable[[], tuple[str, ...]] = tuple) -> None:
        """`confine` is called when all that is needed is open; says what could not be given up."""
        self._confine = confine
        self._loop = asyncio.get_running_loop()
        self._link = Link(list[FromServer], self._received, self._lost, self._crowded)
        self._endpoint: Endpoint | None = None
        self._limits = Limits()
        self._pem: Pem | None = None
        self._replies: dict[int, Reply] = {}
        self._number = 0
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, descriptor: int) -> None:
        """Serve until told to stop, or until the server is gone."""
        await self._loop.create_unix_connection(lambda: self._link, sock=socket.socket(fileno=descriptor))
        await self._ended.wait()

    # --- for the connections

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        """Read a request and hand it on."""
        if is_visit(request):
            self._number += 1
            self._replies[self._number] = reply
            self._link.send(Visited(self._number, page_of(request)), len(request.body))
            return
        received = receive(request)
        if received.refusal is not None and isinstance(received.refusal.__cause__, Exception):
            logs.failure("request not read", received.refusal.__cause__)
        self._number += 1
        self._replies[self._number] = reply
        self._link.send(Asked(self._number, received), received.size)

    def opened(self) -> None:
        self._link.send(Opened())

    def closed(self) -> None:
        self._link.send(Closed())

    def refused(self, code: str) -> None:
        self._link.send(Malformed(code))

    # --- for the link

    def _received(self, link: Link, message: FromServer) -> None:
        match message:
            case Answered(number, response):
                self._answer(number, response)
            case Begin(limits=limits, log=log, pem=pem):
                self._limits, self._pem = limits, pem
                log_to(log)
                self._run(self._begin(message))
            case Present(pem):
                self._pem = pem
                if self._endpoint is not None:
                    self._endpoint.present(pem)
                link.send(Presented())
            case Adjust(limits, log):
                self._limits = limits
                log_to(log)
                if self._endpoint is not None:
                    self._endpoint.adjust(limits)
            case Drain():
                if self._endpoint is not None:
                    self._endpoint.drain()
            case Ping():
                self._link.send(Alive())
            case Stop(seconds):
                self._run(self._stop(seconds))

    def _answer(self, number: int, response: HttpResponse) -> None:
        try:
            self._replies.pop(number)(response)
        except Exception as error:  # one client that is gone must not cost the others their answers
            logs.failure("reply not written", error)

    async def _begin(self, begin: Begin) -> None:
        self._endpoint = Endpoint(
            self.handle,
            [socket.socket(fileno=descriptor) for descriptor in begin.descriptors],
            limits=self._limits,
            clock=SystemClock(),
            connections=self,
        )
        await self._endpoint.start(self._pem)
        self._link.send(Listening(self._confine()))

    def _crowded(self, crowded: bool) -> None:
        """While the server takes little, little is taken from the clients."""
        if self._endpoint is not None:
            self._endpoint.hold(crowded)

    async def _stop(self, seconds: float) -> None:
        if self._endpoint is not None:
            await self._endpoint.stop(seconds)
        self._link.close()

    def _lost(self) -> None:
        self._run(self._end())

    async def _end(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.stop(0)
        self._ended.set()

    def _run(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logs.failure("front process failed", error)
            self._link.close()


def log_to(log: logs.Log) -> None:
    """Log like this; without its file, which the server could open, if that has gone since."""
    try:
        logs.configure(*log)
    except OperatorError:
        logs.configure(log.form, log.level)


async def _main(descriptor: int, confined: bool) -> None:
    await FrontProcess(confinement.confine if confined else tuple).run(descriptor)


def main(descriptor: int, *, confined: bool) -> None:
    """Be the front process of the server at the other end of this socket."""
    if confined:
        confinement.without_io_uring()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(descriptor, confined))


if __name__ == "__main__":
    main(int(sys.argv[1]), confined=sys.argv[2] == "confined")
