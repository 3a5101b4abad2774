"""The one composition root: from settings to a running server, and back to nothing."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import __version__
from keystead.api.http.message import Channel
from keystead.clock import Clock, SystemClock
from keystead.entropy import Entropy, SystemEntropy
from keystead.errors import OperatorError
from keystead.proxy.server import ProxyServer
from keystead.proxy.tunnel import Tunnel
from keystead.proxy.upstream import Upstream
from keystead.server import logs
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from keystead.server.data.directory import DataDirectory, Running
from keystead.server.data.opened_store import OpenedStore, open_store
from keystead.server.network import certificates, confinement, listener
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.front_supervisor import Confine, Front
from keystead.server.network.limits import Handler, Limits
from keystead.server.network.probe import Probe
from keystead.server.service import ops
from keystead.server.service.pools import PROCESSORS
from keystead.server.service.sequencer import PATIENCE
from keystead.server.service.timers import Service
from keystead.server.service.watch import Watch
from keystead.settings import Settings

_LEFT_BEHIND = 2.0  # seconds that a front process may outlive a server that was killed
_CERTIFICATE_EVERY = 600.0


class Server:
    """A server on a data directory."""

    def __init__(self, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self.settings = settings
        self.clock = clock
        self.entropy = entropy
        self.directory = DataDirectory(settings.data)
        self.new_authority = False
        self.first_start = False
        self.running: Running | None = None
        wanted = settings.front_process
        self._fronted = wanted == "yes" or (wanted == "auto" and PROCESSORS > 1)
        self._endpoints: list[Endpoint | Front | Watch] = []
        self._api: Endpoint | Front | None = None
        self._certificate: certificates.Issued | certificates.Files | None = None
        self._proxy: ProxyServer | None = None

    async def start(self) -> Running:
        """Open everything and listen. OperatorError says what is in the way; then nothing is left open."""
        settings, loop = self.settings, asyncio.get_running_loop()
        host, port = listener.parse_address(settings.listen)
        if settings.http and not listener.is_loopback(host):
            raise OperatorError(
                f"plain HTTP on {host} would show secrets to the network",
                hint="leave out --http, or listen on localhost",
            )
        if settings.front_confinement == "yes" and not self._fronted:
            raise OperatorError(
                "there is no front process that could be confined",
                hint="add --front-process yes, or leave out --front-confinement yes",
            )
        self.directory.prepare()
        self.directory.lock()
        try:
            seed = seeds.read(settings.seed) if settings.seed else None
            account = "" if seed is None else seed.account
            opened = open_store(self.directory, self.clock, self.entropy, account)
            self.first_start = opened.first_start
            self.service = Service(
                opened,
                region=settings.region,
                clock=self.clock,
                entropy=self.entropy,
                loop=loop,
                patience=PATIENCE if self._fronted else 0.0,
            )
            if seed is not None:
                seeding.seed_store(self.service.pipeline, seed, settings.seed_anyway)
            if not settings.http:
                self._certificate = self._own_or_given(opened, certificates.names_for(host, settings.name))
            sockets = await self._listen(host, port)
            port = sockets[0].getsockname()[1]
            self._api = self._endpoint_or_front(sockets)
            await self._api.start(None if self._certificate is None else self._certificate.renewed())
            ops_url = await self._listen_ops(Probe(sockets, tls=not settings.http))
            await self._listen_control()
            shown = f"[{host}]" if ":" in host else host
            if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
                shown = "localhost"
            if settings.tls_cert and settings.name:
                shown = settings.name[0]  # the operator's own certificate is for this name
            url = f"{'http' if settings.http else 'https'}://{shown}:{port}"
            ca_file = None if settings.http or settings.tls_cert else str(self.directory.certificate)
            self.running = Running(
                pid=os.getpid(),
                url=url,
                ca_file=ca_file,
                ops_url=ops_url,
                proxy_url=await self._start_proxy(url, ca_file) if settings.proxy else None,
                region=settings.region,
                account=opened.account,
                version=__version__,
            )
            self.directory.describe(self.running)
        except BaseException:
            await self.stop()
            raise
        self.service.start_timers()
        return self.running

    async def stop(self) -> None:
        """Stop listening, finish what was accepted, let go of the directory."""
        if self._proxy is not None:
            await self._proxy.stop()
        await asyncio.gather(*(endpoint.stop(self.settings.stop_seconds) for endpoint in self._endpoints))
        if hasattr(self, "service"):
            await self.service.stop()
        self.directory.forget()
        self.directory.unlock()

    # --- inside

    async def _listen(self, host: str, port: int) -> list[socket.socket]:
        """The API's sockets. The front process of a server that was killed may hold them for a moment longer."""
        killed = self.directory.running() is not None
        deadline = self.clock.monotonic() + _LEFT_BEHIND
        while True:
            try:
                return listener.listen(host, port)
            except OperatorError:
                if not killed or self.clock.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.02)

    def _endpoint_or_front(self, sockets: list[socket.socket]) -> Endpoint | Front:
        """Where the API's requests come in: in a process of its own if settings and processors allow."""
        if not self._fronted:
            return self._endpoint(self.service.sequencer.submit, sockets)
        front = Front(
            self.service.sequencer.take,
            sockets,
            limits=self._limits(),
            connections=self.service.metrics,
            log=(self.settings.log_format, self.settings.log_level),
            confine=cast("Confine", self.settings.front_confinement),
            restarting=self.service.metrics.front_restarting,
        )
        self._endpoints.append(front)
        self.service.metrics.watch_front(lambda: front.pid)
        return front

    def _endpoint(
        self, handler: Handler, sockets: list[socket.socket], channel: Channel = Channel.NETWORK
    ) -> Endpoint:
        endpoint = self._listener(handler, sockets, channel)
        self._endpoints.append(endpoint)
        return endpoint

    def _listener(self, handler: Handler, sockets: list[socket.socket], channel: Channel) -> Endpoint:
        """For the event loop that runs."""
        return Endpoint(
            handler,
            sockets,
            limits=self._limits(),
            clock=self.clock,
            connections=self.service.metrics,
            channel=channel,
        )

    def _limits(self) -> Limits:
        settings = self.settings
        return Limits(
            request_seconds=settings.request_seconds,
            idle_seconds=settings.idle_seconds,
            connections=settings.max_connections,
        )

    async def _start_proxy(self, url: str, ca_file: str | None) -> str:
        """The proxy that `keystead env` points clients to, for the life of this server."""
        proxy = ProxyServer(
            Upstream(url=url, ca_file=ca_file),
            Tunnel(os.environ),
            self.clock,
            self.entropy,
            certificates.AUTHORITY_LIFETIME,
        )
        await proxy.start()
        self._proxy = proxy
        self.directory.proxy.mkdir(mode=0o700, exist_ok=True)
        self.directory.write_bytes(self.directory.proxy_ca, proxy.certificate_pem, 0o600)
        return proxy.url

    async def _listen_ops(self, probe: Probe) -> str:
        wanted = self.settings.ops_listen
        if not wanted:
            wanted = "127.0.0.1:8444" if self.settings.listen == "localhost:8443" else "127.0.0.1:0"
        host, port = listener.parse_address(wanted)
        sockets = listener.listen(host, port)
        port = sockets[0].getsockname()[1]
        handler = ops.handler(self.service.metrics, partial(self._problems, probe))
        watch = Watch(self.service.hanging, lambda: self._listener(handler, sockets, Channel.NETWORK))
        await watch.start()
        self._endpoints.append(watch)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}"

    async def _listen_control(self) -> None:
        with suppress(FileNotFoundError):
            self.directory.control.unlink()  # left by a server that was killed; the lock is ours
        # The umask of the process is its own affair; the directory (0700) and this mode keep others out.
        path = str(self.directory.control)
        if len(path.encode()) > 100:
            descriptor = os.open(self.directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            path = f"/proc/self/fd/{descriptor}/{self.directory.control.name}"
        control = socket.socket(socket.AF_UNIX)
        previous = os.umask(0o177)
        try:
            control.bind(path)
        finally:
            os.umask(previous)
        await self._endpoint(self.service.sequencer.submit, [control], Channel.CONTROL).start()

    def _own_or_given(
        self, opened: OpenedStore, names: certificates.Names
    ) -> certificates.Issued | certificates.Files:
        settings = self.settings
        if settings.tls_cert:
            return certificates.Files(settings.tls_cert, settings.tls_key)
        authority, self.new_authority = certificates.own_authority(
            self.directory, opened.vault, names, self.clock
        )
        return certificates.Issued(authority, names, self.clock)

    def watch_certificate(self) -> None:
        """Renew the certificate in time, or load the operator's again when its files changed."""

        def renew() -> None:
            assert self._certificate is not None
            assert self._api is not None
            try:
                pem = self._certificate.renewed()
                if pem is not None:
                    self._api.present(pem)
            except (OperatorError, OSError) as error:
                logs.failure("certificate not renewed", error)

        if not self.settings.http:
            self.service.every(_CERTIFICATE_EVERY, "certificate", renew)

    async def _problems(self, probe: Probe) -> list[str]:
        """What keeps calls from being answered: what is known of it, else what shows when one tries."""
        assert self._api is not None
        known = (*self.service.hanging.problems(), self.service.metrics.store_problem, self._api.problem)
        found = [problem for problem in known if problem]
        return found or [problem for problem in (await probe.problem(),) if problem]


async def serve(settings: Settings, announce: Callable[[Server], None]) -> None:
    """Run a server until SIGINT or SIGTERM; `announce` is called when it accepts requests."""
    server = Server(settings, SystemClock(), SystemEntropy())
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    os.umask(0o077)
    if settings.front_confinement != "no":
        confinement.hide()
    # Before the start is announced: who reads server.json may send a signal at once, and is to get an orderly stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    server.watch_certificate()
    assert server.running is not None
    logs.event(
        "serving",
        url=server.running.url,
        ops_url=server.running.ops_url,
        data=str(server.directory.path),
        pid=os.getpid(),
    )
    announce(server)
    await stopped.wait()
    logs.event("stopping")
    await server.stop()
    logs.event("stopped")
