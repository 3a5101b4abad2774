"""Settings and health: how the server is, and what it was told, to be read only."""

import json
from typing import Any, NamedTuple

from starlette.responses import Response

from keystead.console.routing import Pages
from keystead.console.visit import Visit
from keystead.domain.products import CONSOLE

pages = Pages()
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Setting(NamedTuple):
    """One setting, as people read it."""

    name: str
    value: str
    source: str


@pages.get("/settings")
async def show(visit: Visit) -> Response:
    server = await visit.call("DescribeServer", product=CONSOLE)
    return visit.render(
        "settings.html",
        server=server,
        settings=[
            Setting(one["Name"], _plain(one["Value"]), one["Source"]) for one in server["Settings"]["Setting"]
        ],
        size=lambda count: _size(visit, count),
        since=_since(visit, server["UptimeSeconds"]),
    )


def _plain(text: str) -> str:
    """A setting's value, which is JSON, without the marks of JSON."""
    value: Any = json.loads(text)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _size(visit: Visit, count: int) -> str:
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{visit._.number(round(amount, 1))} {_UNITS[unit]}"


def _since(visit: Visit, seconds: int) -> str:
    """How long the server has run, in the largest unit that it has run for."""
    _ = visit._
    if seconds < 120:
        return str(_.plural("%(number)s second", "%(number)s seconds", seconds))
    if seconds < 7200:
        return str(_.plural("%(number)s minute", "%(number)s minutes", seconds // 60))
    if seconds < 172_800:
        return str(_.plural("%(number)s hour", "%(number)s hours", seconds // 3600))
    return str(_.plural("%(number)s day", "%(number)s days", seconds // 86_400))
