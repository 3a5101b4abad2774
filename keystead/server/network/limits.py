"""What a connection may take, whose word on others counts, who answers its requests, and who counts."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from keystead.api.http.message import HttpRequest, HttpResponse

Reply = Callable[[HttpResponse], None]
Handler = Callable[[HttpRequest, Reply], None]
Refuse = Callable[[int, str, str], HttpResponse]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    target: int = 128 * 1024
    headers: int = 32 * 1024
    header_fields: int = 100
    body: int = 1024 * 1024
    bodies: int = 64 * 1024 * 1024  # of all requests that have not arrived whole; short ones do not count
    request_seconds: float = 30
    idle_seconds: float = 75
    write_seconds: float = 30
    connections: int = 2000
    pipelined: int = 16
    buffered: int = 256 * 1024
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks


class Connections(Protocol):
    """Whoever counts connections for the metrics."""

    def opened(self) -> None: ...

    def closed(self) -> None: ...

    def refused(self, code: str) -> None: ...
