"""Whose a connection within this machine is, where the system tells (Linux)."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TABLES = (
    Path("/proc/net/tcp"),
    Path("/proc/net/tcp6"),
)  # proc_net(5); Java's IPv4 sockets are in the second
_ESTABLISHED = "01"


def owner(transport: Any) -> int | None:
    """The user id of the process at the other end of an IPv4 connection over loopback; None where that can't be known."""
    here, there = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if here is None or there is None:
        return None
    pairs = set(zip(_forms(there), _forms(here), strict=True))
    for fields in _rows():
        # A socket that its owner has closed is shown as root's: only what stands counts.
        if fields[3] == _ESTABLISHED and (fields[1], fields[2]) in pairs:
            return int(fields[7])
    return None


def _rows() -> Iterator[list[str]]:
    for table in _TABLES:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            continue
        yield from (line.split() for line in lines)


def _forms(address: tuple[str, int]) -> tuple[str, str]:
    """An IPv4 address as the tables show it: plain, and mapped into IPv6 (RFC 4291 section 2.5.5.2)."""
    host, port = address[:2]
    plain = socket.inet_pton(socket.AF_INET, host)
    return _shown(plain, port), _shown(bytes(10) + b"\xff\xff" + plain, port)


def _shown(address: bytes, port: int) -> str:
    words = (int.from_bytes(address[at : at + 4], sys.byteorder) for at in range(0, len(address), 4))
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
