"""The server's side of the console's process: started when the first page is asked for, watched, and stopped.

It gets pages to answer and asks for calls by people who are signed in, of whom a token is the proof; with anything else it
is not itself any more, and is ended. Where a call comes from is what the page says; whose it is, if that says so too; and
only as long as its reader waits. One that leaves a page unanswered for long is ended as well, and started for the next,
unless it is this side that owes it an answer.
"""

import asyncio
import subprocess
from collections.abc import Callable

import msgspec

from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import Received
from keystead.console.carrier import Page, Served, plain
from keystead.domain.sign_in import address_group
from keystead.server import logs
from keystead.server.network.front_supervisor import Confine
from keystead.server.network.limits import Reply
from keystead.server.network.link import Answered, Asked, FromConsole, Link, Listening, Set, Stop, Visited
from keystead.server.network.spawn import loggable, start

_MODULE = "keystead.server.network.console_process"
_PATIENCE = 30.0  # seconds that a page may take, the start of the process among them
_GRACE = 2.0
PAGES = 200  # that wait for their answers; more are refused
CALLS = 1000  # of all pages, that wait for their answers
PAGES_OF_ADDRESS = (
    50  # the same, of one address: who tries passwords by the hundred makes others wait for a while at most
)
_AGAIN = (("Retry-After", "1"), ("Refresh", "1"))
_LATE = HttpResponse(
    status=503, content_type="application/json", body=b'{"Code":"ServiceUnavailableTemporary"}'
)


class Console:
    """The console of a server."""

    def __init__(
        self,
        take: Callable[[Received, Reply], None],
        *,
        served: Served,
        log: logs.Log,
        confine: Confine = "no",
    ) -> None:
        """`take` is what carries out a call."""
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._served = served
        self._confine: Confine = confine
        self._log = loggable(log, confined=self._confine != "no")
        self._link: Link | None = None
        self._ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._waiting: dict[int, tuple[Visited, Reply, asyncio.TimerHandle]] = {}
        self._owed: set[int] = set()  # calls of the process that it has no answers to yet
        self._life: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process' id; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    def visit(self, page: Page, reply: Reply) -> None:
        """Have a page answered; `reply` is called once."""
        if self._stopping or self._has_enough_of(page.source):
            reply(plain(503, "The console has too much to do; try again.", _AGAIN))
            return
        self._number += 1
        visited = Visited(self._number, page)
        late = self._loop.call_later(_PATIENCE, self._late, self._number)
        self._waiting[self._number] = (visited, reply, late)
        if self._ready and self._link is not None:
            self._link.send(visited, len(page.body))
        elif self._life is None or self._life.done():
            self._life = self._loop.create_task(self._live())

    def adjust(self, log: logs.Log) -> None:
        """Log like this."""
        self._log = loggable(log, confined=self._confine != "no")
        if self._link is not None:
            self._link.send(Set(self._log, self._served))

    async def stop(self) -> None:
        """End the process, if there is one; pages that wait get no more than a word."""
        self._stopping = True
        if self._link is not None:
            self._link.send(Stop(0))
        if self._life is not None:
            await asyncio.wait({self._life}, timeout=_GRACE)
            self._life.cancel()
            await asyncio.wait({self._life})

    # --- inside

    def _has_enough_of(self, source: str) -> bool:
        address = address_group(source)
        alike = sum(address_group(visited.page.source) == address for visited, _, _ in self._waiting.values())
        return len(self._waiting) >= PAGES or alike >= PAGES_OF_ADDRESS

    async def _live(self) -> None:
        """The process from its start to its end."""
        try:
            await self._one()
        except Exception as error:  # no memory, no descriptors: another time there may be
            logs.failure("console cannot be started", error)
        finally:
            self._ready = False
            self._refuse_all()

    async def _one(self) -> None:
        self._owed = set()
        process, ours = start(_MODULE, confined=self._confine != "no")
        self._process = process
        try:
            gone = asyncio.Event()
            link = Link(list[FromConsole], self._received, gone.set, lambda crowded: link.read(not crowded))
            await self._loop.create_unix_connection(lambda: link, sock=ours)
            self._link = link
            link.send(Set(self._log, self._served))
            await gone.wait()
            deadline = self._loop.time() + _GRACE
            while process.poll() is None and self._loop.time() < deadline:
                await asyncio.sleep(0.01)
        finally:
            if self._link is None:
                ours.close()
            else:
                self._link.abort()
            self._link = self._process = None
            process.kill()
            process.wait()
        if not self._stopping:
            logs.event("console ended", "error", status=process.returncode)

    def _received(self, link: Link, message: FromConsole) -> None:
        match message:
            case Answered(response=response) if not _is_one(response):
                # The rest would be the answer to another call, where a proxy has one connection for many.
                link.abort()
            case Answered(number, response):
                if number in self._waiting:  # else its time was over
                    self._answer(number, response)
            case Asked(received=received) if received.channel is not Channel.CONSOLE or received.claims:
                link.abort()  # it has no other way to ask: it is not itself any more
            case Asked(number, _, page) if page not in self._waiting:
                link.send(Answered(number, _LATE))
            case Asked(number, received, page):
                self._carry_out(link, number, _as_visited(received, self._waiting[page][0].page))
            case Listening() if self._ready:
                link.abort()  # it says so once
            case Listening(unconfined):
                if self._confine == "yes" and unconfined:
                    logs.event("console cannot be confined", "error", reason="; ".join(unconfined))
                    link.abort()
                    return
                self._ready = True
                logs.event("console started", pid=self.pid)
                for visited, _, _ in self._waiting.values():
                    link.send(visited, len(visited.page.body))

    def _carry_out(self, link: Link, number: int, received: Received) -> None:
        owed = self._owed
        if len(owed) >= CALLS:
            link.abort()  # no page asks for so much: it is not itself any more
            return
        owed.add(number)

        def answer(response: HttpResponse) -> None:
            owed.discard(number)
            link.send(Answered(number, response), len(response.body))

        self._take(received, answer)

    def _answer(self, number: int, response: HttpResponse) -> None:
        _, reply, late = self._waiting.pop(number)
        late.cancel()
        try:
            reply(response)
        except Exception as error:  # one reader who is gone must not cost the others their pages
            logs.failure("reply not written", error)

    def _late(self, number: int) -> None:
        """A page was not answered in time, be it that its calls wait in a crowd, which is nothing to the other pages."""
        if self._owed:
            self._answer(number, plain(503, "The server has too much to do; try again.", _AGAIN))
        else:
            self._hangs()

    def _hangs(self) -> None:
        """Whatever the process does, it is to begin anew."""
        logs.event("console hangs", "error", seconds=_PATIENCE, pid=self.pid)
        if self._process is not None:
            self._process.kill()
        if self._link is not None:
            self._link.abort()
        else:
            self._refuse_all()

    def _refuse_all(self) -> None:
        for number in list(self._waiting):
            self._answer(number, plain(503, "The console is being started again; try again.", _AGAIN))


def _is_one(response: HttpResponse) -> bool:
    """Whether this is a single answer, and nothing in it ends it early."""
    lines = (response.content_type, *(text for pair in response.headers for text in pair))
    framing = {"connection", "content-length", "transfer-encoding"}
    return (
        200 <= response.status <= 599
        and response.status not in (204, 205, 304)  # they have no body
        and all(line.isprintable() for line in lines)
        and not any(":" in name or name.strip().lower() in framing for name, _ in response.headers)
    )


def _as_visited(received: Received, page: Page) -> Received:
    """A call as that of whoever asked for the page: from there, and by a session whose token the browser has sent."""
    session = received.session if received.session in page.headers.get("cookie", "") else ""
    return msgspec.structs.replace(received, source=page.source, tls=page.tls, session=session)
