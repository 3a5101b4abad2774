"""A thread beside the event loop: it sees what hangs, that loop itself too, and answers the ops listener meanwhile."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future

import uvloop

from keystead.server import logs
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits
from keystead.server.service.underway import Hanging

_LOOK = 1.0  # seconds


class Watch:
    """Between `start` and `stop`, which are called on the event loop that is watched."""

    def __init__(self, hanging: Hanging, endpoint: Callable[[], Endpoint]) -> None:
        """`endpoint` makes the ops listener, in the thread that will serve it."""
        self._hanging = hanging
        self._endpoint = endpoint
        self._seconds = 0.0
        self._begun: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    async def start(self) -> None:
        """Begin, and accept connections."""
        self._thread.start()
        await asyncio.wrap_future(self._begun)

    async def stop(self, seconds: float) -> None:
        """Let accepted requests finish, for at most so long, and end."""
        self._seconds = seconds
        if not self._ended.done():
            self._loop.call_soon_threadsafe(self._told.set)
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    def adjust(self, limits: Limits) -> None:
        """Keep to these limits on new connections."""
        if not self._ended.done():
            self._loop.call_soon_threadsafe(self._listener.adjust, limits)

    # --- in the thread

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._begun.done():
                logs.failure("watch failed", error)
            else:
                self._begun.set_exception(error)
        self._ended.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        endpoint = self._listener = self._endpoint()
        await endpoint.start()
        self._begun.set_result(None)
        try:
            while not self._told.is_set():
                self._hanging.look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._told.wait()
        finally:
            await endpoint.stop(self._seconds)
