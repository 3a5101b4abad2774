"""One key: its versions, how it rotates, and the public keys of a key pair."""

from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from keystead.console.pages.create_key import DAYS, days_limits, interval_of
from keystead.console.pages.key_frame import ShownKey, about_key, ask, find, page_number, show
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.algorithms import Use
from keystead.domain.keys.rotation import DAY

pages = Pages()
_ROWS = 50


@pages.get("/keys/{key_id}/versions")
@about_key
async def versions(visit: Visit, key: ShownKey) -> Response:
    return await _show(visit, key)


async def _show(
    visit: Visit, key: ShownKey, problem: Refused | None = None, errors: dict[str, Markup] | None = None
) -> Response:
    page = page_number(visit)
    told, unseen = await ask(
        visit, "ListKeyVersions", KeyId=key.id, PageNumber=str(page), PageSize=str(_ROWS)
    )
    await key.look_up("CreateKeyVersion", "UpdateRotationPolicy", "GetPublicKey")
    rows: list[dict[str, Any]] = told["KeyVersions"]["KeyVersion"] if told else []
    newest = rows[0]["KeyVersionId"] if rows and page == 1 else ""
    return show(
        visit,
        key,
        "versions",
        problem.status if problem is not None else 400 if errors else 200,
        problem=problem,
        errors=errors or {},
        typed=visit.fields() if visit.request.method == "POST" else {},
        versions=rows,
        total=told["TotalCount"] if told else 0,
        unseen=unseen,
        page=page,
        rows=_ROWS,
        # DescribeKey names none for a key pair, of which every call names the version that it wants.
        primary=key.PrimaryKeyVersion or newest,
        has_versions=key.good(Use.VERSIONS),
        days=DAYS,
        every=_whole_days(key.RotationInterval),
    )


def _whole_days(interval: str) -> str:
    seconds = int(interval[:-1]) if interval else 0
    return str(seconds // DAY) if seconds and seconds % DAY == 0 else ""


async def _change(visit: Visit, key: ShownKey, done: str, action: str, /, **parameters: str) -> Response:
    try:
        await visit.call(action, {"KeyId": key.id, **parameters})
    except Refused as refused:
        return await _show(visit, await find(visit, key.id), refused)
    return visit.redirect(f"{key.path}/versions", done)


@pages.post("/keys/{key_id}/versions")
@about_key
async def rotate_now(visit: Visit, key: ShownKey) -> Response:
    return await _change(visit, key, "version-created", "CreateKeyVersion")


@pages.post("/keys/{key_id}/rotation")
@about_key
async def set_rotation(visit: Visit, key: ShownKey) -> Response:
    if visit.field("rotate") != "true":
        return await _change(visit, key, "saved", "UpdateRotationPolicy", EnableAutomaticRotation="false")
    interval = interval_of(visit.field("days"))
    if interval is None:
        return await _show(visit, key, errors={"days": days_limits(visit)})
    return await _change(
        visit, key, "saved", "UpdateRotationPolicy", EnableAutomaticRotation="true", RotationInterval=interval
    )


@pages.post("/keys/{key_id}/public-key")
@about_key
async def public_key(visit: Visit, key: ShownKey) -> Response:
    try:
        told = await visit.call("GetPublicKey", {"KeyId": key.id, "KeyVersionId": visit.field("version")})
    except Refused as refused:
        return await _show(visit, key, refused)
    return visit.download(f"{told['KeyVersionId']}.pem", told["PublicKey"].encode(), "application/x-pem-file")
