"""The AccessKeys of a RAM user, with which programs sign their calls."""

import json

from starlette.responses import PlainTextResponse, Response

from keystead.console.routing import Pages
from keystead.console.typed import BARE, Typed, act, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.identities import ACCESS_KEYS
from keystead.domain.products import RAM

pages = Pages()

_RIGHTS = (
    "ram:CreateAccessKey", "ram:UpdateAccessKey", "ram:DeleteAccessKey", "ram:GetAccessKeyLastUsed",
)  # fmt: skip


@pages.get("/users/{name}/access-keys")
async def show(visit: Visit, name: str) -> Response:
    return await _tab(visit, name, BARE)


async def _tab(visit: Visit, name: str, form: Typed) -> Response:
    found = await visit.call("ListAccessKeys", UserName=name, product=RAM)
    arn = ram_arn(visit.account, "user", name)
    await visit.look_up_rights([(right, arn) for right in _RIGHTS])
    access_keys = found["AccessKeys"]["AccessKey"]
    for one in access_keys:
        one["LastUsed"] = None
        if visit.may("ram:GetAccessKeyLastUsed", arn):
            used = await visit.call(
                "GetAccessKeyLastUsed", UserAccessKeyId=one["AccessKeyId"], UserName=name, product=RAM
            )
            one["LastUsed"] = used["AccessKeyLastUsed"]["LastUsedDate"]
    return visit.render(
        "users/access_keys.html",
        form.status,
        name=name,
        arn=arn,
        form=form,
        access_keys=access_keys,
        most=ACCESS_KEYS,
    )


@pages.post("/users/{name}/access-keys")
async def create(visit: Visit, name: str) -> Response:
    """Make an AccessKey, and show its secret: it stands in this answer and nowhere else."""
    reply, form = await send(visit, "CreateAccessKey", BARE, product=RAM, UserName=name)
    if reply is None:
        return await _tab(visit, name, form)
    return visit.render("users/new_access_key.html", name=name, form=form, made=reply["AccessKey"])


@pages.post("/users/{name}/access-keys/file")
async def file(visit: Visit, name: str) -> Response:
    """The AccessKey that the page shows, as the file that `keystead` reads."""
    found = {member: visit.field(member) for member in ("AccessKeyId", "AccessKeySecret")}
    if not all(value.isascii() and value.isalnum() and len(value) <= 128 for value in found.values()):
        return PlainTextResponse(visit._("This is no AccessKey."), 400)
    return visit.download(
        f"{name}-access-key.json", json.dumps(found, indent=2).encode() + b"\n", "application/json"
    )


@pages.post("/users/{name}/access-keys/status")
async def switch(visit: Visit, name: str) -> Response:
    """Activate or deactivate one."""
    asked = {each: visit.field(each) for each in ("UserAccessKeyId", "Status")}
    refused = await act(visit, "UpdateAccessKey", {**asked, "UserName": name}, product=RAM)
    if refused is not None:
        return await _tab(visit, name, BARE._replace(refused=refused))
    done = "access-key-active" if asked["Status"] == "Active" else "access-key-inactive"
    return visit.redirect(f"/users/{name}/access-keys", done=done)


@pages.get("/users/{name}/access-keys/{access_key_id}/delete")
async def ask_delete(visit: Visit, name: str, access_key_id: str) -> Response:
    return await _deletion(visit, name, access_key_id, BARE)


@pages.post("/users/{name}/access-keys/{access_key_id}/delete")
async def delete(visit: Visit, name: str, access_key_id: str) -> Response:
    form = BARE._replace(values={"UserAccessKeyId": access_key_id})
    reply, form = await send(visit, "DeleteAccessKey", form, product=RAM, UserName=name)
    if reply is None:
        return await _deletion(visit, name, access_key_id, form)
    return visit.redirect(f"/users/{name}/access-keys", done="access-key-deleted")


async def _deletion(visit: Visit, name: str, access_key_id: str, form: Typed) -> Response:
    arn = ram_arn(visit.account, "user", name)
    await visit.look_up_rights([("ram:DeleteAccessKey", arn), ("ram:GetAccessKeyLastUsed", arn)])
    last_used = None
    if visit.may("ram:GetAccessKeyLastUsed", arn):
        used = await visit.call(
            "GetAccessKeyLastUsed", UserAccessKeyId=access_key_id, UserName=name, product=RAM
        )
        last_used = used["AccessKeyLastUsed"]["LastUsedDate"]
    return visit.render(
        "users/delete_access_key.html",
        form.status,
        name=name,
        arn=arn,
        form=form,
        access_key_id=access_key_id,
        last_used=last_used,
    )
