"""The one composition root: from settings to a running server, and back to nothing."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import __version__
from keystead.api.batch import Batch
from keystead.api.checkpoints import signer_of
from keystead.api.home import ServerFacts
from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.api.pipeline import Pipeline
from keystead.client.transport import NOT_SERVED
from keystead.clock import Clock
from keystead.console.carrier import Served, page_of
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.proxy.server import ProxyServer
from keystead.server import logs, preflight
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from keystead.server.data.anchor import Anchor
from keystead.server.data.directory import DataDirectory, Running
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.server.network import listener, own_proxy
from keystead.server.network.certificate_watch import CertificateWatch
from keystead.server.network.console_supervisor import Console
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.front_supervisor import Front
from keystead.server.network.limits import Handler, Limits, Reply
from keystead.server.network.pages import Pages, is_visit
from keystead.server.network.probe import Probe
from keystead.server.service import checkpoints, ops
from keystead.server.service.facts import facts_of
from keystead.server.service.sequencer import PATIENCE
from keystead.server.service.timers import Service
from keystead.server.service.watch import Watch
from keystead.server.systemd import ServiceManager
from keystead.settings import SETTINGS, Settings

_LEFT_BEHIND = 2.0  # seconds that a front process may outlive a server that was killed
_CERTIFICATE_EVERY = 2.0
_FIGURES_EVERY = 60.0
_OPS_PORT = 8444
_FOLLOWED_WITHIN = 5.0


class Server:
    """A server on a data directory."""

    def __init__(self, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self.settings = settings
        self.sources: dict[str, str] = {}  # of settings, by their names, that are not the default
        self._started = clock.now()
        self.clock = clock
        self.entropy = entropy
        self.directory = DataDirectory(settings.data)
        self.anchor: Anchor | None = None
        self.accept_older_copy = False
        self.first_start = False
        self.running: Running | None = None
        self._fronted = preflight.fronted(settings)
        self._endpoints: list[Endpoint | Front | Watch] = []
        self._api: Endpoint | Front | None = None
        self._certificate: CertificateWatch | None = None
        self._proxy: ProxyServer | None = None
        self._console: Console | None = None

    async def start(self) -> Running:
        """Open everything and listen. OperatorError says what is in the way; then nothing is left open."""
        settings, loop = self.settings, asyncio.get_running_loop()
        preflight.check(settings, self.clock)
        host, port = listener.parse_address(settings.listen)
        self.directory.prepare(preflight.files_of(settings))
        self.directory.lock()
        try:
            seed = seeds.read(settings.seed) if settings.seed else None
            account = "" if seed is None else seed.account
            opened = open_store(
                self.directory,
                self.clock,
                self.entropy,
                account,
                self.anchor,
                settings.root_key,
                shared=place_of(settings.store, settings.store_password_file),
                accept_older=self.accept_older_copy,
            )
            self.first_start = opened.first_start
            self.service = Service(
                opened,
                region=settings.region,
                clock=self.clock,
                entropy=self.entropy,
                loop=loop,
                patience=PATIENCE if self._fronted else 0.0,
                service_keys=settings.service_keys == "yes",
                checkpoints=checkpoints.asked_for(settings),
            )
            if seed is not None:
                seeding.seed_store(self.service.pipeline, seed, settings.seed_anyway)
            if not settings.http:
                self._certificate = CertificateWatch(
                    self.directory, opened, host, settings, self.clock, self.entropy
                )
            if settings.console == "yes":
                self._console = Console(
                    self.service.sequencer.take,
                    served=Served(__version__, settings.region, opened.account),
                    log=logs.of(settings),
                    confine=settings.front_confinement,
                )
            self._pages = Pages(self._console.visit if self._console else None, self._known_problems)
            # The front process of a server that was killed may hold them for a moment longer.
            patience = 0.0 if self.directory.running() is None else _LEFT_BEHIND
            sockets = await listener.listen_within(patience, host, port, self.clock)
            fixed, port = port != 0, sockets[0].getsockname()[1]
            self._api = self._endpoint_or_front(sockets)
            await self._api.start(None if self._certificate is None else self._certificate.first)
            ops_url = await self._listen_ops(fixed, Probe(sockets, tls=not settings.http))
            control = listener.listen_control(self.directory.control)
            await self._endpoint(self._operate, [control], Channel.CONTROL).start()
            # The operator's own certificate is for its name.
            name = settings.name[0] if settings.tls_cert and settings.name else ""
            url = listener.url_of("http" if settings.http else "https", host, port, name)
            ca_file = None if settings.http or settings.tls_cert else str(self.directory.certificate)
            self.running = Running(
                pid=os.getpid(),
                url=url,
                ca_file=ca_file,
                ops_url=ops_url,
                proxy_url=await self._start_proxy(url, ca_file) if settings.proxy else None,
                console=settings.console == "yes",
                region=settings.region,
                account=opened.account,
                version=__version__,
                log_file=_absolute(settings.log_file),
                checkpoint_key=str(signer_of(opened.vault, opened.server_id, opened.account).public),
            )
            self.directory.describe(self.running)
        except BaseException:
            await self.stop()
            raise
        self.service.pipeline.home.describe = self._facts
        self.service.start_timers()
        return self.running

    def drain(self) -> None:
        """Go on serving as one that is not ready, on each connection until its next answer."""
        assert self._api is not None
        self._api.drain()

    async def stop(self) -> None:
        """Stop listening, finish what was accepted, let go of the directory."""
        if self._proxy is not None:
            await self._proxy.stop()
        await asyncio.gather(*(endpoint.stop(self.settings.stop_seconds) for endpoint in self._endpoints))
        if self._console is not None:
            await self._console.stop()
        if hasattr(self, "service"):
            await self.service.stop()
        self.directory.forget()
        self.directory.unlock()

    # --- inside

    def _endpoint_or_front(self, sockets: list[socket.socket]) -> Endpoint | Front:
        """Where the API's requests come in: in a process of its own if settings and processors allow."""
        if not self._fronted:
            return self._endpoint(self._call_or_page, sockets)
        front = Front(
            self.service.sequencer.take,
            self._pages.visit,
            sockets,
            limits=self._limits(),
            connections=self.service.metrics,
            log=logs.of(self.settings),
            confine=self.settings.front_confinement,
            restarting=self.service.metrics.front_restarting,
        )
        self._endpoints.append(front)
        self.service.metrics.watch_front(lambda: front.pid)
        return front

    def _call_or_page(self, request: HttpRequest, reply: Reply) -> None:
        if is_visit(request):
            self._pages.visit(page_of(request), reply)
        else:
            self.service.sequencer.submit(request, reply)

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
        return Limits(
            request_seconds=self.settings.request_seconds,
            idle_seconds=self.settings.idle_seconds,
            connections=self.settings.max_connections,
            trusted_proxies=self.settings.trusted_proxy,
        )

    async def _start_proxy(self, url: str, ca_file: str | None) -> str:
        self._proxy = await own_proxy.start(url, ca_file, self.clock, self.entropy)
        self.directory.show_proxy_ca(self._proxy.certificate_pem)
        return self._proxy.url

    async def _listen_ops(self, fixed: bool, probe: Probe) -> str:
        """Listen for /health and the like. `fixed`: whether the port of the API was chosen by whoever started this."""
        chosen = self.settings.ops_listen
        host, port = listener.parse_address(chosen) if chosen else ("127.0.0.1", _OPS_PORT if fixed else 0)
        taken: OperatorError | None = None
        try:
            sockets = listener.listen(host, port)
        except OperatorError as problem:
            if chosen:
                raise
            taken = problem  # keys are more precious than figures about them
            sockets = listener.listen(host, 0)
        port = sockets[0].getsockname()[1]
        handler = ops.handler(
            self.service.metrics,
            partial(self._problems, probe),
            self.service.warnings,
            self.service.of_database,
        )
        watch = Watch(self.service.hanging, lambda: self._listener(handler, sockets, Channel.NETWORK))
        await watch.start()
        self._endpoints.append(watch)
        url = listener.url_of("http", host, port)
        if taken is not None:
            logs.event("health and metrics are on another port", "warning", ops_url=url, reason=taken.message)
        return url

    def _operate(self, request: HttpRequest, reply: Reply) -> None:
        """Carry out a command, and answer when what it did to the server's CAs is served; the answer says if it is not."""

        def answer(response: HttpResponse, served: bool) -> None:
            headers = response.headers if served else (*response.headers, NOT_SERVED)
            reply(msgspec.structs.replace(response, headers=headers))

        self.service.sequencer.submit(request, lambda response: self.follow(partial(answer, response)))

    def watch(self) -> None:
        """Look after the certificate, and take figures of the store, now and then until the stop."""
        service, metrics, certificate = self.service, self.service.metrics, self._certificate
        service.watch(self.directory, lambda: self.settings)

        def figures(pipeline: Pipeline, batch: Batch) -> bool:
            metrics.stored(pipeline.store.keys.amounts(), batch.next - 1)
            return False

        service.every(_FIGURES_EVERY, "figures", lambda: service.sequencer.run(figures))
        if certificate is not None:
            metrics.watch_certificate(lambda: certificate.expires)
            service.every(_CERTIFICATE_EVERY, "certificate", self._look_at_certificate)

    def _look_at_certificate(self) -> None:
        if self._certificate is not None and self._api is not None:
            look = partial(self._certificate.look, self._api.present)
            look()
            self.service.sequencer.run(self._certificate.adopting(look))

    def follow(self, then: Callable[[bool], None]) -> None:
        """Call `then` with True on the event loop, once what was done to the server's CAs is served; with False
        if it can't be, or is not after a while."""
        api, certificate, waiting = self._api, self._certificate, [then]
        if certificate is None:
            then(True)
            return
        assert api is not None

        def once(served: bool) -> None:
            late.cancel()
            if waiting:
                waiting.pop()(served)

        def adopted() -> None:
            if certificate.look(api.present):
                api.when_presented(partial(once, True))
            else:
                once(False)

        late = asyncio.get_running_loop().call_later(_FOLLOWED_WITHIN, once, False)
        self.service.sequencer.run(certificate.adopting(adopted))

    def reload(self, wanted: Settings, sources: Mapping[str, str] | None = None) -> None:
        """Take the settings that can be taken while it runs, as those from other sources, and look at the certificate.

        OperatorError, and all as before, if one of them will not do, now or at the next start.
        """
        preflight.check(wanted, self.clock, self.settings)
        changed = [
            one for one in SETTINGS if getattr(wanted, one.attribute) != getattr(self.settings, one.attribute)
        ]
        certificate = self._certificate
        by_certificate = set() if certificate is None else certificate.takes(wanted)
        taken = [
            one
            for one in changed
            if one.reloaded
            and (one.name not in ("name", "tls-cert", "tls-key") or one.name in by_certificate)
        ]
        settings = msgspec.structs.replace(
            self.settings, **{one.attribute: getattr(wanted, one.attribute) for one in taken}
        )
        names = {one.name for one in taken}
        if certificate is not None and names & by_certificate:
            certificate.change(settings)
        if {"log-format", "log-level", "log-file"} & names:
            try:
                logs.configure(*logs.of(settings))
            except OperatorError:
                if certificate is not None and names & by_certificate:
                    certificate.change(self.settings)
                raise
        self.settings = settings
        self.sources |= {name: (sources or {}).get(name, "default") for name in names}
        if self.running is not None and "log-file" in names:
            self.running = msgspec.structs.replace(self.running, log_file=_absolute(settings.log_file))
            with suppress(OSError):  # on a full disk; what is served must not suffer
                self.directory.describe(self.running)
        if self._console is not None:
            self._console.adjust(logs.of(settings))
        for endpoint in self._endpoints:
            if isinstance(endpoint, Front):
                endpoint.adjust(self._limits(), logs.of(settings))
            else:
                endpoint.adjust(self._limits())
        self._look_at_certificate()
        logs.event("reloaded", names=sorted(names))
        if later := [one.name for one in changed if one not in taken]:
            logs.event("restart to apply", "warning", names=sorted(later))

    def inform(self, manager: ServiceManager) -> None:
        """Tell the service manager now and from here on how it goes: that batches come to their end, as long as they do.

        A commit that fails is no reason to be killed: it is told as the status, and as what is not ready. What a restart
        would mend is a loop, an order or a commit that hangs.
        """
        sequencer, running = self.service.sequencer, self.running
        assert running is not None

        def inform() -> None:
            manager.inform(sequencer.ended, "; ".join(self._known_problems()) or f"serves {running.url}")
            sequencer.run(lambda pipeline, batch: False)  # so that there is a batch until the next time

        self.service.every(manager.often, "inform", inform)

    def _facts(self) -> ServerFacts:
        """How the server is, for its owner."""
        assert self.running is not None
        front = (self._api.problem or "running") if isinstance(self._api, Front) else "none"
        return facts_of(
            self.running,
            self.directory,
            self.settings,
            self.sources,
            started=self._started,
            certificate_expires=0 if self._certificate is None else self._certificate.expires,
            front=front,
            problems=(*self._known_problems(), *self.service.warnings(), *self.service.of_database()),
            sizes=self.service.sizes(self.directory),
        )

    def _known_problems(self) -> list[str]:
        """What is known to keep calls from being answered."""
        assert self._api is not None
        return [problem for problem in (*self.service.problems(), self._api.problem) if problem]

    async def _problems(self, probe: Probe) -> list[str]:
        """What keeps calls from being answered: what is known of it, else what shows when one tries."""
        return self._known_problems() or [problem for problem in (await probe.problem(),) if problem]


def _absolute(path: str) -> str:
    """For who reads it in another directory; "" stays."""
    return path and os.path.abspath(path)
