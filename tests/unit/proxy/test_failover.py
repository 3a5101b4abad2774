"""A client's connection before servers of which some answer nothing, or 503."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.proxy import failover
from keystead.proxy.failover import Conversation, Failover
from keystead.proxy.tap import Tap
from keystead.proxy.upstream import Gone, Upstream

NOWHERE = "http://127.0.0.1:1"
ASK = b"GET /?a HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSED = b"closed"  # in place of an answer: the connection ends


def answer(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


LATER = answer(b"later", "503 Service Unavailable")


class Server:
    """Answers each request with the next of its answers, the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        while data := await reader.read(65536):
            self.asked.append(data)
            told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if told is CLOSED:
                break
            writer.write(told)
        writer.close()


class Client:
    """One connection of a client, and what the proxy does with it."""

    def __init__(self, servers: Failover) -> None:
        self.servers = servers
        self.logged: list[tuple[str, int | None]] = []

    async def start(self) -> None:
        self._ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._listener = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def watch(request: HttpRequest) -> Callable[[HttpResponse | None], None]:
            return lambda response: self.logged.append(
                (request.target, None if response is None else response.status)
            )

        try:
            self.talk = Conversation(self.servers, reader, writer)
            await self.talk.hold(None, Tap(watch))
        except Exception as error:
            self._ended.set_result(error)
        else:
            self._ended.set_result(None)
        writer.close()

    async def ask(self, request: bytes = ASK) -> bytes:
        self.writer.write(request)
        return await asyncio.wait_for(self.reader.read(65536), 20)

    async def end(self) -> Exception | None:
        """How the conversation ended."""
        self.writer.close()
        self._listener.close()
        return await asyncio.wait_for(self._ended, 20)


def play(scenario: Callable[[Client], Awaitable[None]], *servers: Server | str) -> None:
    async def main() -> None:
        urls = []
        for one in servers:
            if isinstance(one, Server):
                await one.start()
            urls.append(one if isinstance(one, str) else one.url)
        client = Client(Failover([Upstream(url=url) for url in urls]))
        await client.start()
        try:
            await scenario(client)
        finally:
            for one in servers:
                if isinstance(one, Server):
                    await one.stop()

    asyncio.run(main())


def test_the_first_that_answers_is_asked_and_goes_on_being_asked_over_one_connection() -> None:
    first, second = Server(answer(b"1"), answer(b"2")), Server(answer(b"other"))

    async def scenario(client: Client) -> None:
        assert (await client.ask()).endswith(b"1")
        assert (await client.ask()).endswith(b"2")
        assert await client.end() is None
        assert (first.asked, first.connections, second.connections) == ([ASK, ASK], 1, 0)
        assert client.logged == [("/?a", 200)] * 2

    play(scenario, NOWHERE, first, second)


def test_a_503_is_passed_over_and_the_same_request_goes_to_the_next() -> None:
    first, second = Server(LATER), Server(answer(b"done"))

    async def scenario(client: Client) -> None:
        assert (await client.ask()).endswith(b"done")
        assert (await client.ask()).endswith(b"done")
        assert (first.asked, second.asked) == ([ASK], [ASK, ASK])
        await client.end()
        assert client.logged == [("/?a", 200)] * 2  # one line a call

    play(scenario, first, second)


def test_where_all_answer_503_or_are_gone_the_503_is_the_answer() -> None:
    first, second = Server(LATER), Server(answer(b"busy", "503 Busy"))

    async def scenario(client: Client) -> None:
        assert (await client.ask()).endswith(b"busy")
        assert await client.end() is None

    play(scenario, first, NOWHERE, second)


def test_where_none_is_there_nothing_was_sent() -> None:
    async def scenario(client: Client) -> None:
        assert await client.ask() == b""
        error = await client.end()
        assert isinstance(error, Gone)
        assert str(error).count("cannot be reached") == 2
        assert client.logged == []

    play(scenario, NOWHERE, NOWHERE)


def test_what_was_sent_and_not_answered_goes_to_no_other_but_later_requests_do() -> None:
    first, second = Server(CLOSED), Server(answer(b"other"))

    async def scenario(client: Client) -> None:
        assert await client.ask() == b""
        assert isinstance(await client.end(), asyncio.IncompleteReadError)
        assert (len(first.asked), second.asked) == (1, [])
        assert client.logged == [("/?a", None)]
        again = Client(client.servers)
        await again.start()
        assert (await again.ask()).endswith(b"other")
        await again.end()

    play(scenario, first, second)


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "_ANSWER", 0.05)
    first, second = Server(b""), Server(answer(b"other"))

    async def scenario(client: Client) -> None:
        assert await client.ask() == b""
        assert isinstance(await client.end(), TimeoutError)
        assert (second.asked, client.servers.place) == ([], 1)

    play(scenario, first, second)


def test_a_connection_that_the_server_ended_meanwhile_is_made_anew() -> None:
    first = Server(answer(b"1"))

    async def scenario(client: Client) -> None:
        assert (await client.ask()).endswith(b"1")
        for writer in first.writers:
            writer.close()
            await writer.wait_closed()
        assert client.talk._far is not None
        async with asyncio.timeout(20):
            while not client.talk._far[1][0].at_eof():
                await asyncio.sleep(0.01)
        assert (await client.ask()).endswith(b"1")
        assert first.connections == 2
        await client.end()

    play(scenario, first, NOWHERE)


@pytest.mark.parametrize(
    ("request_", "told", "sent", "ends"),
    [
        (ASK, answer(b"x", "200 OK", "Connection: close"), ASK, True),
        (ASK, b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", ASK, True),
        (ASK, b"HTTP/1.1 204 No Content\r\n\r\n", ASK, False),
        (ASK.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ASK.replace(b"GET", b"HEAD"), False),
        (ASK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n", ASK, False),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            answer(b"x"),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            False,
        ),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", answer(b"x"), b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", False),
    ],
)  # fmt: skip
def test_bodies_of_every_form_pass_as_they_are(request_: bytes, told: bytes, sent: bytes, ends: bool) -> None:
    server = Server(told)

    async def scenario(client: Client) -> None:
        assert await client.ask(request_) == told
        assert server.asked == [sent]
        if ends:
            assert await asyncio.wait_for(client.reader.read(), 20) == b""
        else:
            assert await client.ask(request_) == told
        assert await client.end() is None

    play(scenario, server, NOWHERE)


def test_interim_answers_are_the_proxys_own() -> None:
    server = Server(b"HTTP/1.1 102 Processing\r\n\r\n" + answer(b"x"))

    async def scenario(client: Client) -> None:
        head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        assert await client.ask(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await client.ask(b"b") == answer(b"x")
        assert server.asked == [b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nb"]
        await client.end()

    play(scenario, server, NOWHERE)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ],
)
def test_a_body_of_no_possible_length_ends_the_connection(request_: bytes) -> None:
    server = Server(answer(b"x"))

    async def scenario(client: Client) -> None:
        assert await client.ask(request_) == b""
        assert isinstance(await client.end(), ConnectionError)
        assert server.asked == []

    play(scenario, server, NOWHERE)
