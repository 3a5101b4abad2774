"""The design system, shown: what the pages are made of."""

from starlette.responses import Response

from keystead.console.routing import Pages
from keystead.console.visit import Visit

pages = Pages()


@pages.get("/design")
async def show(visit: Visit) -> Response:
    return visit.render("design.html")
