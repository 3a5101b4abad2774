"""The thread that watches: it answers while the event loop does not turn."""

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable

import pytest
import uvloop

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.clock import FixedClock
from keystead.server.network import listener
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits
from keystead.server.service import watch as module
from keystead.server.service.underway import LOOP, Hanging, Underway
from keystead.server.service.watch import Watch
from tests.unit.server.network.test_connection import Counted


def test_it_answers_and_counts_while_the_event_loop_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    sockets = listener.listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
    underway = Underway()
    hanging = Hanging(underway, lambda kind, amount: None)

    def handle(request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        body = json.dumps([hanging.problems(), threading.current_thread().name]).encode()
        reply(HttpResponse(status=200, content_type="application/json", body=body))

    def endpoint() -> Endpoint:
        return Endpoint(handle, sockets, limits=Limits(), clock=FixedClock(), connections=Counted())

    async def main() -> None:
        underway.begin(LOOP)
        watch = Watch(hanging, endpoint)
        await watch.start()
        deadline = time.monotonic() + 20
        problems: list[str] = []
        while not problems:  # the loop that is watched waits here, and does not turn
            assert time.monotonic() < deadline
            with urllib.request.urlopen(url, timeout=20) as answer:
                problems, thread = json.load(answer)
            assert thread == "watch"
        assert problems[0].startswith("the event loop has not turned for ")
        await watch.stop(1)
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(url, timeout=20)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert all(thread.name != "watch" for thread in threading.enumerate())


def test_what_keeps_it_from_beginning_is_told() -> None:
    def endpoint() -> Endpoint:
        raise OSError("no descriptors")

    async def main() -> None:
        with pytest.raises(OSError, match="no descriptors"):
            await Watch(Hanging(Underway(), lambda kind, amount: None), endpoint).start()

    asyncio.run(main())


def test_one_that_fails_later_is_said_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    sockets = listener.listen("127.0.0.1", 0)
    hanging = Hanging(Underway(), lambda kind, amount: None)
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) > 2:
            raise ZeroDivisionError

    monkeypatch.setattr(hanging, "look", look)

    def endpoint() -> Endpoint:
        return Endpoint(
            lambda request, reply: None, sockets, limits=Limits(), clock=FixedClock(), connections=Counted()
        )

    async def main() -> None:
        watch = Watch(hanging, endpoint)
        await watch.start()
        while not watch._ended.done():
            await asyncio.sleep(0.01)
        await asyncio.wait_for(watch.stop(1), 10)

    asyncio.run(main())
    assert "watch failed" in caplog.text
