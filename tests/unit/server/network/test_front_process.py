"""What the front process does when something is wrong with it; what goes right is seen in test_front."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from keystead.api.http import receive
from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.errors import InternalFailure
from keystead.server import logs
from keystead.server.logs import Log
from keystead.server.network import listener
from keystead.server.network.front_process import FrontProcess
from keystead.server.network.limits import Limits
from keystead.server.network.link import Adjust, Answered, Asked, Begin, FromFront, Link, Present, Stop
from keystead.server.network.listener import Pem
from tests.unit.server.network.test_endpoint import authority, certificate, leaf

OK = HttpResponse(status=200, content_type="text/plain", body=b"hello")
REQUEST = HttpRequest(method="POST", target="/?Action=canary", headers={"host": "h"})


class Server:
    """The other end of a front process that runs here."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.gone = asyncio.Event()
        self.process = FrontProcess()
        self.link = Link(list[FromFront], lambda _, message: self.received.append(message), self.gone.set)

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        self.running = asyncio.create_task(self.process.run(theirs.detach()))
        await asyncio.get_running_loop().create_unix_connection(lambda: self.link, sock=ours)
        await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


def play(scenario: Callable[[Server], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        server = Server()
        await server.start()
        await scenario(server)
        server.link.close()
        await asyncio.wait_for(server.running, 5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_bug_in_reading_is_logged_here_and_answered_by_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: HttpRequest) -> None:
        raise ZeroDivisionError("canary")

    monkeypatch.setattr(receive, "parse", broken)

    async def scenario(server: Server) -> None:
        answers: list[HttpResponse] = []
        server.process.handle(REQUEST, answers.append)
        await server.until(lambda: server.received)
        (asked,) = server.received
        assert isinstance(asked, Asked)
        assert isinstance(asked.received.refusal, InternalFailure)
        server.link.send(Answered(asked.number, OK))
        await server.until(lambda: answers == [OK])

    play(scenario)
    assert "request not read" in caplog.text
    assert "canary" not in caplog.text


def test_a_client_that_is_gone_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Server) -> None:
        answers: list[HttpResponse] = []

        def gone(_: HttpResponse) -> None:
            raise ConnectionResetError

        for reply in (gone, answers.append):
            server.process.handle(REQUEST, reply)
        server.link.send(Answered(1, OK))
        server.link.send(Answered(99, OK))  # a number that nobody has
        server.link.send(Answered(2, OK))
        await server.until(lambda: answers == [OK])

    play(scenario)
    assert caplog.text.count("reply not written") == 2


def test_what_cannot_be_served_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Server) -> None:
        server.link.send(Begin((), Limits(), Log("json", "info"), Pem(b"no certificate", b"no key")))
        await asyncio.wait_for(server.gone.wait(), 5)

    play(scenario)


def test_a_certificate_that_comes_while_it_begins_is_the_one_that_is_served() -> None:
    async def scenario(server: Server) -> None:
        issuer = authority()
        old, new = certificate(issuer), certificate(issuer)
        (listening,) = listener.listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        server.link.send(Begin((listening.detach(),), Limits(), Log("json", "error"), old))
        server.link.send(Present(new))
        await server.until(lambda: server.received)
        context = ssl._create_unverified_context()
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert writer.get_extra_info("ssl_object").getpeercert(binary_form=True) == leaf(new)
        writer.transport.abort()
        server.link.send(Stop(0.0))
        await asyncio.wait_for(server.gone.wait(), 5)

    play(scenario)


def test_a_stop_or_a_certificate_before_the_beginning_is_no_failure() -> None:
    async def scenario(server: Server) -> None:
        server.link.send(Present(Pem(b"", b"")))
        server.link.send(Stop(0.0))
        await asyncio.wait_for(server.gone.wait(), 5)

    play(scenario)


def test_other_limits_and_another_log_are_taken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(server: Server) -> None:
        (listening,) = listener.listen("127.0.0.1", 0)
        server.link.send(Begin((listening.detach(),), Limits(), Log("json", "error"), None))
        server.link.send(Adjust(Limits(idle_seconds=5), Log("json", "error")))  # while it begins
        await server.until(lambda: server.received)
        # The file could be opened by the server, and its folder is gone since: the log goes on where it can be seen.
        server.link.send(Adjust(Limits(idle_seconds=7), Log("json", "info", str(tmp_path / "none" / "log"))))
        endpoint = server.process._endpoint
        assert endpoint is not None
        assert endpoint._http.limits.idle_seconds == 5
        await server.until(lambda: endpoint._http.limits.idle_seconds == 7)
        logs.event("serving", pid=7)
        server.link.send(Adjust(Limits(), Log("json", "info", str(tmp_path / "log"))))
        await server.until(lambda: endpoint._http.limits == Limits())
        logs.event("serving", pid=8)
        logs.configure("json", "error")

    play(scenario)
    assert '"pid": 7' in capfd.readouterr().err
    assert '"pid": 8' in (tmp_path / "log").read_text()
