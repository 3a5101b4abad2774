"""One key: who used it of late and how, what its records say, and what would break without it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response

from keystead.console.pages.key_frame import ShownKey, about_key, show
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.rotation import DAY
from keystead.domain.products import CONSOLE, KEYSTEAD

pages = Pages()
_RECORDS = 50
_RECENT = 30 * DAY  # seconds within which a caller counts as one that still needs the key
_NAMED = 10  # callers and aliases, of all that would be hit


class Breaks(NamedTuple):
    """What there is to know before a key is disabled, deleted, or its material taken away."""

    callers: list[Mapping[str, Any]]  # of the last 30 days, one row each, the latest first
    more_callers: int
    last: str  # when it was last used; empty: not as far back as was looked
    since: str  # how far back that was
    aliases: list[str]
    more_aliases: int
    unseen: list[Refused]  # what could not be looked at, so that nothing follows from its absence


async def what_breaks(visit: Visit, key: ShownKey) -> Breaks:
    """What stands against doing without the key, as far as the person may see that."""
    unseen: list[Refused] = []
    used, named = await _usage(visit, key, unseen), await _aliases(visit, key, unseen)
    uses = used["Uses"]["Use"] if used else []
    after = visit.console.clock.now() - _RECENT
    callers = _by_caller(one for one in uses if _moment(one["LastDate"]) >= after)
    names = [one["AliasName"] for one in named["Aliases"]["Alias"]] if named else []
    return Breaks(
        callers=callers[:_NAMED],
        more_callers=len(callers[_NAMED:]),
        last=max((one["LastDate"] for one in uses), default=""),
        since=used["Since"] if used else "",
        aliases=names[:_NAMED],
        more_aliases=(named["TotalCount"] if named else 0) - len(names[:_NAMED]),
        unseen=unseen,
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _by_caller(uses: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row for each caller, of whichever operations: the latest first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in sorted(uses, key=lambda use: use["LastDate"], reverse=True):
        row = found.setdefault((one["AccountId"], one["Principal"]), {**one, "Count": 0, "Actions": []})
        row["Count"] += one["Count"]
        if one["Action"] not in row["Actions"]:
            row["Actions"].append(one["Action"])
    return list(found.values())


async def _usage(visit: Visit, key: ShownKey, unseen: list[Refused]) -> dict[str, Any] | None:
    try:
        return await visit.call("UsageOfKey", {"KeyId": key.id}, product=KEYSTEAD)
    except Refused as refused:
        if refused.status not in (403, 503):  # 503: it would have taken too long
            raise
        unseen.append(refused)
        return None


async def _aliases(visit: Visit, key: ShownKey, unseen: list[Refused]) -> dict[str, Any] | None:
    try:
        return await visit.call("ListAliasesByKeyId", {"KeyId": key.id, "PageSize": "100"})
    except Refused as refused:
        if refused.status != 403:
            raise
        unseen.append(refused)
        return None


@pages.get("/keys/{key_id}/use")
@about_key
async def use(visit: Visit, key: ShownKey) -> Response:
    no_usage: list[Refused] = []
    used = await _usage(visit, key, no_usage)
    try:
        asked = {"Resource": key.arn, "MaxItems": str(_RECORDS)}
        records = await visit.call("LookUpRecords", asked, product=CONSOLE)
        no_records = None
    except Refused as refused:
        if refused.status not in (403, 503):
            raise
        records, no_records = None, refused
    return show(
        visit,
        key,
        "use",
        uses=used["Uses"]["Use"] if used else [],
        since=used["Since"] if used else "",
        no_usage=no_usage[0] if no_usage else None,
        records=records["Records"]["Record"] if records else [],
        more=bool(records and records["NextToken"]),
        no_records=no_records,
    )
