"""A server for the time of one command: in memory, on a loopback port, gone without a trace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.server.data.seed_file import Seed
from keystead.server.data.seeding import seed_store, user_access_key
from keystead.server.data.world import EPHEMERAL_ACCOUNT, open_in_memory
from keystead.server.network import listener
from keystead.server.network.endpoint import Endpoint
from keystead.server.network.limits import Limits
from keystead.server.service.timers import Service


class EphemeralServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where it listens, and its AccessKey: that of its root, or of whom it was made for."""

    url: str
    access_key: tuple[str, str]


def service_in_memory(
    region: str, clock: Clock, entropy: Entropy, seed: Seed | None, client_clock: Clock | None = None
) -> tuple[Service, tuple[str, str]]:
    """A service on the current event loop over a store in memory, with the seed in it; and its root AccessKey."""
    account = EPHEMERAL_ACCOUNT if seed is None else seed.account
    opened, access_key = open_in_memory(clock, entropy, account)
    service = Service(
        opened,
        region=region,
        clock=clock,
        entropy=entropy,
        loop=asyncio.get_running_loop(),
        client_clock=client_clock,
    )
    if seed is not None:
        seed_store(service.pipeline, seed)
    return service, access_key


@asynccontextmanager
async def ephemeral_server(
    region: str, clock: Clock, entropy: Entropy, seed: Seed | None = None, user: str | None = None
) -> AsyncIterator[EphemeralServer]:
    """Run one on the current event loop. Its account is always the same, so that ARNs are the same in every run.

    With a seed its AccessKey is the seed's first one, if that has any; with a user's name it is one of that RAM user.
    """
    service, access_key = service_in_memory(region, clock, entropy, seed)
    if user is not None:
        access_key = user_access_key(service.pipeline, user)
    elif seed is not None and seed.access_key:
        access_key = (seed.access_key[0].id, seed.access_key[0].secret)
    (socket,) = sockets = listener.listen("127.0.0.1", 0)
    port = socket.getsockname()[1]
    endpoint = Endpoint(
        service.sequencer.submit, sockets, limits=Limits(), clock=clock, connections=service.metrics
    )
    await endpoint.start()
    service.start_timers()
    try:
        # The proxy in front of it ends TLS; these bytes stay within the loopback interface of this machine.
        yield EphemeralServer(url=f"http://127.0.0.1:{port}", access_key=access_key)
    finally:
        await endpoint.stop(1)
        await service.stop()
