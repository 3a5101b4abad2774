"""Who is at the other end of a socket, as the operating system says it."""

import select
import socket
import struct
import sys
from typing import Any, NamedTuple

from keystead import owners

# getsockopt: level, option, length and layout of the answer, and where in it the user id is. Linux: unix(7), struct ucred;
# macOS: unix(4) and <sys/ucred.h>, struct xucred, whose first member is its version, 0.
_UCRED = (socket.SOL_SOCKET, getattr(socket, "SO_PEERCRED", 17), "iII", 1)
_XUCRED = (0, 1, "II68x", 1)


class Peer(NamedTuple):
    """Where a connection comes from.

    `source` is an address without port and zone, `unix:UID`, or `unix`; `user` is the name of who opened a Unix socket, ""
    where that isn't known; `tls` is the version of TLS, "" without it.
    """

    source: str
    user: str = ""
    tls: str = ""


def of(transport: Any) -> Peer:
    """The other end of a connection."""
    tls = transport.get_extra_info("ssl_object")
    found = _source(transport.get_extra_info("socket"), transport.get_extra_info("peername"))
    return found if tls is None else found._replace(tls=tls.version() or "")


def _source(connection: Any, peername: Any) -> Peer:
    if isinstance(peername, tuple):
        # The zone says by which of our interfaces it came (fe80::1%eth0); policies are about addresses.
        return Peer(str(peername[0]).partition("%")[0])
    user = user_id(connection)
    return Peer("unix") if user is None else Peer(f"unix:{user}", owners.name_of(user))


def waits(transport: Any) -> bool:
    """Whether the other end of a Unix socket is still open, be it for what it is sent only; without reading from it."""
    if transport.is_closing():
        return False
    connection, poll = transport.get_extra_info("socket"), select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))


def user_id(connection: Any, platform: str = sys.platform) -> int | None:
    """The user that opened the other end of a Unix socket; None where the system does not tell."""
    known = {"linux": _UCRED, "darwin": _XUCRED}.get(platform)
    if known is None:
        return None
    level, option, layout, place = known
    try:
        told = connection.getsockopt(level, option, struct.calcsize(layout))
        fields = struct.unpack(layout, told)
    except (OSError, struct.error):
        return None
    return int(fields[place]) if platform == "linux" or fields[0] == 0 else None
