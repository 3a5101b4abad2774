"""The HTTP edge: framing, limits, order, deadlines. Raw bytes against a real loop and a real socket."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.clock import FixedClock
from keystead.server.network.connection import HttpServer
from keystead.server.network.endpoint import refuse
from keystead.server.network.limits import Limits

Reply = Callable[[HttpResponse], None]


class Counted:
    def __init__(self) -> None:
        self.open = 0
        self.refusals: list[str] = []

    def opened(self) -> None:
        self.open += 1

    def closed(self) -> None:
        self.open -= 1

    def refused(self, code: str) -> None:
        self.refusals.append(code)


class Endpoint:
    """A listening server whose handler notes requests and answers at once, or when told."""

    def __init__(self, limits: Limits, hold: bool = False) -> None:
        self.requests: list[HttpRequest] = []
        self.waiting: list[Reply] = []
        self.hold = hold
        self.limits = limits
        self.counted = Counted()

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        self.requests.append(request)
        if self.hold:
            self.waiting.append(reply)
        else:
            reply(ok(request.target.encode()))

    async def __aenter__(self) -> "Endpoint":
        loop = asyncio.get_running_loop()
        self.http = HttpServer(
            self.handle,
            refuse=refuse,
            limits=self.limits,
            clock=FixedClock(),
            connections=self.counted,
            loop=loop,
        )
        self.server = await loop.create_server(self.http.protocol, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.http.stop(0.1)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)

    async def send(self, *pieces: bytes) -> bytes:
        """Send pieces, then read until the server closes or is silent."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0)
        found = b""
        self.closed = False
        try:
            while data := await asyncio.wait_for(reader.read(65536), 0.15):
                found += data
            self.closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            self.closed = True
        writer.close()
        return found


def ok(body: bytes = b"") -> HttpResponse:
    return HttpResponse(status=200, content_type="text/plain", body=body, headers=(("X-Extra", "1"),))


def run(
    scenario: Callable[[Endpoint], Awaitable[None]], limits: Limits | None = None, hold: bool = False
) -> Endpoint:
    async def main() -> Endpoint:
        async with Endpoint(limits or Limits(), hold) as edge:
            await scenario(edge)
        return edge

    return asyncio.run(main())


def exchange(*pieces: bytes, limits: Limits | None = None) -> tuple[Endpoint, bytes, bool]:
    found: list[bytes] = []
    closed: list[bool] = []

    async def scenario(edge: Endpoint) -> None:
        found.append(await edge.send(*pieces))
        closed.append(edge.closed)

    return run(scenario, limits), found[0], closed[0]


GET = b"GET /?a=1 HTTP/1.1\r\nHost: h\r\n\r\n"


def test_a_request_is_read_whole_and_answered() -> None:
    edge, answer, closed = exchange(
        b"POST /?a=%20 HTTP/1.1\r\nHost: h\r\nX-Acs-Action: Encrypt\r\nAccept-Language: a\r\nAccept-Language: b\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc"
    )
    (request,) = edge.requests
    assert (request.method, request.target, request.body, request.source, request.tls) == (
        "POST", "/?a=%20", b"abc", "127.0.0.1", "",
    )  # fmt: skip
    assert request.headers["x-acs-action"] == "Encrypt"
    assert request.headers["accept-language"] == "a, b"
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Date: Fri, 02 Jan 2026 03:04:05 GMT",
        b"Content-Type: text/plain",
        b"Content-Length: 7",
        b"X-Extra: 1",
    ]
    assert body == b"/?a=%20"
    assert not closed


def test_a_request_may_come_in_any_pieces() -> None:
    whole = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    edge, _, _ = exchange(*(whole[place : place + 1] for place in range(len(whole))))
    assert edge.requests[0].body == b"abcde"


def test_a_head_request_gets_no_body_and_http_1_0_is_closed() -> None:
    _, answer, closed = exchange(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.endswith(b"X-Extra: 1\r\n\r\n")
    assert not closed
    _, answer, closed = exchange(b"GET / HTTP/1.0\r\n\r\n")
    assert b"Connection: close" in answer
    assert closed


def test_pipelined_requests_are_answered_in_order_whatever_order_the_replies_come_in() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(3)))
        while len(edge.waiting) < 3:
            await asyncio.sleep(0.01)
        for n in (2, 0, 1):
            edge.waiting[n](ok(b"body-%d" % n))
        found = b""
        while b"body-2" not in found:
            found += await asyncio.wait_for(reader.read(65536), 1)
        assert found.index(b"body-0") < found.index(b"body-1") < found.index(b"body-2")
        writer.close()

    run(scenario, hold=True)


def test_reading_pauses_while_many_answers_are_awaited() -> None:
    async def scenario(edge: Endpoint) -> None:
        _, writer = await edge.connect()
        for _ in range(10):
            writer.write(GET)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert len(edge.waiting) == 4
        while len(edge.waiting) < 10:
            edge.waiting[len(edge.waiting) - 1](ok())
            for reply in edge.waiting[:-1]:
                reply(ok())
            await asyncio.sleep(0.02)
        writer.close()

    run(scenario, Limits(pipelined=4), hold=True)


def sized(extra: int) -> bytes:
    return b"GET /" + b"a" * (128 * 1024 - 1 + extra) + b" HTTP/1.1\r\nHost: h\r\n\r\n"


def headed(count: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(count - 1)) + b"\r\n"


def weighed(total: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * (total - 9 - 5) + b"\r\n\r\n"


def bodied(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length


def chunked(length: int) -> bytes:
    return (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % length
        + b"x" * length
        + b"\r\n0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (sized(0), 200),
        (sized(1), 414),
        (headed(100), 200),
        (headed(101), 431),
        (weighed(32 * 1024), 200),
        (weighed(32 * 1024 + 1), 431),
        (bodied(1024 * 1024), 200),
        (bodied(1024 * 1024 + 1), 413),
        (chunked(1024 * 1024), 200),
        (chunked(1024 * 1024 + 1), 413),
    ],
)
def test_limits_on_both_sides(request_: bytes, status: int) -> None:
    edge, answer, closed = exchange(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert len(edge.requests) == (status == 200)
    assert closed == (status != 200)


H = b"POST / HTTP/1.1\r\nHost: h\r\n"
SMUGGLED = GET
BAD = [
    b"\r\n\r\nnonsense\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX\x00: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX-Acs-Date: a\r\nx-acs-date: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nContent-Type: a\r\nContent-Type: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n",
    H + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    H + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    H + b"Content-Length: 5, 5\r\n\r\nhello",
    H + b"Content-Length: +5\r\n\r\nhello",
    H + b"Content-Length: -5\r\n\r\nhello",
    H + b"Content-Length: 0x5\r\n\r\nhello",
    H + b"Content-Length: 5 5\r\n\r\nhello",
    H + b"Content-Length: five\r\n\r\nhello",
    H + b"Content-Length:\r\n\r\n",
    H + b"Content-Length: 99999999999999999999\r\n\r\n",
    H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: identity\r\n\r\n",
    H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    H + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    H + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    H + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    H + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    H + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    b"G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /\tx HTTP/1.1\r\nHost: h\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("payload", BAD, ids=range(len(BAD)))
def test_what_is_not_strict_is_refused_once_and_nothing_after_it_is_read(payload: bytes) -> None:
    edge, answer, closed = exchange(payload + SMUGGLED)
    assert (
        edge.requests == [] or edge.requests[0].method not in ("GET",) or edge.requests[0].target != "/?a=1"
    )
    assert len(edge.requests) <= 1
    assert answer.count(b"HTTP/1.1 4") + answer.count(b"HTTP/1.1 5") == 1
    assert closed
    assert b'"Code":' in answer


def test_nothing_may_follow_a_request_that_closes() -> None:
    edge, answer, closed = exchange(b"GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + GET)
    assert [request.target for request in edge.requests] == ["/1"]
    assert b"Connection: close" in answer
    assert closed


def test_expect_100_continue() -> None:
    _, answer, _ = exchange(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", b"x"
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_a_slow_request_and_an_idle_connection_are_ended() -> None:
    async def scenario(edge: Endpoint) -> None:
        slow, slow_writer = await edge.connect()
        slow_writer.write(b"GET / HT")
        idle, idle_writer = await edge.connect()
        assert (await asyncio.wait_for(slow.read(), 4)).startswith(b"HTTP/1.1 408 ")
        assert await asyncio.wait_for(idle.read(), 4) == b""
        slow_writer.close()
        idle_writer.close()

    run(scenario, Limits(request_seconds=0.5, idle_seconds=0.5))


def test_a_client_that_does_not_read_is_ended() -> None:
    async def scenario(edge: Endpoint) -> None:
        _, writer = await edge.connect()
        writer.write(GET * 4)
        while len(edge.waiting) < 4:
            await asyncio.sleep(0.01)
        for reply in edge.waiting:
            reply(ok(b"x" * 8_000_000))
        deadline = asyncio.get_running_loop().time() + 5
        while edge.counted.open:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        writer.close()

    run(scenario, Limits(write_seconds=0.5, buffered=1000), hold=True)


def test_too_many_connections_are_refused_and_the_others_go_on() -> None:
    async def scenario(edge: Endpoint) -> None:
        kept = [await edge.connect() for _ in range(2)]
        assert (await edge.send(GET)).startswith(b"HTTP/1.1 503 ")
        for reader, writer in kept:
            writer.write(GET)
            assert (await asyncio.wait_for(reader.read(65536), 1)).startswith(b"HTTP/1.1 200 ")
            writer.close()

    run(scenario, Limits(connections=2))


def test_a_stop_answers_what_was_accepted_and_closes_the_idle() -> None:
    async def scenario(edge: Endpoint) -> None:
        idle, _ = await edge.connect()
        busy, writer = await edge.connect()
        writer.write(GET)
        while not edge.waiting:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(edge.http.stop(5))
        assert await asyncio.wait_for(idle.read(), 1) == b""
        edge.waiting[0](ok(b"last"))
        answer = await asyncio.wait_for(busy.read(), 1)
        assert b"Connection: close" in answer
        assert answer.endswith(b"last")
        await stopping

    run(scenario, hold=True)


def test_while_it_drains_each_connection_ends_with_its_next_answer_and_new_ones_are_served() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(GET)
        assert b"Connection: close" not in await asyncio.wait_for(reader.read(65536), 5)
        edge.http.draining = True
        writer.write(GET)
        assert b"Connection: close" in await asyncio.wait_for(reader.read(), 5)
        assert b"Connection: close" in await edge.send(GET)
        assert edge.closed

    run(scenario)


def test_all_that_was_accepted_before_on_one_connection_is_answered_before_it_ends() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(GET * 3)
        while len(edge.waiting) < 3:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(edge.http.stop(20))
        while not edge.http.stopping:
            await asyncio.sleep(0)
        for number, reply in enumerate(edge.waiting):
            reply(ok(b"answer %d" % number))
        answers = await asyncio.wait_for(reader.read(), 5)
        assert [answers.count(b"answer %d" % number) for number in range(3)] == [1, 1, 1]
        assert answers.count(b"Connection: close") == 1
        assert answers.endswith(b"answer 2")
        await stopping

    run(scenario, hold=True)


def test_a_client_that_is_gone_disturbs_nobody() -> None:
    async def scenario(edge: Endpoint) -> None:
        _, writer = await edge.connect()
        writer.write(GET)
        while not edge.waiting:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        edge.waiting[0](ok(b"x"))

    assert run(scenario, hold=True).counted.open == 0


def test_a_half_closed_client_still_gets_its_answer() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(GET)
        writer.write_eof()
        while not edge.waiting:
            await asyncio.sleep(0.01)
        edge.waiting[0](ok(b"late"))
        assert (await asyncio.wait_for(reader.read(), 1)).endswith(b"late")

    run(scenario, hold=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def waiting(edge: Endpoint, count: int) -> None:
    await until(lambda: len(edge.waiting) == count)


async def arriving(edge: Endpoint, total: int) -> None:
    await until(lambda: edge.http.arriving >= total or bool(edge.counted.refusals))


def test_of_requests_that_come_at_once_no_more_are_taken_than_may_wait() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(50)))
        for count in range(4, 51):
            await waiting(edge, count)
            await asyncio.sleep(0.001)
            assert len(edge.waiting) == count
            edge.waiting[count - 4](ok(b"body-%d." % (count - 4)))
        for reply in edge.waiting[-3:]:
            reply(ok(b"last"))
        found = await asyncio.wait_for(reader.readuntil(b"last"), 5)
        assert [found.count(b"body-%d." % n) for n in range(47)] == [1] * 47
        assert [request.target for request in edge.requests] == [f"/{n}" for n in range(50)]
        writer.close()

    run(scenario, Limits(pipelined=4), hold=True)


def test_bodies_in_a_long_pipeline_are_kept_apart() -> None:
    pieces = b"".join(bodied(length) for length in (0, 3, 40_000, 16_384, 1))

    async def scenario(edge: Endpoint) -> None:
        _, writer = await edge.connect()
        writer.write(pieces)
        for count in (2, 4, 5):
            await waiting(edge, count)
            for reply in edge.waiting[:count]:
                reply(ok())
        assert [len(request.body) for request in edge.requests] == [0, 3, 40_000, 16_384, 1]
        writer.close()

    run(scenario, Limits(pipelined=2), hold=True)


def test_while_held_nothing_is_taken_and_afterwards_everything() -> None:
    async def scenario(edge: Endpoint) -> None:
        several = [await edge.connect() for _ in range(3)]
        several[0][1].write(bodied(100)[:-50])  # half a request; the rest comes while it is held
        await until(lambda: edge.http.arriving == 50)
        edge.http.hold(True)
        several[0][1].write(b"x" * 50)
        for _, writer in several[1:]:
            writer.write(GET * 2)
        await until(lambda: len(edge.http.waiting) == 3)
        assert edge.requests == []
        several[2][1].transport.abort()
        await asyncio.sleep(0.01)
        edge.http.hold(False)
        await until(lambda: len(edge.requests) >= 3)
        for reader, _ in several[:2]:
            assert b"200 OK" in await asyncio.wait_for(reader.read(65536), 5)
        for _, writer in several:
            writer.close()

    run(scenario)


def test_who_waited_for_answers_when_the_holding_began_goes_on_after_it() -> None:
    async def scenario(edge: Endpoint) -> None:
        _, writer = await edge.connect()
        writer.write(GET * 3)
        await until(lambda: len(edge.waiting) == 1)
        edge.http.hold(True)
        edge.waiting[0](ok())
        await asyncio.sleep(0.01)
        assert len(edge.requests) == 1
        edge.http.hold(False)
        await until(lambda: len(edge.requests) == 2)
        writer.close()

    run(scenario, Limits(pipelined=1), hold=True)


def test_time_that_the_server_takes_is_not_the_client_s() -> None:
    async def scenario(edge: Endpoint) -> None:
        reader, writer = await edge.connect()
        writer.write(GET + GET[:10])
        await until(lambda: len(edge.waiting) == 1)
        (connection,) = edge.http.open
        connection.check_deadline(edge.http.loop.time() + 1000)
        edge.waiting[0](ok())
        writer.write(GET[10:])
        await until(lambda: len(edge.waiting) == 2)
        edge.waiting[1](ok())
        await until(lambda: len(edge.http.open) == 1)
        assert (await asyncio.wait_for(reader.read(65536), 5)).startswith(b"HTTP/1.1 200")
        writer.close()

    run(scenario, Limits(pipelined=1), hold=True)


@pytest.mark.parametrize("extra", [0, 1])
def test_long_bodies_that_are_not_whole_share_a_limit(extra: int) -> None:
    async def scenario(edge: Endpoint) -> None:
        several = [await edge.connect() for _ in range(2)]
        for (_, writer), length, total in zip(
            several, (100_000, 100_000 + extra), (100_000, 200_000), strict=True
        ):
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n" + b"x" * length)
            await arriving(edge, total)
        if extra:
            answer = await asyncio.wait_for(several[1][0].read(65536), 5)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"too many long requests" in answer
            await until(lambda: edge.http.arriving == 100_000)
            several[0][1].write(b"x" * 50_000)  # there is room for the first one again
            assert b"200 OK" in await asyncio.wait_for(several[0][0].read(65536), 5)
        assert edge.counted.refusals == ["ServiceUnavailable"] * extra
        third = await edge.connect()
        third[1].write(bodied(1000))  # a short one is always taken
        assert b"200 OK" in await asyncio.wait_for(third[0].read(65536), 5)
        for _, writer in [*several, third]:
            writer.transport.abort()
        await until(lambda: edge.http.arriving == 0)

    run(scenario, Limits(bodies=200_000))
