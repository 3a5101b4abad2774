"""One key: its deletion, which takes its time and can be cancelled until it is due."""

from markupsafe import Markup
from starlette.responses import Response

from keystead.console.pages.key_frame import ShownKey, about_key, ask, find, show
from keystead.console.pages.key_usage import what_breaks
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit

pages = Pages()
SHORTEST, LONGEST = 7, 366  # days that a deletion waits


@pages.get("/keys/{key_id}/deletion")
@about_key
async def deletion(visit: Visit, key: ShownKey) -> Response:
    return await _show(visit, key)


async def _show(
    visit: Visit, key: ShownKey, problem: Refused | None = None, errors: dict[str, Markup] | None = None
) -> Response:
    await key.look_up("ScheduleKeyDeletion", "CancelKeyDeletion", "DisableKey", "SetDeletionProtection")
    return show(
        visit,
        key,
        "deletion",
        problem.status if problem is not None else 400 if errors else 200,
        problem=problem,
        errors=errors or {},
        typed=visit.fields() if visit.request.method == "POST" else {},
        breaks=await what_breaks(visit, key),
        days=(SHORTEST, LONGEST),
    )


@pages.post("/keys/{key_id}/deletion")
@about_key
async def schedule(visit: Visit, key: ShownKey) -> Response:
    _ = visit._
    errors: dict[str, Markup] = {}
    days = visit.field("days").strip()
    if not (days.isascii() and days.isdigit() and len(days) <= 9 and SHORTEST <= int(days) <= LONGEST):
        errors["days"] = _(
            "A whole number from %(shortest)s to %(longest)s.", shortest=SHORTEST, longest=LONGEST
        )
    if not await _names(visit, key, visit.field("typed_key").strip()):
        errors["typed_key"] = _("Type the ID of the key as it stands above, or one of its aliases.")
    if errors:
        return await _show(visit, key, errors=errors)
    try:
        await visit.confirm()
        await visit.call("ScheduleKeyDeletion", {"KeyId": key.id, "PendingWindowInDays": str(int(days))})
    except Refused as refused:
        if refused.action == "ConfirmSession":
            return await _show(visit, key, errors={"confirm": Markup.escape(refused.message)})
        if refused.code == "ConfirmationRequired":
            said = _("This needs a fresh proof that it is you. Nothing was done yet.")
            return await _show(visit, key, errors={"confirm": said})
        return await _show(visit, await find(visit, key.id), refused)
    return visit.redirect(f"{key.path}/deletion", "deletion-scheduled")


async def _names(visit: Visit, key: ShownKey, text: str) -> bool:
    """Whether this names the key: its id, or one of its aliases."""
    if text == key.id:
        return True
    named, _ = await ask(visit, "ListAliasesByKeyId", KeyId=key.id, PageSize="100")
    return named is not None and text in [one["AliasName"] for one in named["Aliases"]["Alias"]]


@pages.post("/keys/{key_id}/deletion/cancel")
@about_key
async def cancel(visit: Visit, key: ShownKey) -> Response:
    try:
        await visit.call("CancelKeyDeletion", {"KeyId": key.id})
    except Refused as refused:
        return await _show(visit, await find(visit, key.id), refused)
    return visit.redirect(f"{key.path}/deletion", "deletion-cancelled")
