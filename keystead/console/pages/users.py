"""RAM users: who there is, and what is noted of each."""

from typing import Any

from starlette.responses import Response

from keystead.console.locales import marked as N_
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import BARE, Typed, blank, perhaps, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.products import RAM

pages = Pages()

ROWS = "50"
_NAME = N_("1 to 64 letters, digits, periods, hyphens and underscores.")
_SHORT = N_("At most 128 characters.")
_PHONE = N_("At most 32 characters.")
_NOTED = {"DisplayName": _SHORT, "Email": _SHORT, "MobilePhone": _PHONE, "Comments": _SHORT}
_NEW = {"UserName": _NAME, **_NOTED}
_CHANGED = {f"New{name}": rule for name, rule in _NEW.items()}
# What keeps a user from being deleted: the operation that tells of it, where, what it is, and the page where it is ended.
_OBSTACLES = (
    ("ListAccessKeys", ("AccessKeys", "AccessKey"), N_("AccessKeys"), "access-keys"),
    ("ListGroupsForUser", ("Groups", "Group"), N_("Memberships of groups"), "groups"),
    ("ListPoliciesForUser", ("Policies", "Policy"), N_("Attached policies"), "policies"),
    ("GetLoginProfile", ("LoginProfile",), N_("Sign-in with a password"), "sign-in"),
    ("GetUserMFAInfo", ("MFADevice",), N_("An MFA device"), "sign-in"),
)


@pages.get("/users")
async def index(visit: Visit) -> Response:
    """The users by name, some at a time, from a name on."""
    marker = visit.field("marker").strip()[:128]
    found = await visit.call("ListUsers", {"Marker": marker, "MaxItems": ROWS}, product=RAM)
    create = "ram:CreateUser", ram_arn(visit.account, "user", "*")
    await visit.look_up_rights([create])
    return visit.render(
        "users/list.html",
        users=found["Users"]["User"],
        marker=marker,
        more=found.get("Marker", ""),
        may_create=visit.may(*create),
    )


@pages.get("/users/-/create")
async def ask_create(visit: Visit) -> Response:
    return await _creation(visit, blank(visit, _NEW))


@pages.post("/users/-/create")
async def create(visit: Visit) -> Response:
    form = read(visit, "CreateUser", _NEW, _NEW, product=RAM)
    reply, form = await send(visit, "CreateUser", form, product=RAM)
    if reply is None:
        return await _creation(visit, form)
    return visit.redirect(f"/users/{form.values['UserName']}", done="user-created")


async def _creation(visit: Visit, form: Typed) -> Response:
    right = "ram:CreateUser", ram_arn(visit.account, "user", "*")
    await visit.look_up_rights([right])
    return visit.render("users/create.html", form.status, form=form, may=visit.may(*right))


@pages.get("/users/{name}")
async def show(visit: Visit, name: str) -> Response:
    """What is noted of a user, to be changed."""
    user = (await visit.call("GetUser", UserName=name, product=RAM))["User"]
    known = {f"New{each}": user[each] for each in _NEW}
    return await _facts(visit, user, blank(visit, _CHANGED, known))


@pages.post("/users/{name}")
async def change(visit: Visit, name: str) -> Response:
    form = read(visit, "UpdateUser", _CHANGED, _CHANGED, product=RAM)
    reply, form = await send(visit, "UpdateUser", form, product=RAM, UserName=name)
    if reply is None:
        user = (await visit.call("GetUser", UserName=name, product=RAM))["User"]
        return await _facts(visit, user, form)
    return visit.redirect(f"/users/{reply['User']['UserName']}", done="saved")


async def _facts(visit: Visit, user: dict[str, str], form: Typed) -> Response:
    arn = ram_arn(visit.account, "user", user["UserName"])
    await visit.look_up_rights([("ram:UpdateUser", arn), ("ram:DeleteUser", arn)])
    return visit.render("users/facts.html", form.status, name=user["UserName"], user=user, arn=arn, form=form)


@pages.get("/users/{name}/delete")
async def ask_delete(visit: Visit, name: str) -> Response:
    return await _deletion(visit, name, BARE)


@pages.post("/users/{name}/delete")
async def delete(visit: Visit, name: str) -> Response:
    form = BARE
    if visit.field("typed").strip() != name:
        form = form._replace(errors={"typed": visit._("This is not the name of the user.")})
    reply, form = await send(visit, "DeleteUser", form, product=RAM, UserName=name)
    if reply is None:
        return await _deletion(visit, name, form)
    return visit.redirect("/users", done="user-deleted")


async def _deletion(visit: Visit, name: str, form: Typed) -> Response:
    await visit.call("GetUser", UserName=name, product=RAM)
    arn = ram_arn(visit.account, "user", name)
    await visit.look_up_rights([("ram:DeleteUser", arn)])
    obstacles = []
    for action, way, what, page in _OBSTACLES:
        count = await _count(visit, name, action, way)
        if count != 0:
            obstacles.append((what, count, page))
    return visit.render(
        "users/delete.html",
        form.status,
        name=name,
        form=form,
        obstacles=obstacles,
        blocked=any(count for _, count, _ in obstacles),
        may=visit.may("ram:DeleteUser", arn),
    )


async def _count(visit: Visit, name: str, action: str, way: tuple[str, ...]) -> int | None:
    """How many obstacles of a kind there are; None if the person may not know."""
    found = await perhaps(visit, action, {"UserName": name}, product=RAM)
    if isinstance(found, Refused):
        return 0 if found.status == 404 else None
    inner: Any = found
    for step in way:
        inner = inner[step]
    return len(inner) if isinstance(inner, list) else 1
