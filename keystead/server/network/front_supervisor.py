"""The server's side of the front process: started, told what to serve, started again should it ever end, and stopped."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from keystead.api.http.message import Channel
from keystead.api.http.receive import Received
from keystead.errors import OperatorError
from keystead.server import logs
from keystead.server.network.connection import Connections, Limits, Reply
from keystead.server.network.link import (
    Adjust,
    Answered,
    Asked,
    Begin,
    Closed,
    FromFront,
    Link,
    Listening,
    Malformed,
    Opened,
    Present,
    Stop,
)
from keystead.server.network.listener import Pem

_START = 30.0  # seconds that it may take until it accepts connections
_AGAIN = 1.0  # seconds until it is started once more, after it ended by itself
_NOT_FOR_THE_FRONT = ("ALIBABA_CLOUD_", "CREDENTIALS_DIRECTORY")  # variables that hold or lead to secrets
_GRACE = 5.0  # seconds that it may take to end when nothing is left to do, after which it is killed


class Front:
    """A process of its own that ends TLS, speaks HTTP and reads requests; within this process, `Endpoint` does."""

    def __init__(
        self,
        take: Callable[[Received, Reply], None],
        sockets: Sequence[socket.socket],
        *,
        limits: Limits,
        connections: Connections,
        log: logs.Log,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._sockets = sockets
        self._limits = limits
        self._observer = connections
        self._log = log
        self._pem: Pem | None = None
        self._link: Link | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._open = 0
        self._listening = asyncio.Event()
        self._served = False  # whether a process ever came to listen
        self._overdue: asyncio.TimerHandle | None = None
        self._stopping = False
        self._life: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process' id; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def problem(self) -> str:
        """What keeps it from serving; empty: nothing."""
        return "" if self._listening.is_set() else "the front process is being started again"

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

    def adjust(self, limits: Limits, log: logs.Log) -> None:
        """Keep to these limits on new connections, and log like this."""
        self._limits, self._log = limits, log
        if self._link is not None:
            self._link.send(Adjust(limits, log))

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
        while True:
            try:
                status = await self._one()
                if not self._stopping:
                    logs.event("front process ended", "error", status=status)
            except Exception as error:  # no memory, no descriptors: another time there may be
                logs.failure("front process cannot be started", error)
            if self._stopping or not self._served:
                return
            await asyncio.sleep(_AGAIN)
            if self._stopping:
                return

    async def _one(self) -> int:
        """A process from its start to its end; its exit status, negative if a signal ended it. OSError if it can't start."""
        descriptors = tuple(one.fileno() for one in self._sockets)
        ours, theirs = socket.socketpair()
        try:
            process = self._process = _popen(theirs, descriptors)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            ours.setblocking(False)
            gone = asyncio.Event()
            link = Link(list[FromFront], self._received, gone.set)
            await self._loop.create_unix_connection(lambda: link, sock=ours)
            self._link = link
            log = self._log
            link.send(Begin(descriptors, self._limits, log.form, log.level, self._pem, log.file))
            self._overdue = self._loop.call_later(_START, link.abort)
            await gone.wait()
            self._listening.clear()
            deadline = self._loop.time() + _GRACE
            while process.poll() is None and self._loop.time() < deadline:
                await asyncio.sleep(0.01)
        finally:
            self._in_time()
            if self._link is None:
                ours.close()
            else:
                self._link.abort()
            self._link = self._process = None
            process.kill()
            process.wait()
            for _ in range(self._open):
                self._observer.closed()
            self._open = 0
        return process.returncode

    def _received(self, link: Link, message: FromFront) -> None:
        match message:
            case Asked(number, received):
                if received.channel is not Channel.NETWORK:
                    link.abort()  # the control socket is not the front's: it is not itself any more
                    return
                self._take(received, lambda response: link.send(Answered(number, response)))
            case Opened():
                self._open += 1
                self._observer.opened()
            case Closed():
                self._open -= 1
                self._observer.closed()
            case Malformed(code):
                self._observer.refused(code)
            case Listening():
                self._served = True
                self._in_time()
                self._listening.set()

    def _in_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


def _popen(link: socket.socket, descriptors: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """Start the process with its end of the link and what it is to listen on."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_THE_FRONT)
    }
    # What a terminal or a service manager sends to all processes is not the front's to follow, from its first moment on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        return subprocess.Popen(
            # -P: what lies in the folder that the server was started in is no module of ours.
            [sys.executable, "-P", "-m", "keystead.server.network.front_process", str(link.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[link.fileno(), *descriptors],
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
