"""The first page: how things stand, and what comes next."""

from starlette.responses import Response

from keystead.console.routing import Pages
from keystead.console.visit import Visit

pages = Pages()


@pages.get("/")
async def show(visit: Visit) -> Response:
    return visit.render("overview.html")
