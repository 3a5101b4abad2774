"""How a page is declared, and what holds for every page: who may see it, what a form must bring, and what headers it has.

    pages = Pages()

    @pages.get("/keys/{key_id}")
    async def show(visit: Visit, key_id: str) -> Response: …

A POST comes from a page of this host with the form's token, or is refused. A page is for who is signed in unless it says so.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from keystead.console.carrier import ROOT
from keystead.console.core import Console
from keystead.console.service import Refused
from keystead.console.visit import Visit

Handler = Callable[..., Awaitable[Response]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Not no-referrer: a form would then say nothing of the page that it was sent from.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = "max-age=31536000"


class Pages:
    """The pages of one part of the console, in the order in which their paths are tried."""

    def __init__(self) -> None:
        self.declared: list[tuple[str, str, Handler, bool]] = []

    def get(self, path: str, *, anybody: bool = False) -> Callable[[Handler], Handler]:
        """A page at a path below the console's root. `anybody`: signed in or not."""
        return self._declare("GET", path, anybody)

    def post(self, path: str, *, anybody: bool = False) -> Callable[[Handler], Handler]:
        """What a form is sent to."""
        return self._declare("POST", path, anybody)

    def _declare(self, method: str, path: str, anybody: bool) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.declared.append((method, path, handler, anybody))
            return handler

        return declare


def routes(console: Console, parts: tuple[Pages, ...]) -> list[Route]:
    """All pages, for Starlette."""
    return [
        Route(f"{ROOT}{path}", _endpoint(console, handler, anybody), methods=[method])
        for part in parts
        for method, path, handler, anybody in part.declared
    ]


def _endpoint(console: Console, handler: Handler, anybody: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visit = Visit(console, request)
        response = await _answer(visit, handler, anybody, dict(request.path_params))
        response.headers.update(HEADERS)
        if request.url.scheme == "https" and "strict-transport-security" not in response.headers:
            response.headers["Strict-Transport-Security"] = _HSTS
        return visit.finish(response)

    return endpoint


async def _answer(visit: Visit, handler: Handler, anybody: bool, values: dict[str, Any]) -> Response:
    posted = visit.request.method == "POST"
    if posted and not visit.from_here():
        return PlainTextResponse("This form was not sent from a page of this console.", 403)
    try:
        if await visit.find_session() is None and not anybody:
            return await _sign_in_first(visit, posted)
        if visit.session is not None and visit.session.pending and not anybody:
            return RedirectResponse(f"{ROOT}/account/{visit.session.pending}", 303)
        if posted and not await visit.read_form():
            return visit.render("stale_form.html", 403)
        return await handler(visit, **values)
    except Refused as refused:
        return refusal(visit, refused)


def refusal(visit: Visit, refused: Refused) -> Response:
    """The page that says why the service refused; where it asks for the password again, the way there."""
    if refused.code == "ConfirmationRequired":
        return visit.render("confirm_first.html", 403, back=visit.page(), error="")
    return visit.render("refused.html", refused.status, refused=refused)


async def _sign_in_first(visit: Visit, posted: bool) -> Response:
    """To the sign-in page, and from there back. Of what was posted nothing is kept that may be sensitive: pages are looked
    at again, and forms filled in again."""
    path = visit.path if not posted else visit.field("page", "/")
    query = {"next": path} if path not in ("", "/") else {}
    if posted:
        query["lost"] = "form"
    return RedirectResponse(f"{ROOT}/sign-in{'?' + urlencode(query) if query else ''}", 303)
