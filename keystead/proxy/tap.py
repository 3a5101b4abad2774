"""Listens to what passes between a client and a server, for whoever lists the calls; it changes and keeps nothing."""

from collections import deque
from collections.abc import Callable
from typing import Any

import httptools

from keystead.api.http.message import HttpRequest, HttpResponse

Answered = Callable[[HttpResponse | None], None]
Watch = Callable[[HttpRequest], Answered]
"""Called with each request; what it gives is called with the answer, or with None if there was none."""

_KEPT = 1024 * 1024  # bytes of a target, and of a body; no request that is taken has more


class Tap:
    """One connection. What is no HTTP is not understood, and does no harm."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._waiting: deque[Answered] = deque()
        self._requests = _Messages(self._asked)
        self._responses = _Messages(self._replied)
        self._sent: Any = httptools.HttpRequestParser(self._requests)
        self._received: Any = httptools.HttpResponseParser(self._responses)

    def sent(self, data: bytes) -> None:
        """What the client sent next."""
        self._sent = _fed(self._sent, data)

    def received(self, data: bytes) -> None:
        """What the server sent next."""
        self._received = _fed(self._received, data)

    def ended(self) -> None:
        """Nothing more comes: calls that still wait have no answer."""
        while self._waiting:
            self._waiting.popleft()(None)

    def _asked(self, whole: "_Messages") -> None:
        request = HttpRequest(
            method=self._sent.get_method().decode("latin-1"),
            target=whole.target.decode("latin-1"),
            headers=whole.headers,
            body=bytes(whole.body),
        )
        self._waiting.append(self._watch(request))

    def _replied(self, whole: "_Messages") -> None:
        status = self._received.get_status_code()
        if status >= 200 and self._waiting:  # below it is not the answer yet
            kind = whole.headers.get("content-type", "")
            headers = tuple(whole.headers.items())
            response = HttpResponse(status=status, content_type=kind, body=bytes(whole.body), headers=headers)
            self._waiting.popleft()(response)


def _fed(parser: Any, data: bytes) -> Any:
    """The parser, or None once it met what it does not understand."""
    if parser is not None:
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
    return parser


class _Messages:
    """The messages of one direction, as the parser tells them."""

    def __init__(self, whole: "Callable[[_Messages], None]") -> None:
        self._whole = whole
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.target = bytearray()
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    def on_url(self, url: bytes) -> None:
        self.target += url[: _KEPT - len(self.target)]

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body[: _KEPT - len(self.body)]

    def on_message_complete(self) -> None:
        self._whole(self)
