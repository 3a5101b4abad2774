"""The front process for real: started, answering, killed, started again, told to stop."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from keystead.api.http import receive
from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import Received
from keystead.console.carrier import Page
from keystead.errors import OperatorError
from keystead.server.logs import Log
from keystead.server.network import front_supervisor as module
from keystead.server.network import listener
from keystead.server.network.front_supervisor import Confine, Front
from keystead.server.network.limits import Limits, Reply
from keystead.server.network.link import Asked, FromFront, Link, Listening, Presented
from tests.harness import Service
from tests.unit.server.network.test_connection import Counted
from tests.unit.server.network.test_endpoint import authority, certificate, leaf

OK = HttpResponse(status=200, content_type="text/plain", body=b"hello")
REQUEST = b"GET /?Action=A HTTP/1.1\r\nHost: h\r\n\r\n"


class Desk(Counted):
    """Takes what a front hands on: answers at once, or holds it."""

    def __init__(self, confine: Confine = "no") -> None:
        super().__init__()
        self.asked: list[Received] = []
        self.pages: list[Page] = []
        self.hold = False
        self.waiting: list[Reply] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.sockets = listener.listen("127.0.0.1", 0)
        self.port = self.sockets[0].getsockname()[1]
        self.reasons: list[str] = []
        self.front = Front(
            self.take,
            self.visit,
            self.sockets,
            limits=Limits(connections=3),
            connections=self,
            log=Log("json", "error"),
            confine=confine,
            restarting=self.reasons.append,
        )

    def take(self, asked: Received, reply: Reply) -> None:
        self.asked.append(asked)
        if self.hold:
            self.waiting.append(reply)
        else:
            reply(OK)

    def visit(self, page: Page, reply: Reply) -> None:
        self.pages.append(page)
        reply(OK)

    async def connect(self, context: ssl.SSLContext | None = None) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        self.writers.append(writer)
        return Client(reader, writer)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes = REQUEST) -> bytes:
        """The answer's head and body."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)


def play(scenario: Callable[[Desk], Coroutine[None, None, None]], confine: Confine = "no") -> None:
    async def main() -> None:
        desk = Desk(confine)
        try:
            await scenario(desk)
        finally:
            for writer in desk.writers:
                writer.transport.abort()
            await desk.front.stop(0.1)
        assert desk.front.pid == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_request_goes_through_and_connections_are_counted() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        assert desk.front.problem == ""
        client = await desk.connect()
        for _ in range(2):
            assert (await client.ask()).endswith(b"hello")
        assert [(one.host, one.source, one.tls, one.channel) for one in desk.asked] == [
            ("h", "127.0.0.1", "", Channel.NETWORK)
        ] * 2
        assert desk.open == 1
        client.writer.close()
        await desk.until(lambda: desk.open == 0)

    play(scenario)


def test_a_request_for_a_page_of_the_console_is_handed_on_as_it_came() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        client = await desk.connect()
        posted = b"POST /console/keys?a=1 HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\nContent-Length: 3\r\n\r\na=b"
        assert (await client.ask(posted)).endswith(b"hello")
        assert (await client.ask()).endswith(b"hello")
        (page,) = desk.pages
        assert (page.method, page.target, page.body, page.headers["cookie"]) == (
            "POST",
            "/console/keys?a=1",
            b"a=b",
            "c=1",
        )
        assert (page.source, page.tls) == ("127.0.0.1", "")
        assert len(desk.asked) == 1

    play(scenario)


def test_answers_find_their_requests_in_whatever_order_they_come() -> None:
    async def scenario(desk: Desk) -> None:
        desk.hold = True
        await desk.front.start()
        clients = [await desk.connect() for _ in range(3)]
        for number, client in enumerate(clients):
            client.writer.write(b"GET /?Action=%d HTTP/1.1\r\nHost: h%d\r\n\r\n" % (number, number))
        await desk.until(lambda: len(desk.waiting) == 3)
        for asked, reply in reversed(list(zip(desk.asked, desk.waiting, strict=True))):
            reply(msgspec.structs.replace(OK, body=asked.host.encode()))
        for number, client in enumerate(clients):
            assert (await client.answer()).endswith(b"h%d" % number)

    play(scenario)


def test_limits_and_refusals_are_the_front_s() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        assert b"431 " in await (await desk.connect()).ask(
            b"GET / HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n"
        )
        await desk.until(lambda: desk.refusals == ["InvalidRequest"])
        await desk.until(lambda: desk.open == 0)
        several = [await desk.connect() for _ in range(4)]
        assert b"503 " in await several[3].answer()
        await desk.until(lambda: desk.refusals[1:] == ["ServiceUnavailable"])
        assert desk.asked == []

    play(scenario)


def test_tls_ends_in_the_front_and_its_certificate_can_change() -> None:
    async def scenario(desk: Desk) -> None:
        issuer = authority()
        old, new = certificate(issuer), certificate(issuer)
        await desk.front.start(old)
        context = ssl._create_unverified_context()

        async def shown() -> bytes:
            client = await desk.connect(context)
            found = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            client.writer.close()
            assert isinstance(found, bytes)
            return found

        assert await shown() == leaf(old)
        said: list[str] = []
        desk.front.when_presented(lambda: said.append("at once"))
        assert said == ["at once"]
        for one in (new, old, new):
            desk.front.present(one)
        desk.front.when_presented(lambda: said.append("served"))
        assert said == ["at once"]
        await desk.until(lambda: said[1:])
        assert await shown() == leaf(new)
        # The end of the process is no reason to wait for what it was sent.
        os.kill(desk.front.pid, signal.SIGSTOP)
        desk.front.present(new)
        desk.front.when_presented(lambda: said.append("gone"))
        os.kill(desk.front.pid, signal.SIGKILL)
        await desk.until(lambda: said[2:] == ["gone"])
        await desk.until(lambda: not desk.front.problem)
        # One that is started again has the newest.
        os.kill(desk.front.pid, signal.SIGKILL)
        await desk.until(lambda: desk.front.problem)
        await desk.until(lambda: not desk.front.problem)
        assert await shown() == leaf(new)

    play(scenario)


def test_a_front_that_is_killed_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.05)

    async def scenario(desk: Desk) -> None:
        desk.hold = True
        await desk.front.start()
        client = await desk.connect()
        client.writer.write(REQUEST)
        await desk.until(lambda: desk.waiting)
        first = desk.front.pid
        os.kill(first, signal.SIGKILL)
        await desk.until(lambda: desk.front.problem)
        await desk.until(lambda: desk.open == 0)  # gone with the process
        desk.waiting.pop()(OK)  # nobody is there to be told
        assert await client.reader.read() == b""
        desk.hold = False
        waiting = await desk.connect()  # the listening socket is still there
        assert (await waiting.ask()).endswith(b"hello")
        assert desk.front.pid not in (0, first)
        assert desk.open == 1

    play(scenario)
    assert "front process ended" in caplog.text


def test_one_that_gives_no_sign_of_life_is_killed_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PING", 0.1)

    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        client = await desk.connect()
        assert (await client.ask()).endswith(b"hello")
        pid = desk.front.pid
        os.kill(pid, signal.SIGSTOP)
        await desk.until(lambda: desk.front.problem == "the front process gives no sign of life")
        await desk.until(lambda: desk.front.pid not in (0, pid) and not desk.front.problem)
        assert not Path(f"/proc/{pid}").exists()
        assert await client.reader.read() == b""
        assert desk.reasons == ["silent"]
        assert (await (await desk.connect()).ask()).endswith(b"hello")
        os.kill(desk.front.pid, signal.SIGKILL)
        await desk.until(lambda: desk.reasons == ["silent", "ended"])

    play(scenario)
    assert caplog.text.count("front process hangs") == 1


def test_one_that_answers_is_not_killed_however_long_this_side_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PING", 0.05)

    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        pid = desk.front.pid
        for _ in range(3):
            time.sleep(10 * module._PING)  # the loop does not turn: no ping is missed, and none is counted
            await asyncio.sleep(2 * module._PING)
        assert desk.front.pid == pid
        assert desk.reasons == []
        assert desk.front.problem == ""

    play(scenario)


def test_one_that_keeps_ending_is_started_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def scenario(desk: Desk) -> None:
        await desk.front.start()

        async def noted(seconds: float) -> None:
            if seconds >= module._AGAIN:
                pauses.append(seconds)
            await sleep(0)

        async def ends() -> int:
            if len(pauses) == 9:
                monkeypatch.setattr(module, "_STEADY", -1.0)  # that one lived for long
            if len(pauses) == 10:
                desk.front._stopping = True
            return 1

        monkeypatch.setattr(desk.front, "_one", ends)
        monkeypatch.setattr(asyncio, "sleep", noted)
        os.kill(desk.front.pid, signal.SIGKILL)
        await asyncio.wait({desk.front._life}, timeout=10)  # type: ignore[type-var]
        monkeypatch.undo()

    play(scenario)
    first = module._AGAIN
    assert pauses[:5] == [first * 2**power for power in range(1, 6)]
    assert pauses[5:9] == [module._LATEST] * 4
    assert pauses[9] == first


def test_a_front_that_cannot_be_started_again_is_tried_until_it_can(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.05)
    failures = iter([OSError("no memory"), OSError("no memory")])
    start = subprocess.Popen

    async def scenario(desk: Desk) -> None:
        await desk.front.start()

        def refuse(*words: Any, **more: Any) -> Any:
            for failure in failures:
                raise failure
            return start(*words, **more)

        monkeypatch.setattr(subprocess, "Popen", refuse)
        os.kill(desk.front.pid, signal.SIGKILL)
        await desk.until(lambda: desk.front.problem)
        await desk.until(lambda: not desk.front.problem)
        assert (await (await desk.connect()).ask()).endswith(b"hello")

    play(scenario)
    assert caplog.text.count("front process cannot be started") == 2


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere"])
def test_a_front_that_never_serves_is_an_error(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", program)

    async def scenario(desk: Desk) -> None:
        with pytest.raises(OperatorError, match="did not start") as caught:
            await desk.front.start()
        assert "--front-process no" in caught.value.hint
        assert desk.front.problem

    play(scenario)


def test_a_front_that_is_silent_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(module, "_START", 0.2)
    monkeypatch.setattr(module, "_GRACE", 0.2)

    async def scenario(desk: Desk) -> None:
        starting = asyncio.create_task(desk.front.start())
        await desk.until(lambda: desk.front.pid)
        pid = desk.front.pid
        with pytest.raises(OperatorError, match="did not start"):
            await starting
        assert not Path(f"/proc/{pid}").exists()

    play(scenario)


def test_a_stop_waits_for_what_was_accepted_and_takes_nothing_more() -> None:
    async def scenario(desk: Desk) -> None:
        desk.hold = True
        await desk.front.start()
        busy, idle = await desk.connect(), await desk.connect()
        busy.writer.write(REQUEST)
        await desk.until(lambda: desk.waiting)
        stopping = asyncio.create_task(desk.front.stop(5))
        assert await idle.reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await desk.connect()
        assert not stopping.done()
        desk.waiting.pop()(OK)
        assert (await busy.answer()).endswith(b"hello")
        await stopping
        assert desk.front.pid == 0

    play(scenario)


def test_while_it_drains_it_serves_on_and_is_not_ready_even_after_it_was_started_again() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        client = await desk.connect()
        assert b"Connection: close" not in await client.ask()
        desk.front.drain()
        assert desk.front.problem == "the server is about to stop"
        # What was sent goes ahead of what an answer would follow.
        assert b"Connection: close" in await client.ask()
        assert await client.reader.read() == b""
        os.kill(desk.front.pid, signal.SIGKILL)
        await desk.until(lambda: desk.reasons and desk.front._listening.is_set())
        assert b"Connection: close" in await (await desk.connect()).ask()

    play(scenario)


def test_a_signal_in_its_first_moments_does_not_end_it() -> None:
    async def scenario(desk: Desk) -> None:
        starting = asyncio.create_task(desk.front.start())
        await desk.until(lambda: desk.front.pid)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(desk.front.pid, number)
        await starting
        assert (await (await desk.connect()).ask()).endswith(b"hello")

    play(scenario)


def test_it_is_not_given_what_leads_to_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/canary")
    monkeypatch.setenv("DATABASE_PASSWORD", "canary")

    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        given = Path(f"/proc/{desk.front.pid}/environ").read_bytes()
        assert b"PYTHONPATH=" in given
        assert b"canary" not in given

    play(scenario)


def test_signals_to_all_processes_are_not_the_front_s_to_follow() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        pid = desk.front.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        await asyncio.sleep(0.1)
        assert (await (await desk.connect()).ask()).endswith(b"hello")
        assert desk.front.pid == pid

    play(scenario)


def test_a_front_that_speaks_of_the_control_socket_is_ended() -> None:
    async def scenario(desk: Desk) -> None:
        ours, theirs = socket.socketpair()
        gone = asyncio.Event()
        link = Link(list[FromFront], desk.front._received, gone.set)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
        asked = msgspec.structs.replace(
            receive.receive(Service().request("ListKeys")), channel=Channel.CONTROL, claims=None
        )
        desk.front._received(link, Asked(1, asked))
        await asyncio.wait_for(gone.wait(), 5)
        assert desk.asked == []
        theirs.close()

    play(scenario)


def test_what_it_could_not_give_up_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "keystead")

    async def scenario(desk: Desk) -> None:
        desk.front._say_confined(("seccomp: not here",))
        desk.front._say_confined(("seccomp: not here",))
        desk.front._say_confined(())

    play(scenario, "auto")
    play(scenario, "no")
    assert [(record.message, record.fields) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("front process not confined as a whole", {"reason": "seccomp: not here"}),
        ("front process confined", {}),
    ]


def test_one_that_listens_twice_is_not_listened_to() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start(None)
        pid = desk.front.pid
        link = desk.front._link
        assert link is not None
        desk.front._received(link, Listening(()))
        while desk.front.pid == pid or desk.front.problem:
            await asyncio.sleep(0.05)
        assert desk.reasons == ["ended"]

    play(scenario)


def test_one_that_says_to_serve_what_it_was_not_sent_is_not_listened_to() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.front.start(None)
        link = desk.front._link
        assert link is not None
        desk.front._received(link, Presented())
        await desk.until(lambda: desk.reasons == ["ended"])

    play(scenario)


def test_one_that_must_be_confined_and_is_not_does_not_serve(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        ours, theirs = socket.socketpair()
        gone = asyncio.Event()
        link = Link(list[FromFront], desk.front._received, gone.set)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
        desk.front._received(link, Listening(("Landlock: not here",)))
        await asyncio.wait_for(gone.wait(), 5)
        assert desk.front.problem
        theirs.close()

    play(scenario, "yes")
    assert "front process cannot be confined" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="by what the Linux kernel has")
def test_one_that_is_confined_does_all_that_one_does_that_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "keystead")

    async def scenario(desk: Desk) -> None:
        issuer = authority()
        await desk.front.start(certificate(issuer))
        context = ssl._create_unverified_context()
        assert (await (await desk.connect(context)).ask()).endswith(b"hello")
        new = certificate(issuer)
        desk.front.present(new)  # through a file in memory
        shown: Any = None
        async with asyncio.timeout(10):
            while shown != leaf(new):
                client = await desk.connect(context)
                shown = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                client.writer.close()
        assert desk.reasons == []

    play(scenario, "auto")
    assert "confined" in caplog.text


def test_what_lies_in_the_working_directory_is_not_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ssl.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)

    async def scenario(desk: Desk) -> None:
        await desk.front.start()
        assert (await (await desk.connect()).ask()).endswith(b"hello")

    play(scenario)
