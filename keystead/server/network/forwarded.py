"""Where a request that a reverse proxy passed on comes from.

A proxy that is trusted appends the address of its own client to X-Forwarded-For, and writes into X-Forwarded-Proto whether
that used TLS. What stands further left in the list may be anybody's. So it is read from the right, for as long as the
address before is that of a trusted proxy. What must be read and is no address is refused: no other address would be safe to
go by, as the proxy's own may be one that a policy allows.

Only these two headers count. Most proxies pass on the `Forwarded` of RFC 7239 as their client sent it, and so do many with
X-Real-IP: to read one of them as well would let clients choose.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from keystead.networks import network, within
from keystead.server import logs
from keystead.server.network.framing import Refused
from keystead.server.network.peer import Peer

PROXY = "proxy"  # for the version of TLS, which a proxy does not tell
_FOR, _PROTO = "x-forwarded-for", "x-forwarded-proto"
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d{1,5})?\Z|([\d.]+):\d{1,5}\Z", re.ASCII)


class Origins:
    """The origins of one listener's requests."""

    def __init__(self) -> None:
        self._told = False

    def of(self, peer: Peer, headers: Mapping[str, str], trusted: tuple[str, ...]) -> tuple[str, str]:
        """Whose request it is: source and TLS as `HttpRequest` has them. Refused if a trusted proxy does not say it well."""
        if _FOR not in headers and _PROTO not in headers:
            return peer.source, peer.tls
        if not _is_trusted(peer.source, trusted):
            self._tell(peer.source)
            return peer.source, peer.tls
        protocols = [one.strip().lower() for one in headers.get(_PROTO, "").split(",")]
        secure = all(one == "https" for one in protocols)
        return _client(peer.source, headers.get(_FOR), trusted), PROXY if secure else ""

    def _tell(self, source: str) -> None:
        """Say once that there may be a proxy which is not listed; whoever likes can send such a header."""
        if not self._told:
            self._told = True
            logs.event(
                "forwarded address not counted",
                source=source,
                reason="X-Forwarded-For counts from a trusted-proxy only, and this address is none; said once",
            )


def _client(source: str, told: str | None, trusted: tuple[str, ...]) -> str:
    entries = [] if told is None else told.split(",")
    while entries and _is_trusted(source, trusted):
        source = _address(entries.pop().strip(" \t"))
    return source


def _is_trusted(source: str, trusted: tuple[str, ...]) -> bool:
    return bool(trusted) and _listed(source, trusted)


@lru_cache(1024)
def _listed(source: str, trusted: tuple[str, ...]) -> bool:
    try:
        address = network(source)
    except ValueError:  # a Unix socket
        return False
    return any(within(address, network(one, strict=True)) for one in trusted)


def _address(entry: str) -> str:
    """The address of an entry, which some proxies write with its port or zone; Refused if it has none."""
    found = _WITH_PORT.match(entry)
    text = entry if found is None else found[1] or found[2]
    try:
        address = network(text.partition("%")[0])
    except ValueError:
        address = None
    if address is None or address.prefixlen < address.max_prefixlen or "/" in text:
        raise Refused(400, "InvalidRequest", "X-Forwarded-For must be a list of IP addresses.")
    return str(address.network_address)
