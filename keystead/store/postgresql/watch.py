"""Ends a wait for a database that says nothing: libpq has no time limit of its own for an answer."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from keystead.clock import Clock

LONGEST = 15.0  # seconds; the database itself gives up a lock after 5, and a statement after 10
_LOOKS_EVERY = 1.0


class Watch:
    """Looks on, from a thread of its own, how long a connection has been waited for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connection: psycopg.Connection[Any] | None = None
        self._since: float | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, connection: psycopg.Connection[Any]) -> None:
        """Look at this connection from here on."""
        self._connection = connection
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="database watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def rest(self, seconds: float) -> None:
        """Let some time pass before the next try, or as much as there is until the end."""
        self._over.wait(seconds)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While an answer is waited for."""
        self._since = self._clock.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _look(self) -> None:
        while not self._over.wait(_LOOKS_EVERY):
            since, connection = self._since, self._connection
            if since is None or connection is None or self._clock.monotonic() - since < LONGEST:
                continue
            # Whoever waits is told that the connection is gone; it is closed there.
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)
