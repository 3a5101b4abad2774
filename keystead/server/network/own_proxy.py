"""The proxy that `keystead env` points clients to, for the life of a server."""

import os

from keystead.clock import Clock
from keystead.crypto import authority
from keystead.entropy import Entropy
from keystead.proxy.server import ProxyServer
from keystead.proxy.tunnel import Tunnel
from keystead.proxy.upstream import Upstream
from keystead.server import logs


async def start(url: str, ca_file: str | None, clock: Clock, entropy: Entropy) -> ProxyServer:
    """Run it before the server at `url`, whose certificate is by the CA in that file, if it is by one of its own."""
    tunnel = Tunnel(os.environ)
    if tunnel.warning:
        logs.event("proxy without a way out", "warning", reason=tunnel.warning)
    proxy = ProxyServer(Upstream(url=url, ca_file=ca_file), tunnel, clock, entropy, authority.LIFETIME)
    await proxy.start()
    return proxy
