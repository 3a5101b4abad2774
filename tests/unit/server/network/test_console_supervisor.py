"""The server's side of the console's process, with the real process and with ones that misbehave."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import Received
from keystead.console.carrier import Page, Served
from keystead.server.logs import Log
from keystead.server.network import console_supervisor as module
from keystead.server.network.console_supervisor import Console
from keystead.server.network.front_supervisor import Confine
from keystead.server.network.limits import Reply

SIGN_IN = Page(
    "GET",
    "/console/sign-in",
    {"host": "localhost:8443", "accept-language": "en"},
    b"",
    "192.0.2.7",
    "TLSv1.3",
)
MINE = msgspec.structs.replace(
    SIGN_IN, target="/console/", headers={"host": "h", "cookie": "__Host-keystead-session=s"}
)

# A process that says that it listens, and then does what is put at its end.
ROGUE = """
import asyncio, socket, sys
from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import Received
from keystead.server.network.link import Answered, Asked, Link, Listening, ToConsole

# by another channel, without any session
FORGED = Received(channel=Channel.CONTROL, source="", tls="", host="", user_agent="", action="CreateAccessKey")
STOLEN = Received(
    channel=Channel.CONSOLE, source="10.0.0.1", tls="TLSv1.3", host="", user_agent="", action="ListKeys", session="stolen"
)
ANSWER = HttpResponse(status=200, content_type="text/plain", body=b"mine")

def received(link, message):
    kind = type(message).__name__
    {rogue}

async def main():
    ended = asyncio.Event()
    link = Link(list[ToConsole], received, ended.set)
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=socket.socket(fileno=int(sys.argv[1])))
    await ended.wait()

asyncio.run(main())
"""


class Desk:
    """A console, and whoever carries out its calls."""

    def __init__(self, confine: Confine = "no") -> None:
        self.asked: list[Received] = []
        self.answer: HttpResponse | None = HttpResponse(
            status=401, content_type="application/json", body=b'{"Code": "SessionExpired"}'
        )
        self.console = Console(
            self.take, served=Served("1", "cn-hangzhou", "1"), log=Log("json", "info"), confine=confine
        )

    def take(self, asked: Received, reply: Reply) -> None:
        self.asked.append(asked)
        if self.answer is not None:
            reply(self.answer)

    async def visit(self, page: Page = SIGN_IN) -> HttpResponse:
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.console.visit(page, answer.set_result)
        async with asyncio.timeout(60):
            return await answer


def play(scenario: Callable[[Desk], Coroutine[None, None, None]], confine: Confine = "no") -> None:
    async def main() -> None:
        desk = Desk(confine)
        try:
            await scenario(desk)
        finally:
            await desk.console.stop()
        assert desk.console.pid == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@pytest.fixture
def rogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Has another program in the place of the console."""

    def put(does: str) -> None:
        (tmp_path / "rogue_console.py").write_text(ROGUE.format(rogue=does))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(module, "_MODULE", "rogue_console")

    return put


def test_it_is_started_by_the_first_page_and_serves_the_next() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.console.pid == 0
        several = await asyncio.gather(*(desk.visit() for _ in range(3)))
        assert [one.status for one in several] == [200] * 3
        assert b"Sign in" in several[0].body
        first = desk.console.pid
        assert (await desk.visit()).status == 200
        assert desk.console.pid == first
        assert desk.asked == []  # nobody was signed in, so nothing was asked

    play(scenario)


def test_it_asks_as_the_person_who_visits() -> None:
    async def scenario(desk: Desk) -> None:
        response = await desk.visit(MINE)
        assert response.status == 303
        assert dict(response.headers)["location"] == "/console/sign-in"
        (asked,) = desk.asked
        assert (asked.channel, asked.session, asked.action) == (Channel.CONSOLE, "s", "GetSession")
        assert (asked.source, asked.host, asked.tls) == ("192.0.2.7", "h", "TLSv1.3")

    play(scenario)


def test_one_that_is_confined_does_all_that_one_does_that_is_not(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        for language in ("en", "zh-TW", "zh-CN"):
            page = msgspec.structs.replace(SIGN_IN, headers={**SIGN_IN.headers, "accept-language": language})
            assert (await desk.visit(page)).status == 200
        assert (await desk.visit(MINE)).status == 303

    play(scenario, "auto")
    assert "page not made" not in caplog.text


def test_one_that_is_killed_is_started_for_the_next_page() -> None:
    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 200
        first = desk.console.pid
        assert desk.console._process is not None
        desk.console._process.kill()
        async with asyncio.timeout(30):
            while desk.console.pid == first:
                await asyncio.sleep(0.01)
        assert (await desk.visit()).status == 200
        assert desk.console.pid not in (0, first)

    play(scenario)


def test_a_page_that_waits_when_it_ends_is_told_to_come_again() -> None:
    async def scenario(desk: Desk) -> None:
        desk.answer = None  # so that the page waits
        waiting = asyncio.ensure_future(desk.visit(MINE))
        while not desk.asked:
            await asyncio.sleep(0.01)
        assert desk.console._process is not None
        desk.console._process.kill()
        response = await waiting
        assert (response.status, dict(response.headers)["Retry-After"]) == (503, "1")

    play(scenario)


def test_one_that_leaves_a_page_unanswered_is_ended(
    monkeypatch: pytest.MonkeyPatch, rogue: Callable[[str], None]
) -> None:
    rogue("link.send(Listening()) if kind == 'Set' else None")
    monkeypatch.setattr(module, "_PATIENCE", 0.5)

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503

    play(scenario)


@pytest.mark.parametrize(
    "does",
    [
        "link.send(Asked(1, FORGED))",
        "link.send(Listening()) if kind == 'Set' else link.send(Asked(1, FORGED, message.number))",
        "link.send(Listening()); link.send(Listening())",
        "link._transport.write(b'nonsense' * 10)",
    ],
)
def test_one_that_is_not_itself_is_ended(does: str, rogue: Callable[[str], None]) -> None:
    rogue(does)

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503
        assert desk.asked == []

    play(scenario)


def test_a_call_is_that_of_whoever_asked_for_the_page(rogue: Callable[[str], None]) -> None:
    rogue(
        "link.send(Listening()) if kind == 'Set' else link.send(Asked(1, STOLEN, message.number)) if kind == 'Visited' "
        "else link.send(Answered(1, message.response))"
    )

    async def scenario(desk: Desk) -> None:
        for cookie, session in (("other=1", ""), ("__Host-keystead-session=stolen", "stolen")):
            desk.asked.clear()
            plain = msgspec.structs.replace(SIGN_IN, headers={"host": "h", "cookie": cookie}, tls="")
            desk.console._number = 0  # so that the answer is to this page
            assert (await desk.visit(plain)).status == 401
            (asked,) = desk.asked
            assert (asked.source, asked.tls, asked.session) == ("192.0.2.7", "", session)

    play(scenario)


def test_a_call_for_no_page_that_anybody_waits_for_is_not_carried_out(rogue: Callable[[str], None]) -> None:
    rogue(
        "link.send(Listening()) if kind == 'Set' else link.send(Asked(1, STOLEN, 99)) if kind == 'Visited' "
        "else link.send(Answered(1, message.response))"
    )

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503
        assert desk.asked == []
        assert desk.console.pid != 0

    play(scenario)


def test_one_that_waits_for_the_server_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 200
        first, desk.answer = desk.console.pid, None
        monkeypatch.setattr(module, "_PATIENCE", 0.5)
        waiting = asyncio.ensure_future(desk.visit(MINE))
        assert (await waiting).status == 503
        monkeypatch.undo()
        assert (await desk.visit()).status == 200  # what does not wait for it is served
        assert desk.console.pid == first

    play(scenario)


@pytest.mark.parametrize(
    "does",
    [
        "status=204",
        "status=99",
        "status=600",
        "content_type='text/html\\r\\n\\r\\nmore'",
        "headers=(('X-A', 'a\\r\\n\\r\\nmore'),)",
        "headers=(('X-A: a\\nX-B', 'b'),)",
        "headers=(('Content-Length: 0', ''),)",
        "headers=(('Transfer-Encoding', 'chunked'),)",
        "headers=(('content-length', '0'),)",
    ],
)
def test_one_whose_answer_is_more_than_one_is_ended(does: str, rogue: Callable[[str], None]) -> None:
    rogue(
        "link.send(Listening()) if kind == 'Set' else "
        f"link.send(Answered(message.number, __import__('msgspec').structs.replace(ANSWER, {does})))"
    )

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503

    play(scenario)


def test_an_answer_that_nobody_waits_for_is_let_go(rogue: Callable[[str], None]) -> None:
    rogue(
        "link.send(Listening()) if kind == 'Set' else "
        "[link.send(Answered(number, ANSWER)) for number in (99, message.number)]"
    )

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).body == b"mine"

    play(scenario)


def test_one_that_must_be_confined_and_is_not_does_not_serve(
    caplog: pytest.LogCaptureFixture, rogue: Callable[[str], None]
) -> None:
    rogue("link.send(Listening(('seccomp: none',))) if kind == 'Set' else None")

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503

    play(scenario, "yes")
    assert "console cannot be confined" in caplog.text


def test_one_that_cannot_be_started_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(module, "start", refuse)

    async def scenario(desk: Desk) -> None:
        assert (await desk.visit()).status == 503

    play(scenario)
    assert "console cannot be started" in caplog.text


def test_too_many_pages_are_refused_and_so_are_those_after_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGES", 2)

    async def scenario(desk: Desk) -> None:
        several = await asyncio.gather(*(desk.visit() for _ in range(3)))
        assert sorted(one.status for one in several) == [200, 200, 503]
        await desk.console.stop()
        assert (await desk.visit()).status == 503

    play(scenario)


def test_one_address_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGES_OF_ADDRESS", 2)

    async def scenario(desk: Desk) -> None:
        sources = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")
        pages = [msgspec.structs.replace(SIGN_IN, source=source) for source in sources]
        several = await asyncio.gather(*(desk.visit(page) for page in pages))
        assert [one.status for one in several] == [200, 200, 503, 200]

    play(scenario)


def test_one_reader_who_is_gone_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        def gone(response: HttpResponse) -> None:
            raise OSError("gone")

        desk.console.visit(SIGN_IN, gone)
        assert (await desk.visit()).status == 200

    play(scenario)
    assert "reply not written" in caplog.text


def test_it_logs_as_it_is_told_later() -> None:
    async def scenario(desk: Desk) -> None:
        desk.console.adjust(Log("json", "error"))
        assert (await desk.visit()).status == 200
        desk.console.adjust(Log("json", "debug"))
        assert (await desk.visit()).status == 200

    play(scenario)
