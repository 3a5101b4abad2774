"""A server in the foreground: from its settings until a signal ends it."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress

from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.given_settings import Given, settle
from keystead.server import logs
from keystead.server.app import Server
from keystead.server.data.anchor import anchor_of
from keystead.server.network import confinement
from keystead.server.service.facts import size_of
from keystead.server.systemd import ServiceManager

_LAST = 15.0  # seconds for what comes after the last answer


async def serve(
    load: Callable[[], Mapping[str, Given]],
    announce: Callable[[Server], None],
    accept_older_copy: bool = False,
) -> None:
    """Run a server until SIGINT or SIGTERM, with the settings that `load` gives now and at each SIGHUP; `announce` is
    called when it accepts requests. `accept_older_copy`: whether it starts on a database that is older than its anchor."""
    given = load()
    settings = settle(given)
    os.umask(0o077)
    logs.configure(*logs.of(settings))
    server = Server(settings, SystemClock(), SystemEntropy())
    server.sources = _sources(given)
    server.anchor = anchor_of(settings, server.clock, server.entropy)
    server.accept_older_copy = accept_older_copy
    loop = asyncio.get_running_loop()
    manager = ServiceManager.of(os.environ, server.clock)
    stopped, hurried, started, early = asyncio.Event(), asyncio.Event(), False, False
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def reload() -> None:
        try:
            given = load()
            server.reload(settle(given), _sources(given))
        except OperatorError as problem:
            logs.event("not reloaded", "warning", reason=f"{problem.message}; {problem.hint}")
        except OSError as problem:
            logs.event("not reloaded", "warning", reason=str(problem))
        finally:
            manager.ready()

    def stop() -> None:
        if stopped.is_set():
            hurried.set()  # who asks twice does not want to wait for load balancers
        stopped.set()

    def hang_up() -> None:
        nonlocal early
        if not all(map(os.isatty, terminals)):
            hurried.set()
            stopped.set()  # its terminal was closed, which is what this signal says there
        elif started:
            manager.reloading()
            server.follow(lambda _: reload())
        else:
            early = True

    if settings.front_confinement != "no":
        confinement.hide()
    # Before the start is announced: who reads server.json may send a signal at once, and is to get an orderly stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    manager.starting(size_of(server.directory.database))
    await server.start()
    server.watch()
    started = True
    if early:
        hang_up()
    assert server.running is not None
    logs.event(
        "serving",
        url=server.running.url,
        ops_url=server.running.ops_url,
        data=str(server.directory.path),
        pid=os.getpid(),
    )
    announce(server)
    manager.ready()
    server.inform(manager)
    await stopped.wait()
    logs.event("stopping")
    manager.stopping(server.settings.drain_seconds + server.settings.stop_seconds + _LAST)
    if seconds := server.settings.drain_seconds:
        server.drain()
        logs.event("draining", seconds=seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(hurried.wait(), seconds)
    await server.stop()
    logs.event("stopped")


def _sources(given: Mapping[str, Given]) -> dict[str, str]:
    return {name: one.source for name, one in given.items()}
