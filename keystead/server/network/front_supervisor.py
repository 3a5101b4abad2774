"""The server's side of the front process: started, told what to serve, watched, and stopped.

It is asked for a sign of life all the time. One that hangs is killed; one that has ended, however that came, is started
again: at once the first time, later and later if it keeps ending. Time is counted by this side's own turns, so that a
machine that slept, or a service that was stopped as a whole, does not look like a front process that hangs.
"""

import asyncio
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Literal

from keystead.api.http.message import Channel
from keystead.api.http.receive import Received
from keystead.console.carrier import Page
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.network.endpoint import DRAINING
from keystead.server.network.limits import Connections, Limits, Reply
from keystead.server.network.link import (
    Adjust,
    Alive,
    Answered,
    Asked,
    Begin,
    Closed,
    Drain,
    FromFront,
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
from keystead.server.network.spawn import loggable, start

Confine = Literal["auto", "yes", "no"]  # auto: as far as the kernel can; yes: not without

_MODULE = "keystead.server.network.front_process"
_START = 30.0  # seconds that it may take until it accepts connections
_AGAIN = 0.1  # seconds until it is started once more, after it ended by itself; twice as long each time,
_LATEST = 5.0  # up to so long,
_STEADY = 60.0  # and from the beginning once it lived for so long
_PING = 0.5  # seconds
_SILENCE = 4  # pings without any sign of life, after which it is killed
_QUIET = 2  # pings without any sign of life, after which it is said to give none
_GRACE = 5.0  # seconds that it may take to end when nothing is left to do, after which it is killed


class Front:
    """A process of its own that ends TLS, speaks HTTP and reads requests; within this process, `Endpoint` does."""

    def __init__(
        self,
        take: Callable[[Received, Reply], None],
        visit: Callable[[Page, Reply], None],
        sockets: Sequence[socket.socket],
        *,
        limits: Limits,
        connections: Connections,
        log: logs.Log,
        confine: Confine = "no",
        restarting: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`take` is given calls, `visit` requests for pages. `restarting` is told why, each time that it is to be started
        again: "silent" or "ended"."""
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._visit = visit
        self._sockets = sockets
        self._limits = limits
        self._observer = connections
        self._confine: Confine = confine
        self._log = loggable(log, confined=self._confine != "no")
        self._restarting = restarting
        self._pem: Pem | None = None
        self._link: Link | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._unserved = 0  # certificates that it was sent, and has not said to serve
        self._presented: list[Callable[[], None]] = []  # who waits for that
        self._open = 0
        self._listening = asyncio.Event()
        self._served = False  # whether a process ever came to listen
        self._overdue: asyncio.TimerHandle | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self._unanswered = 0  # pings since the last sign of life
        self._unconfined: tuple[str, ...] | None = None  # as it said last
        self._draining = self._stopping = False
        self._life: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process' id; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def problem(self) -> str:
        """What keeps it from serving; empty: nothing."""
        if self._draining:
            return DRAINING
        if not self._listening.is_set():
            return "the front process is being started again"
        return "the front process gives no sign of life" if self._unanswered > _QUIET else ""

    async def start(self, pem: Pem | None = None) -> None:
        """Accept connections. OperatorError if the process does not come to it."""
        self._pem = pem
        self._life = self._loop.create_task(self._live())
        listening = self._loop.create_task(self._listening.wait())
        await asyncio.wait({self._life, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            raise OperatorError(
                "the front process did not start",
                hint="its own messages, if any, stand before this one; --front-process no does without it",
            )

    def present(self, pem: Pem) -> None:
        """Serve this certificate on every connection from now on."""
        self._pem = pem
        if self._link is not None:
            self._link.send(Present(pem))
            self._unserved += 1

    def when_presented(self, then: Callable[[], None]) -> None:
        """Call `then` when what was presented is served, or nothing is: then the next process begins with it."""
        self._presented.append(then)
        if not self._unserved:
            self._say_presented()

    def adjust(self, limits: Limits, log: logs.Log) -> None:
        """Keep to these limits on new connections, and log like this."""
        self._limits, self._log = limits, loggable(log, confined=self._confine != "no")
        if self._link is not None:
            self._link.send(Adjust(limits, self._log))

    def drain(self) -> None:
        """Go on serving, and let each connection end with its next answer."""
        self._draining = True
        if self._link is not None:
            self._link.send(Drain())

    async def stop(self, seconds: float) -> None:
        """Accept nothing more, and let accepted requests finish, for at most so long."""
        self._stopping = True
        for one in self._sockets:
            one.close()
        if self._life is None:
            return
        if self._link is not None:
            self._link.send(Stop(seconds))
            await asyncio.wait({self._life}, timeout=seconds + _GRACE)
        self._life.cancel()
        await asyncio.wait({self._life})

    # --- inside

    async def _live(self) -> None:
        """One process after another until the stop, or the end of a first one that never served."""
        pause = _AGAIN
        while True:
            began = self._loop.time()
            try:
                status = await self._one()
                if not self._stopping:
                    logs.event("front process ended", "error", status=status)
            except Exception as error:  # no memory, no descriptors: another time there may be
                logs.failure("front process cannot be started", error)
            if self._stopping or not self._served:
                return
            self._restarting("silent" if self._unanswered > _SILENCE else "ended")
            pause = _AGAIN if self._loop.time() - began > _STEADY else min(2 * pause, _LATEST)
            await asyncio.sleep(pause)
            if self._stopping:
                return

    async def _one(self) -> int:
        """A process from its start to its end; its exit status, negative if a signal ended it. OSError if it can't start."""
        self._unanswered = 0
        descriptors = tuple(one.fileno() for one in self._sockets)
        process, ours = start(_MODULE, descriptors, confined=self._confine != "no")
        self._process = process
        try:
            gone = asyncio.Event()
            link = Link(list[FromFront], self._received, gone.set, lambda crowded: link.read(not crowded))
            await self._loop.create_unix_connection(lambda: link, sock=ours)
            self._link = link
            link.send(Begin(descriptors, self._limits, self._log, self._pem))
            self._overdue = self._loop.call_later(_START, link.abort)
            await gone.wait()
            self._listening.clear()
            deadline = self._loop.time() + _GRACE
            while process.poll() is None and self._loop.time() < deadline:
                await asyncio.sleep(0.01)
        finally:
            self._in_time()
            if self._pinging is not None:
                self._pinging.cancel()
            if self._link is None:
                ours.close()
            else:
                self._link.abort()
            self._link = self._process = None
            process.kill()
            process.wait()
            self._unserved = 0
            self._say_presented()
            for _ in range(self._open):
                self._observer.closed()
            self._open = 0
        return process.returncode

    def _ping(self) -> None:
        assert self._link is not None
        assert self._process is not None
        self._unanswered += 1
        if self._unanswered > _SILENCE:
            logs.event("front process hangs", "error", seconds=_SILENCE * _PING, pid=self._process.pid)
            self._process.kill()  # even one that was stopped
            self._link.abort()
            return
        self._link.send(Ping())
        self._pinging = self._loop.call_later(_PING, self._ping)

    def _received(self, link: Link, message: FromFront) -> None:
        self._unanswered = 0
        match message:
            case Asked(number, received):
                if received.channel is not Channel.NETWORK:
                    link.abort()  # the control socket is not the front's: it is not itself any more
                    return
                self._take(
                    received, lambda response: link.send(Answered(number, response), len(response.body))
                )
            case Visited(number, page):
                self._visit(page, lambda response: link.send(Answered(number, response), len(response.body)))
            case Opened():
                self._open += 1
                self._observer.opened()
            case Closed():
                self._open -= 1
                self._observer.closed()
            case Malformed(code):
                self._observer.refused(code)
            case Listening() if self._listening.is_set():
                link.abort()  # it says so once; who says more is not our program any longer
            case Listening(unconfined):
                if self._confine == "yes" and unconfined:
                    logs.event("front process cannot be confined", "error", reason="; ".join(unconfined))
                    link.abort()
                    return
                self._say_confined(unconfined)
                self._served = True
                if self._draining:  # it took the place of one that was told
                    link.send(Drain())
                self._in_time()
                self._listening.set()
                self._ping()
            case Presented() if not self._unserved:
                link.abort()  # none was sent
            case Presented():
                self._unserved -= 1
                if not self._unserved:
                    self._say_presented()
            case Alive():
                pass  # as any message shows

    def _say_confined(self, unconfined: tuple[str, ...]) -> None:
        if self._confine == "no" or unconfined == self._unconfined:
            return
        self._unconfined = unconfined
        if unconfined:
            logs.event("front process not confined as a whole", reason="; ".join(unconfined))
        else:
            logs.event("front process confined")

    def _say_presented(self) -> None:
        waiting, self._presented = self._presented, []
        for then in waiting:
            then()

    def _in_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
