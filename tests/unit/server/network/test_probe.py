"""Whether a listener answers: one that does, one that does not, one that answers something else."""

import asyncio
import socket
from collections.abc import Callable, Coroutine

import pytest

from keystead.api.http.message import HttpRequest
from keystead.clock import FixedClock
from keystead.server.network import listener
from keystead.server.network import probe as module
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits
from keystead.server.network.probe import Probe
from tests.unit.server.network.test_connection import Counted
from tests.unit.server.network.test_endpoint import authority, certificate


class Listening:
    """An endpoint on a host, and what it was asked."""

    def __init__(self, host: str = "127.0.0.1", *, tls: bool = False, limits: Limits | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.counted = Counted()
        self.sockets = listener.listen(host, 0)
        self.pem = certificate(authority()) if tls else None
        self.probe = Probe(self.sockets, tls=tls)
        self.endpoint = Endpoint(
            lambda request, reply: self.requests.append(request),
            self.sockets,
            limits=limits or Limits(),
            clock=FixedClock(),
            connections=self.counted,
        )

    async def start(self) -> "Listening":
        await self.endpoint.start(self.pem)
        return self


def play(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_listener_that_answers_has_no_problem_and_is_asked_nothing(host: str, tls: bool) -> None:
    async def scenario() -> None:
        found = await Listening(host, tls=tls).start()
        for _ in range(2):
            assert await found.probe.problem() == ""
        async with asyncio.timeout(10):
            while found.counted.open:
                await asyncio.sleep(0.001)
        assert found.requests == []
        assert found.counted.refusals == []
        await found.endpoint.stop(0.1)

    play(scenario)


@pytest.mark.parametrize("tls", [True, False])
def test_one_that_accepts_and_says_nothing_is_found(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.2)

    async def scenario() -> None:
        sockets = listener.listen("127.0.0.1", 0)
        port = sockets[0].getsockname()[1]
        first, second = await asyncio.gather(*(Probe(sockets, tls=tls).problem() for _ in range(2)))
        assert first == second == f"port {port} at 127.0.0.1 does not answer"
        sockets[0].close()

    play(scenario)


def test_who_asks_meanwhile_shares_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found = await Listening().start()
        asked: list[str] = []
        one = found.probe._one

        async def counted(host: str, port: int) -> str:
            asked.append(host)
            return await one(host, port)

        monkeypatch.setattr(found.probe, "_one", counted)
        assert await asyncio.gather(*(found.probe.problem() for _ in range(5))) == [""] * 5
        assert asked == ["127.0.0.1"]
        await found.endpoint.stop(0.1)

    play(scenario)


def test_one_of_several_is_enough_to_be_found() -> None:
    async def scenario() -> None:
        found = await Listening().start()
        gone = socket.create_server(("127.0.0.1", 0))
        probe = Probe([*found.sockets, gone], tls=False)
        port = gone.getsockname()[1]
        gone.close()
        assert (await probe.problem()).startswith(f"port {port} at 127.0.0.1 does not answer: ")
        await found.endpoint.stop(0.1)

    play(scenario)


def test_a_listener_that_is_full_says_so() -> None:
    async def scenario() -> None:
        found = await Listening(limits=Limits(connections=1)).start()
        port = found.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await found.probe.problem() == f"port {port} at 127.0.0.1 answers 503"
        writer.transport.abort()
        await found.endpoint.stop(0.1)

    play(scenario)


def test_a_listener_that_hangs_up_answers_nothing() -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        probe = Probe([server.sockets[0]], tls=False)
        assert (
            (await probe.problem())
            .partition(" at ")[2]
            .startswith(("127.0.0.1 answers nothing", "127.0.0.1 does not answer: "))
        )
        server.close()

    play(scenario)
