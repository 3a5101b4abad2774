"""The first page: how things stand, and what comes next."""

from collections import Counter
from typing import Any, NamedTuple

from starlette.responses import Response

from keystead.console import plots, trail
from keystead.console.locales import marked as N_
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.products import CONSOLE

pages = Pages()
_LATEST = 8
_NEXT = 6


class Plot(NamedTuple):
    """Numbers of each minute of the last hour."""

    title: str
    bars: list[plots.Bar]
    total: int
    most: int  # in one minute
    bad: bool


@pages.get("/")
async def show(visit: Visit) -> Response:
    keys, records, counts, server = [
        await _ask(visit, action, **more)
        for action, more in (
            ("SummarizeKeys", {}),
            ("LookUpRecords", {"MaxItems": str(5 * _LATEST)}),
            ("CountRecords", {}),
            ("DescribeServer", {}),
        )
    ]
    return visit.render(
        "overview.html",
        keys=keys,
        states=_states(keys),
        coming=_coming(keys),
        records=records,
        # Not what pages of this console look up: it would show little else.
        latest=[
            one for one in records.get("Records", {}).get("Record", []) if one["Product"] != CONSOLE.name
        ][:_LATEST],
        caller=trail.caller,
        counts=counts,
        plots=_plots(counts),
        server=server,
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


async def _ask(visit: Visit, action: str, **parameters: str) -> dict[str, Any]:
    """What the service tells; {"Missing": permission} where it is not for this person."""
    try:
        return await visit.call(action, parameters, product=CONSOLE)
    except Refused as refused:
        if refused.status != 403:
            raise
        return {"Missing": refused.permission}


def _states(keys: dict[str, Any]) -> list[tuple[str, int]]:
    """How many keys there are in each state, those without any left out but for Enabled."""
    if "Missing" in keys:
        return []
    counted: Counter[str] = Counter()
    for amount in keys["Amounts"]["Amount"]:
        counted[amount["KeyState"]] += amount["Count"]
    return [
        (state.value, counted[state.value])
        for state in KeyState
        if counted[state.value] or state is KeyState.ENABLED
    ]


def _coming(keys: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """What happens to keys next, the soonest first: what, and to which key when."""
    if "Missing" in keys:
        return []
    kinds = (("Rotations", N_("is rotated")), ("Expiries", N_("expires")), ("Deletions", N_("is deleted")))
    found = [(text, key) for name, text in kinds for key in keys[name]["Key"] if key["Date"]]
    return sorted(found, key=lambda pair: pair[1]["Date"])[:_NEXT]


def _plots(counts: dict[str, Any]) -> list[Plot]:
    if "Missing" in counts:
        return []
    found = []
    for name, title, bad in (
        ("Calls", N_("Calls per minute"), False),
        ("Refused", N_("Refusals per minute"), True),
    ):
        values = [minute[name] for minute in counts["Minutes"]["Minute"]]
        most = max(values, default=0)
        found.append(Plot(title, plots.bars(values, most), sum(values), most, bad))
    return found
