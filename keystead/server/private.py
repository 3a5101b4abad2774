"""A server for the time of one command: in memory, on a loopback port, gone without a trace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.server import listener
from keystead.server.app import Service
from keystead.server.edge import Edge
from keystead.server.http import Limits
from keystead.server.planting import plant
from keystead.server.seed import Seed
from keystead.server.world import PRIVATE_ACCOUNT, open_private


class Private(msgspec.Struct, frozen=True, kw_only=True):
    """Where it listens, and its root AccessKey."""

    url: str
    access_key: tuple[str, str]


@asynccontextmanager
async def private_server(
    region: str, clock: Clock, entropy: Entropy, seed: Seed | None = None
) -> AsyncIterator[Private]:
    """Run one on the current event loop. Its account is always the same, so that ARNs are the same in every run.

    With a seed its AccessKey is the seed's first one, if that has any.
    """
    loop = asyncio.get_running_loop()
    account = PRIVATE_ACCOUNT if seed is None else seed.account
    world, access_key = open_private(clock, entropy, account)
    service = Service(world, region=region, clock=clock, entropy=entropy, loop=loop)
    if seed is not None:
        plant(service.pipeline, seed)
        if seed.access_key:
            access_key = (seed.access_key[0].id, seed.access_key[0].secret)
    (socket,) = sockets = listener.listen("127.0.0.1", 0)
    port = socket.getsockname()[1]
    edge = Edge(service.sequencer.submit, sockets, limits=Limits(), clock=clock, connections=service.metrics)
    await edge.start()
    service.start_timers()
    try:
        # The proxy in front of it ends TLS; these bytes stay within the loopback interface of this machine.
        yield Private(url=f"http://127.0.0.1:{port}", access_key=access_key)
    finally:
        await edge.stop(1)
        await service.stop()
