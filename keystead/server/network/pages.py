"""What is asked of the API's port that is no call: the console's pages, and whether the server is ready.

A load balancer on another host asks for `/ready` where clients call, so that the answer speaks for the way that calls go.
It says yes or no to whoever asks; the reasons are told by the ops listener.
"""

import json
from collections.abc import Callable, Sequence

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.console.carrier import Page, is_page, plain
from keystead.server.network.limits import Reply

READY = "/ready"


def is_visit(request: HttpRequest) -> bool:
    """Whether a request is for one of these, and not a call of the API."""
    return is_page(request) or request.target.partition("?")[0] == READY


class Pages:
    """Who answers them, on the event loop that runs the calls: one that hangs is not ready for anybody."""

    def __init__(
        self, console: Callable[[Page, Reply], None] | None, problems: Callable[[], Sequence[str]]
    ) -> None:
        """`console` answers for its pages; None: there are none. `problems` says what keeps calls from being answered."""
        self._console = console
        self._problems = problems

    def visit(self, page: Page, reply: Reply) -> None:
        """Answer one of them."""
        if page.target.partition("?")[0] == READY:
            reply(self._ready(page.method))
        elif self._console is None:
            reply(plain(404, "This server has no console; its setting `console` is no."))
        else:
            self._console(page, reply)

    def _ready(self, method: str) -> HttpResponse:
        if method not in ("GET", "HEAD"):
            return plain(405, "Use GET.", (("Allow", "GET, HEAD"),))
        problems = self._problems()
        return HttpResponse(
            status=503 if problems else 200,
            content_type="application/json",
            body=json.dumps({"status": "not ready" if problems else "ready"}).encode() + b"\n",
            headers=(("Cache-Control", "no-store"),),
        )
