"""Aliases: the list, a new one, and how one is moved to another key or deleted."""

from markupsafe import Markup
from starlette.responses import Response

from keystead.console.pages.key_facts import ALIAS_LIMITS, full_name
from keystead.console.pages.key_frame import Given, Offer, arn_of_alias, page_number, regions
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys import aliases

pages = Pages()
_ROWS = 50


@pages.get("/aliases")
async def show(visit: Visit) -> Response:
    return await _list(visit)


async def _list(
    visit: Visit, problem: Refused | None = None, errors: dict[str, Markup] | None = None
) -> Response:
    page = page_number(visit)
    found = await visit.call("ListAliases", {"PageNumber": str(page), "PageSize": str(_ROWS)})
    create, some_key = "kms:CreateAlias", visit.key_arn("*")
    await visit.look_up_rights([(create, some_key)])
    return visit.render(
        "aliases/list.html",
        problem.status if problem is not None else 400 if errors else 200,
        aliases=found["Aliases"]["Alias"],
        total=found["TotalCount"],
        page=page,
        rows=_ROWS,
        create=Offer(visit.may(create, some_key), create),
        problem=problem,
        errors=Given(errors or {}),
        typed=Given(visit.fields() if visit.request.method == "POST" else {"key": visit.field("key")}),
        regions=regions(visit),
    )


@pages.post("/aliases")
async def create(visit: Visit) -> Response:
    name = full_name(visit.field("alias"))
    errors = {} if aliases.valid_name(name) else {"alias": visit._(ALIAS_LIMITS)}
    if not (key_id := visit.field("key").strip()):
        errors["key"] = visit._("Name the key that it stands for, by its ID.")
    if errors:
        return await _list(visit, errors=errors)
    try:
        await visit.call("CreateAlias", {"KeyId": key_id, "AliasName": name})
    except Refused as refused:
        if told := _about_key(visit, refused):
            return await _list(visit, errors={"key": told})
        return await _list(visit, refused)
    return visit.redirect("/aliases", "alias-created")


def _about_key(visit: Visit, refused: Refused) -> Markup | None:
    """What is said beside the field of the key, where that is what was refused."""
    _ = visit._
    if refused.code == "Forbidden.KeyNotFound":
        return _("There is no such key in this region.")
    if refused.code == "Unsupported.Alias":
        return _("Here the key's ID is needed, not one of its aliases.")
    if refused.code == "InvalidParameter" and "KeyId" in refused.message:
        return _("This is not the ID of a key.")
    return None


@pages.get("/aliases/change")
async def ask(visit: Visit) -> Response:
    return await _change(visit, visit.field("alias"))


async def _change(
    visit: Visit, name: str, problem: Refused | None = None, errors: dict[str, Markup] | None = None
) -> Response:
    try:
        told = (
            (await visit.call("DescribeKey", {"KeyId": name}))["KeyMetadata"]
            if aliases.is_alias(name)
            else None
        )
    except Refused as refused:
        if refused.code not in ("Forbidden.AliasNotFound", "Forbidden.KeyNotFound", "InvalidParameter"):
            raise
        told = None
    if told is None:
        return visit.render("aliases/not_found.html", 404, alias=name, regions=regions(visit))
    move, delete, arn = "kms:UpdateAlias", "kms:DeleteAlias", arn_of_alias(visit, name)
    await visit.look_up_rights([(move, arn), (delete, arn), (delete, told["Arn"])])
    return visit.render(
        "aliases/change.html",
        problem.status if problem is not None else 400 if errors else 200,
        alias=name,
        key=told,
        arn=arn,
        reserved=not aliases.valid_name(name),
        move=Offer(visit.may(move, arn), move),
        delete=Offer(visit.may(delete, arn) and visit.may(delete, told["Arn"]), delete),
        problem=problem,
        errors=Given(errors or {}),
        typed=Given(visit.fields() if visit.request.method == "POST" else {}),
    )


@pages.post("/aliases/move")
async def move(visit: Visit) -> Response:
    name, key_id = visit.field("alias"), visit.field("key").strip()
    if not key_id:
        return await _change(
            visit, name, errors={"key": visit._("Name the key that it is to stand for, by its ID.")}
        )
    try:
        await visit.call("UpdateAlias", {"KeyId": key_id, "AliasName": name})
    except Refused as refused:
        if told := _about_key(visit, refused):
            return await _change(visit, name, errors={"key": told})
        return await _change(visit, name, refused)
    return visit.redirect("/aliases/change", "alias-moved", alias=name)


@pages.post("/aliases/delete")
async def delete(visit: Visit) -> Response:
    name = visit.field("alias")
    if visit.field("typed_alias").strip() != name:
        return await _change(
            visit, name, errors={"typed_alias": visit._("Type the alias as it stands above.")}
        )
    try:
        await visit.call("DeleteAlias", {"AliasName": name})
    except Refused as refused:
        return await _change(visit, name, refused)
    return visit.redirect("/aliases", "alias-deleted")
