"""Tells the service manager that started this process how the server is, where it wants to know: `Type=notify` of systemd.

A message is a datagram of NAME=VALUE lines to the socket that NOTIFY_SOCKET names (sd_notify(3)).
"""

import os
import socket
from collections.abc import MutableMapping

from keystead.clock import Clock
from keystead.server import logs

_PATIENCE = 1.0  # seconds that a message may wait for a manager that is busy
_AT_LEAST_EVERY, _AT_MOST_EVERY = 5.0, 0.1  # seconds
_START = 90.0  # seconds that a start may take, as by default
_READ = 2_000_000  # bytes a second that are checked, or sealed, on a slow machine
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Whoever is told. Without an address nobody is, and all of this does nothing."""

    def __init__(self, address: str, clock: Clock, watchdog: float = 0.0) -> None:
        """`address` is a path, or `@` and an abstract name. `watchdog` is the time in seconds after which a process is
        killed that is not said to be alive; 0: none is."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._status, self._ended = "", -1
        self._stopping = self._failing = False
        self.often = min(max(watchdog / 2, _AT_MOST_EVERY), _AT_LEAST_EVERY) if watchdog else _AT_LEAST_EVERY
        """Seconds from one `inform` to the next."""

    @classmethod
    def of(cls, environment: MutableMapping[str, str], clock: Clock) -> "ServiceManager":
        """The one that the environment names. The names are taken out of it: what they lead to is for this process, and
        not for the ones that it starts."""
        address, period, process = (environment.pop(name, "") for name in _VARIABLES)
        if address and not address.startswith(("/", "@")):
            logs.event("service manager not told: its socket is of a kind that is not known", "warning")
            address = ""
        known = period.isascii() and period.isdigit() and len(period) < 20
        watchdog = int(period) / 1e6 if known else 0.0
        if not address or process not in ("", str(os.getpid())):
            watchdog = 0.0
        return cls(address, clock, watchdog)

    def starting(self, size: int) -> None:
        """The start reads all of a database of so many bytes, if there is one: it may take longer than usual."""
        if not size:
            return
        seconds = _START + size / _READ
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", "STATUS=opens its database")

    def ready(self) -> None:
        """Requests are answered; at the start, and after each `reloading`."""
        if not self._stopping:
            self._tell("READY=1")

    def reloading(self) -> None:
        """What can change while the server runs is read again; `ready` follows."""
        if not self._stopping:
            moment = int(self._clock.monotonic() * 1e6)
            self._tell("RELOADING=1", f"MONOTONIC_USEC={moment}")

    def stopping(self, seconds: float) -> None:
        """The process will end, within so many seconds; however it goes from now on belongs to that."""
        extended = f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"
        self._tell("STOPPING=1", extended, "STATUS=finishes what it accepted, and stops")
        self._stopping = True

    def inform(self, ended: int, status: str) -> None:
        """How it goes; to be called every `often` seconds. `ended` is how many pieces of work have come to their end so
        far: if none did since the last time, the server is not alive, whoever calls this. `status` is one line for people.
        """
        if ended != self._ended:
            self._ended = ended
            self._tell("WATCHDOG=1", patience=0.0)  # the next one comes soon
        if status != self._status and not self._stopping:
            self._status = status
            self._tell(f"STATUS={' '.join(status.split())}")

    def _tell(self, *lines: str, patience: float = _PATIENCE) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(patience)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failing:  # once, not again and again until it is over
                logs.failure("service manager not told", error)
            self._failing = True
        else:
            self._failing = False
