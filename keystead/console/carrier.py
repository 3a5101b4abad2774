"""Carries a request for a page to the console's application, and its answer back: ASGI without sockets.

Whoever hands requests on needs to know no more of the console than this.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from keystead.api.http.message import HttpRequest, HttpResponse

ROOT = "/console"

Application = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A request for a page. `target` may hold what is not to be logged; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    source: str  # the peer's address
    tls: str  # "TLSv1.3", or empty for plain HTTP

    def __repr__(self) -> str:
        return f"<Page {self.method} {len(self.target)} bytes of target, {len(self.body)} of body>"


class Served(msgspec.Struct, frozen=True, array_like=True):
    """Which server it is that the console is a part of."""

    version: str
    region: str  # of calls that name none
    account: str  # that of `keystead serve`; others are named as user@account


def is_page(request: HttpRequest) -> bool:
    """Whether a request is for the console, and not a call of the API."""
    path = request.target.partition("?")[0]
    if path == ROOT or path.startswith(f"{ROOT}/"):
        return True
    # A browser that was given the server's address alone.
    return (
        request.method == "GET" and request.target == "/" and "text/html" in request.headers.get("accept", "")
    )


def page_of(request: HttpRequest) -> Page:
    """The request as it is handed on."""
    return Page(request.method, request.target, request.headers, request.body, request.source, request.tls)


def plain(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    """A page of text, for when the application can't answer."""
    return HttpResponse(
        status=status,
        content_type="text/plain; charset=utf-8",
        body=f"{text}\n".encode(),
        headers=(("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), *headers),
    )


async def carry(application: Application, page: Page) -> HttpResponse:
    """The application's answer."""
    path, _, query = page.target.partition("?")
    named = page.headers.get("host", "")
    try:
        host, port = urlsplit(f"//{named}").hostname or "", urlsplit(f"//{named}").port
    except ValueError:  # as `[` and `localhost:x`
        return plain(400, "The Host header is not that of an address.")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": page.method,
        "scheme": "https" if page.tls else "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in page.headers.items()
        ],
        "client": (page.source, 0),
        "server": (host, port),
        "tls": page.tls,
    }
    body: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": page.body, "more_body": False}]
    status, headers, sent = 500, [], bytearray()

    async def receive() -> MutableMapping[str, Any]:
        if body:
            return body.pop()
        await asyncio.Event().wait()  # nobody says when a reader goes away
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
            ]
        else:
            sent.extend(message.get("body", b""))

    await application(scope, receive, send)
    if any(not line.isprintable() for pair in headers for line in pair):
        raise ValueError("a header is more than a line")
    kind = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
    written = ("content-type", "content-length", "date", "connection")
    return HttpResponse(
        status=status,
        content_type=kind,
        body=bytes(sent),
        headers=tuple((name, value) for name, value in headers if name.lower() not in written),
    )
