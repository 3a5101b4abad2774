"""Who is at the other end of a socket, as the operating system says it."""

import select
import socket
import struct
import sys
from typing import Any

from keystead import owners

# getsockopt: level, option, length and layout of the answer, and where in it the user id is. Linux: unix(7), struct ucred;
# macOS: unix(4) and <sys/ucred.h>, struct xucred, whose first member is its version, 0.
_UCRED = (socket.SOL_SOCKET, getattr(socket, "SO_PEERCRED", 17), "iII", 1)
_XUCRED = (0, 1, "II68x", 1)


def source(connection: Any, peername: Any) -> tuple[str, str]:
    """Where a connection comes from, and of a Unix socket the name of the user who opened it, "" where that isn't known.

    The former is an address without its port, `unix:UID`, or `unix`.
    """
    if isinstance(peername, tuple):
        return str(peername[0]), ""
    user = user_id(connection)
    return ("unix", "") if user is None else (f"unix:{user}", owners.name_of(user))


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
