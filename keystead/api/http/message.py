"""A request and a response as plain values, between the protocol core and whatever carries them."""

import enum
from collections.abc import Callable

import msgspec


class Channel(enum.StrEnum):
    """How a request came in."""

    NETWORK = "network"  # TCP: the proof is a signature
    CONTROL = "control"  # the control socket: the proof is the same user on this machine
    CONSOLE = "console"  # the console's process, for a person in a browser: the proof is a session


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `target` is the request target as sent (never log it: it carries plaintext); header names are lower case.

    A header that came twice never reaches here joined: the carrier refuses those that matter to a signature.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    source: str = ""  # the sender's address, without port; `unix:UID` of a Unix socket, `unix` if nobody says
    user: str = ""  # at the other end of a Unix socket: the name of the operating system's user
    tls: str = ""  # "TLSv1.3", "TLSv1.2", "proxy" if a trusted proxy had TLS, or empty for plain HTTP
    channel: Channel = Channel.NETWORK
    awaited: Callable[[], bool] | None = None
    """Whether its sender still waits for the answer; None: nobody knows."""

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} {len(self.target)} bytes of target, {len(self.body)} of body>"


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One response. `headers` are extra ones beside Content-Type, Content-Length, Date and Connection."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status} {len(self.body)} bytes>"
