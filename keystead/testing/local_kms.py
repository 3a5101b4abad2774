"""A server in a thread of the test process: in memory, on a loopback port, with a moved clock and planned faults."""

import asyncio
import os
import threading
import warnings
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import uvloop

from keystead.api.http import encode, parse, signature
from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.api.http.receive import Received, receive
from keystead.api.operation import Operation
from keystead.api.scheduled import delete_due, expire_due, purge_access_keys, purge_nonces, rotate_due
from keystead.client.transport import Endpoint as ClientEndpoint
from keystead.client.transport import Session
from keystead.clock import SystemClock
from keystead.domain.products import RAM
from keystead.entropy import SystemEntropy, uuid4
from keystead.errors import KmsError, OperatorError, Refused
from keystead.files.temporary_folder import TemporaryFolder
from keystead.forms import REGION
from keystead.proxy import environment
from keystead.proxy.server import ProxyServer
from keystead.proxy.tunnel import Tunnel
from keystead.proxy.upstream import Upstream
from keystead.server.data import seed_file
from keystead.server.data.seed_file import Seed, SeedAccessKey
from keystead.server.ephemeral import service_in_memory
from keystead.server.network import listener
from keystead.server.network.connection import HttpProtocol, HttpServer
from keystead.server.network.endpoint import refuse
from keystead.server.network.limits import Limits, Reply
from keystead.server.service.timers import Service
from keystead.testing import clients
from keystead.testing.calls import Call, Calls
from keystead.testing.clock import ClientClock, TestClock
from keystead.testing.faults import Effect, Fault, Faults, meant, number, operation, refusal
from keystead.testing.patch import patched

if TYPE_CHECKING:
    from alibabacloud_kms20160120.client import Client
    from aliyunsdkcore.client import AcsClient

T = TypeVar("T")

_PATIENCE = 30.0  # seconds that the test's thread waits for the server's
_CUT = HttpResponse(status=0, content_type="", body=b"")


class LocalKms:
    """A server; a context manager, or `start` and `stop`. OperatorError if the seed can't be used."""

    def __init__(self, *, region: str = "", seed: str | os.PathLike[str] | None = None) -> None:
        """`seed`: a TOML file of fixed keys, as `keystead run --seed` takes it."""
        self._entropy = SystemEntropy()
        found = Seed() if seed is None else seed_file.read(str(seed))
        if not found.access_key:
            random = self._entropy.take(20).hex()
            access_key = SeedAccessKey(id=f"LTAITEST{random[:16].upper()}", secret=random[16:])
            found = msgspec.structs.replace(found, access_key=[access_key])
        self._seed = found
        self.region = region or found.region
        if not REGION.fits(self.region):
            raise OperatorError(f"{self.region!r} is not a region", hint=f"a region is {REGION.words}")
        self.account = found.account
        self.access_key = (found.access_key[0].id, found.access_key[0].secret)
        self.url = ""
        self.calls = Calls()
        self.clock = TestClock(self._catch_up)
        self._client_clock = ClientClock()
        self._faults = Faults()
        self._made: dict[str, tuple[str, str]] = {}  # AccessKeys by their user's name
        self._own = ("", "")  # the AccessKey of the test's own calls
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._folder: TemporaryFolder | None = None
        self._tunnel: Tunnel | None = None
        self._proxy: ProxyServer | None = None

    # --- its life

    def start(self) -> "LocalKms":
        """Listen. It is answered when this returns. One that was stopped starts anew, at another address."""
        if self._thread is not None:
            raise RuntimeError("this server runs already")
        self._ready.clear()
        self._proxy = self._folder = self._tunnel = None
        self.clock.reset()
        self.forget()
        self._thread = threading.Thread(target=self._run, name="keystead", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            self._thread, failure, self._failure = None, self._failure, None
            raise failure
        return self

    def stop(self) -> None:
        """End it; it leaves nothing behind."""
        if self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(_PATIENCE)
        self._thread = None

    def __enter__(self) -> "LocalKms":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """A new store with the seed's keys alone, the machine's time, no faults and no calls; address and AccessKey stay."""
        self._await(self._renew())
        self.forget()

    def forget(self) -> None:
        """Drop the list of calls, the planned faults, and what is wrong with the clients' clock."""
        self.calls.clear()
        self._faults.clear()
        self._client_clock.set_off(0)

    # --- what a test does with it

    def call(self, action: str, **parameters: str | int | bool) -> dict[str, Any]:
        """A call by the test itself, with no fault and not in `calls`. Refused, with its code, if the server refuses;
        ValueError for an operation or a parameter that there is not."""
        asked = _check(action, parameters)
        self._check_runs()
        sent = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in parameters.items()
        }
        return self._call(action, asked.product.version, {"RegionId": self.region, **sent})

    def _call(self, action: str, version: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        endpoint = ClientEndpoint(url=self.url, ca_file=None, access_key=self._own, security_token="")
        with Session(endpoint, SystemClock(), self._entropy, "testing") as session:
            answer = session.call(action, version, parameters)
        if not 200 <= answer.status < 300:
            code = answer.members["Code"]
            raise Refused(f"{code}: {answer.members.get('Message', '')}", code=code)
        return answer.members

    def new_key(self, **parameters: str | int | bool) -> str:
        """The id of a new key; the parameters are those of CreateKey."""
        return str(self.call("CreateKey", **parameters)["KeyMetadata"]["KeyId"])

    def fail(
        self,
        action: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Refuse the next calls of an action, or of any: by a status (429, 500, 503) or by a code. times=None: always."""
        self._faults.plan(refusal(action, status, code, times))

    def slow(self, action: str = "", *, seconds: float, times: int | None = 1) -> None:
        """Perform the next calls so many seconds late."""
        self._faults.plan(Fault(action=action, effect=Effect.SLOW, times=times, seconds=seconds))

    def cut(self, action: str = "", *, performed: bool = False, times: int | None = 1) -> None:
        """End the connection of the next calls without an answer; `performed`: after they had their effect."""
        effect = Effect.CUT_AFTER if performed else Effect.CUT
        self._faults.plan(Fault(action=action, effect=effect, times=times))

    def clients_clock_is_off(self, *, minutes: float) -> None:
        """Take requests as if the client's clock were so much ahead, or behind if negative; beyond 15 it is refused."""
        if not number(minutes):
            raise ValueError("minutes must be a number")
        self._client_clock.set_off(-60 * minutes)

    def unmet(self) -> list[str]:
        """The planned faults that no call has met."""
        return [str(fault) for fault in self._faults.unmet()]

    # --- clients

    def environment(self, before: Mapping[str, str] | None = None) -> environment.Change:
        """The change of an environment under which official clients work unmodified, as under `keystead run`. What of the
        environment can't be kept is a UserWarning."""
        told: list[str] = []
        if self._tunnel is None:
            self._tunnel = Tunnel(os.environ)
            told += [self._tunnel.warning] if self._tunnel.warning else []
        proxy = self._await(self._started_proxy(self._tunnel))
        if self._folder is None:
            self._folder = TemporaryFolder("keystead-test-")
        made = environment.change(
            os.environ if before is None else before,
            access_key=self.access_key,
            region=self.region,
            proxy_url=proxy.url,
            ca_pem=proxy.certificate_pem,
            folder=self._folder.path,
            endpoint=self.url,
            data="",
            endpoint_ca=None,
        )
        for warning in (*told, *made.warnings):
            warnings.warn(warning, stacklevel=2)
        return made

    def patched_environment(self) -> AbstractContextManager[None]:
        """Within it this process, and programs that it starts, are in that environment."""
        return patched(self.environment())

    def access_key_of(self, user: str) -> tuple[str, str]:
        """An AccessKey of a RAM user: one of the seed's, or one that is made for it and is there until `reset`. Refused if
        there is no such user."""
        for one in self._seed.user:
            if one.name == user and one.access_key:
                return one.access_key[0].id, one.access_key[0].secret
        if user not in self._made:
            self._check_runs()
            made = self._call("CreateAccessKey", RAM.version, {"UserName": user})["AccessKey"]
            self._made[user] = made["AccessKeyId"], made["AccessKeySecret"]
        return self._made[user]

    def classic_client(self, *, user: str = "", **options: Any) -> "AcsClient":
        """A client of aliyun-python-sdk-core, of the account or of one of its RAM users; the options are those of
        AcsClient."""
        return clients.classic(self.environment(), self._pair(user), self.region, options)

    def client(self, *, user: str = "", **options: Any) -> "Client":
        """A client of alibabacloud_kms20160120, of the account or of one of its RAM users; the options are those of its
        Config."""
        self._check_runs()
        return clients.current(self.url, self._pair(user), self.region, options)

    def _pair(self, user: str) -> tuple[str, str]:
        return self.access_key_of(user) if user else self.access_key

    # --- the server's thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        async with AsyncExitStack() as stack:
            self._service = self._new_service()
            stack.push_async_callback(self._end)
            (socket,) = listener.listen("127.0.0.1", 0)
            http = HttpServer(
                self._handle,
                refuse=refuse,
                limits=Limits(),
                clock=SystemClock(),
                connections=self._service.metrics,
                loop=self._loop,
            )
            accepting = await self._loop.create_server(partial(_Protocol, http), sock=socket)
            stack.push_async_callback(http.stop, 1)
            stack.callback(accepting.close)
            self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            self._ready.set()
            await self._stopped.wait()

    async def _end(self) -> None:
        await self._service.stop()
        if self._proxy is not None:
            await self._proxy.stop()
        if self._folder is not None:
            self._folder.close()

    def _new_service(self) -> Service:
        service, self._own = service_in_memory(
            self.region,
            self.clock,
            self._entropy,
            self._seed,
            client_clock=self._client_clock,
        )
        service.start_timers()
        return service

    async def _renew(self) -> None:
        old = self._service
        self.clock.reset()
        self._service = self._new_service()
        self._made.clear()
        await old.stop()

    async def _started_proxy(self, tunnel: Tunnel) -> ProxyServer:
        if self._proxy is None:
            proxy = ProxyServer(Upstream(url=self.url), tunnel, SystemClock(), self._entropy)
            await proxy.start()
            self._proxy = proxy
        return self._proxy

    def _catch_up(self) -> None:
        async def due() -> None:
            for job in (delete_due, expire_due, rotate_due, purge_access_keys, purge_nonces):
                self._service.sequencer.run(job)
            await self._service.sequencer.drain()

        self._await(due())

    def _check_runs(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            raise OperatorError(
                "this server does not run", hint="start it first, or use it in a with statement"
            )

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            self._check_runs()
        except OperatorError:
            work.close()
            raise
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    # --- requests

    def _handle(self, request: HttpRequest, reply: Reply) -> None:
        asked = receive(request)
        if asked.claims is not None and asked.claims.access_key_id == self._own[0]:
            self._service.sequencer.take(asked, reply)
            return
        call = _call(request)
        self.calls.append(call)
        fault = self._faults.meet(call)
        answered = partial(self._answered, call, reply)
        if fault is None:
            self._service.sequencer.take(asked, answered)
        else:
            self._meet(fault, asked, reply, answered)

    def _meet(self, fault: Fault, asked: Received, reply: Reply, answered: Reply) -> None:
        match fault.effect:
            case Effect.REFUSED:
                text, request_id = fault.message, uuid4(self._entropy)
                answered(encode.refusal(fault.status, fault.code, text, request_id, asked.host, asked.xml))
            case Effect.SLOW:
                self._loop.call_later(fault.seconds, lambda: self._service.sequencer.take(asked, answered))
            case Effect.CUT:
                reply(_CUT)
            case Effect.CUT_AFTER:
                self._service.sequencer.take(asked, lambda _: reply(_CUT))

    def _answered(self, call: Call, reply: Reply, response: HttpResponse) -> None:
        call.status = response.status
        call.request_id = dict(response.headers).get("x-acs-request-id", "")
        if response.status >= 400:
            with suppress(msgspec.MsgspecError, KeyError):  # XML
                call.code = msgspec.json.decode(response.body)["Code"]
        reply(response)


def _check(action: str, parameters: Mapping[str, object]) -> Operation:
    asked = operation(action)
    for name in parameters:
        if not asked.takes(name):
            raise ValueError(f"{action} has no parameter {name!r}" + meant(name, asked.parameters))
    return asked


def _call(request: HttpRequest) -> Call:
    """What a request asks for, whoever signed it."""
    try:
        parameters = parse.parse(request).merged
    except KmsError:
        parameters = {}
    return Call(signature.action_and_version(parameters, request.headers)[0], parameters)


class _Protocol(HttpProtocol):
    """A connection that can be cut off instead of an answer."""

    def _answer(self, exchange: Any, response: HttpResponse) -> None:
        if response is _CUT:
            self.abort()
        else:
            super()._answer(exchange, response)
