"""How a page is declared, and what holds for every page: who may see it, what a form must bring, and what headers it has.

    pages = Pages()

    @pages.get("/keys/{key_id}")
    async def show(visit: Visit, key_id: str) -> Response: …

A POST comes from a page of this host with the form's token, or is refused. A page is for who is signed in unless it says so.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from keystead.api.catalogue import CATALOGUE
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
_KEPT_CHARACTERS = 2000  # of an address, for what is filled in again


class Visitors(enum.Enum):
    """Whom a page is for."""

    SIGNED_IN = enum.auto()
    PENDING = (
        enum.auto()
    )  # also those who have to do something first: change the password, bind an MFA device
    ANYBODY = enum.auto()


class Pages:
    """The pages of one part of the console, in the order in which their paths are tried."""

    def __init__(self) -> None:
        self.declared: list[tuple[str, str, Handler, Visitors]] = []

    def get(self, path: str, visitors: Visitors = Visitors.SIGNED_IN) -> Callable[[Handler], Handler]:
        """A page at a path below the console's root."""
        return self._declare("GET", path, visitors)

    def post(self, path: str, visitors: Visitors = Visitors.SIGNED_IN) -> Callable[[Handler], Handler]:
        """What a form is sent to."""
        return self._declare("POST", path, visitors)

    def _declare(self, method: str, path: str, visitors: Visitors) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.declared.append((method, path, handler, visitors))
            return handler

        return declare


def routes(console: Console, parts: tuple[Pages, ...]) -> list[Route]:
    """All pages, for Starlette."""
    return [
        Route(f"{ROOT}{path}", endpoint_of(console, handler, visitors), methods=[method])
        for part in parts
        for method, path, handler, visitors in part.declared
    ]


def endpoint_of(
    console: Console, handler: Handler, visitors: Visitors
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visit = Visit(console, request)
        response = await _answer(visit, handler, visitors, dict(request.path_params))
        response.headers.update(HEADERS)
        # On localhost it would bind the servers of all other ports too.
        if request.url.scheme == "https" and request.url.hostname != "localhost":
            response.headers["Strict-Transport-Security"] = _HSTS
        return visit.finish(response)

    return endpoint


async def _answer(visit: Visit, handler: Handler, visitors: Visitors, values: dict[str, Any]) -> Response:
    posted = visit.request.method == "POST"
    if posted and not visit.from_here():
        return PlainTextResponse("This form was not sent from a page of this console.", 403)
    try:
        if await visit.find_session() is None and visitors is not Visitors.ANYBODY:
            return await _sign_in_first(visit, posted)
        first = visit.session.first if visit.session is not None else ""
        if first and visitors is Visitors.SIGNED_IN:
            return visit.go_to(first)
        if posted and not await visit.read_form():
            return visit.render("stale_form.html", 403)
        return await handler(visit, **values)
    except Refused as refused:
        return refusal(visit, refused)


def refusal(visit: Visit, refused: Refused) -> Response:
    """The page that says why the service refused; where it asks for the password again, the way there."""
    if visit.session is None:  # not even who is signed in could be asked
        return visit.render("no_answer.html", refused.status)
    if refused.code == "SessionExpired":  # since the page was begun
        return visit.redirect("/sign-in")
    if refused.code == "ConfirmationRequired":
        return visit.render("confirm_first.html", 403, back=visit.page(), error="")
    if refused.status == 404:  # deleted meanwhile, or never there
        return visit.render("not_found.html", 404, refused=refused)
    return visit.render("refused.html", refused.status, refused=refused)


async def _sign_in_first(visit: Visit, posted: bool) -> Response:
    """To the sign-in page, and from there back. Of what was posted nothing is done; what is surely not sensitive is kept on
    the page, for the form to be filled in again."""
    if not posted:
        return visit.redirect("/sign-in", **({"next": visit.path} if visit.path not in ("", "/") else {}))
    await visit.read_form()
    kept = {
        name: value
        for name, value in visit.fields().items()
        if value and name.partition(".")[0] in _kept_names()
    }
    if len(urlencode(kept)) > _KEPT_CHARACTERS:
        kept = {}
    return sign_in_form(visit, 401, next_page=visit.page(), kept=kept, lost=True)


@cache
def _kept_names() -> frozenset[str]:
    """The fields that may stand in an address: parameters of operations that are sensitive in none. What else a form has may
    be anything."""
    fields = [field for one in CATALOGUE if not one.product.for_console_only for field in one.fields]
    sensitive = {field.name for field in fields if field.param.sensitive}
    return frozenset(field.name for field in fields) - sensitive


def sign_in_form(
    visit: Visit,
    status: int = 200,
    *,
    next_page: str,
    kept: Mapping[str, str] | None = None,
    lost: bool = False,
    problem: str = "",
    wants_code: bool = False,
) -> Response:
    """The page to sign in at. `kept`: what the page after it fills in; `lost`: a form was posted, and not done."""
    return visit.render(
        "sign_in.html",
        status,
        next=next_page,
        kept=kept or {},
        lost=lost,
        user_name=visit.field("user_name"),
        problem=problem,
        wants_code=wants_code,
    )
