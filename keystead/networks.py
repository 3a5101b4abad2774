"""Networks of IP addresses, read from texts: an address is the network of itself alone."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(1024)
def network(text: str, *, strict: bool = False) -> Network:
    """The network of `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. ValueError for any other text, also for one with a zone
    (`fe80::1%eth0`), and, if it is `strict`, for an address that is in a network but does not begin it."""
    if "%" in text:
        raise ValueError("a zone is known to one machine only")
    found = ipaddress.ip_network(text, strict=strict)
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    # ::ffff:192.0.2.1 is the address 192.0.2.1, spelled for IPv6.
    return found if mapped is None else ipaddress.ip_network((mapped, found.prefixlen - 96))


def within(one: Network, other: Network) -> bool:
    """Whether all addresses of one network are of the other."""
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
