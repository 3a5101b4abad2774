"""The console's application: pages by path, over the service as the person who is signed in sees it."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from keystead.clock import Clock
from keystead.console import locales, routing
from keystead.console.carrier import ROOT, Served
from keystead.console.core import Console
from keystead.console.pages import (
    access,
    account,
    aliases,
    attachments,
    audit,
    create_key,
    design,
    explorer,
    groups,
    key_deletion,
    key_facts,
    key_material,
    key_policy,
    key_snippets,
    key_usage,
    key_versions,
    keys,
    overview,
    policies,
    policy_editor,
    settings,
    sign_in,
    tour,
    try_it,
    user_access_keys,
    user_sign_in,
    users,
)
from keystead.console.service import Call
from keystead.console.visit import Visit
from keystead.entropy import Entropy

PARTS = (
    sign_in.pages,
    overview.pages,
    users.pages,
    user_access_keys.pages,
    user_sign_in.pages,
    groups.pages,
    policy_editor.pages,
    policies.pages,
    attachments.pages,
    access.pages,
    account.pages,
    keys.pages,
    create_key.pages,
    key_facts.pages,
    key_versions.pages,
    key_material.pages,
    key_policy.pages,
    key_usage.pages,
    key_snippets.pages,
    key_deletion.pages,
    aliases.pages,
    tour.pages,
    try_it.pages,
    explorer.pages,
    audit.pages,
    settings.pages,
    design.pages,
)


def create_app(call: Call, served: Served, clock: Clock, entropy: Entropy) -> Starlette:
    """The application, with all that it needs in memory."""
    locales.load()
    console = Console(call, served, clock, entropy)

    async def static(request: Request) -> Response:
        found = console.statics.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        headers = {
            **routing.HEADERS,
            # Its address has its content's tag.
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
        }
        body = found.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = found.compressed, "gzip"
        return Response(body, media_type=found.content_type, headers=headers)

    async def show_not_found(visit: Visit, **of_another_method: str) -> Response:
        return visit.render("not_found.html", 404)

    show = routing.endpoint_of(console, show_not_found, routing.Visitors.SIGNED_IN)

    async def not_found(request: Request, error: Exception) -> Response:
        return await show(request)

    async def home(request: Request) -> Response:
        return RedirectResponse(f"{ROOT}/", 303)

    return Starlette(
        routes=[
            Route("/", home),
            Route(ROOT, home),
            Route(f"{ROOT}/static/{{name}}", static),
            *routing.routes(console, PARTS),
        ],
        exception_handlers={404: not_found, 405: not_found},
    )
