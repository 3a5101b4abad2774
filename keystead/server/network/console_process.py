"""The console's process: pages, rendered where neither keys nor the store are. What it needs it asks for by the link."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from keystead.api.http.message import HttpResponse
from keystead.api.http.receive import Received
from keystead.clock import SystemClock
from keystead.console.app import create_app
from keystead.console.carrier import Application, carry, plain
from keystead.entropy import SystemEntropy
from keystead.portable import stand_back
from keystead.server import logs
from keystead.server.network import confinement
from keystead.server.network.front_process import log_to
from keystead.server.network.link import Answered, Asked, Link, Listening, Set, Stop, ToConsole, Visited

_page: ContextVar[int] = ContextVar("_page")  # the number of the one that is being made


class ConsoleProcess:
    """This process' end of the link, and the application behind it."""

    def __init__(self, confine: Callable[[], tuple[str, ...]] = tuple) -> None:
        """`confine` is called when all that is needed is in memory; says what could not be given up."""
        self._confine = confine
        self._loop = asyncio.get_running_loop()
        self._link = Link(list[ToConsole], self._received, self._lost)
        self._application: Application | None = None
        self._calls: dict[int, asyncio.Future[HttpResponse]] = {}
        self._number = 0
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, descriptor: int) -> None:
        """Answer until told to stop, or until the server is gone."""
        await self._loop.create_unix_connection(lambda: self._link, sock=socket.socket(fileno=descriptor))
        await self._ended.wait()

    async def call(self, received: Received) -> HttpResponse:
        """The answer of the pipeline."""
        self._number += 1
        answer: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._calls[self._number] = answer
        self._link.send(Asked(self._number, received, _page.get()), received.size)
        return await answer

    # --- for the link

    def _received(self, link: Link, message: ToConsole) -> None:
        match message:
            case Visited():
                self._run(self._answer(message))
            case Answered(number, response):
                answer = self._calls.pop(number)
                if not answer.done():
                    answer.set_result(response)
            case Set(log=log, server=served):
                log_to(log)
                if self._application is None:
                    self._application = create_app(self.call, served, SystemClock(), SystemEntropy())
                    stand_back()  # now that it has begun: a page can wait for a processor longer than an Encrypt
                    self._link.send(Listening(self._confine()))
            case Stop():
                self._link.close()

    async def _answer(self, visited: Visited) -> None:
        assert self._application is not None  # which server it is comes first
        _page.set(visited.number)
        try:
            response = await carry(self._application, visited.page)
        except Exception as error:
            logs.failure("page not made", error)
            response = plain(500, "The console could not make this page; its log says why.")
        self._link.send(Answered(visited.number, response), len(response.body))

    def _lost(self) -> None:
        self._ended.set()

    def _run(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _main(descriptor: int, confined: bool) -> None:
    await ConsoleProcess(confinement.confine if confined else tuple).run(descriptor)


def main(descriptor: int, *, confined: bool) -> None:
    """Be the console of the server at the other end of this socket."""
    with asyncio.Runner() as runner:
        runner.run(_main(descriptor, confined))


if __name__ == "__main__":
    main(int(sys.argv[1]), confined=sys.argv[2] == "confined")
