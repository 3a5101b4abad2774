"""Groups of RAM users, and which groups a user is in."""

from starlette.responses import Response

from keystead.console.locales import marked as N_
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import BARE, Typed, act, blank, perhaps, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.identities import GROUPS_OF_USER
from keystead.domain.products import RAM

pages = Pages()

_ROWS = "50"
_NAME = N_("1 to 64 letters, digits, periods and hyphens.")
_SHORT = N_("At most 128 characters.")
_NEW = {"GroupName": _NAME, "Comments": _SHORT}
_CHANGED = {"NewGroupName": _NAME, "NewComments": _SHORT}
_ADD, _REMOVE = "ram:AddUserToGroup", "ram:RemoveUserFromGroup"


@pages.get("/groups")
async def index(visit: Visit) -> Response:
    """The groups by name, some at a time."""
    marker = visit.field("marker").strip()[:128]
    found = await visit.call("ListGroups", {"Marker": marker, "MaxItems": _ROWS}, product=RAM)
    create = "ram:CreateGroup", ram_arn(visit.account, "group", "*")
    await visit.look_up_rights([create])
    return visit.render(
        "groups/list.html",
        groups=found["Groups"]["Group"],
        more=found.get("Marker", ""),
        may_create=visit.may(*create),
    )


@pages.get("/groups/-/create")
async def ask_create(visit: Visit) -> Response:
    return await _creation(visit, blank(visit, _NEW))


@pages.post("/groups/-/create")
async def create(visit: Visit) -> Response:
    form = read(visit, "CreateGroup", _NEW, _NEW, product=RAM)
    reply, form = await send(visit, "CreateGroup", form, product=RAM)
    if reply is None:
        return await _creation(visit, form)
    return visit.redirect(f"/groups/{form.values['GroupName']}", done="group-created")


async def _creation(visit: Visit, form: Typed) -> Response:
    right = "ram:CreateGroup", ram_arn(visit.account, "group", "*")
    await visit.look_up_rights([right])
    return visit.render("groups/create.html", form.status, form=form, may=visit.may(*right))


@pages.get("/groups/{name}")
async def show(visit: Visit, name: str) -> Response:
    """What is noted of a group, and its members."""
    return await _facts(visit, name, BARE)


async def _facts(visit: Visit, name: str, form: Typed) -> Response:
    group = (await visit.call("GetGroup", GroupName=name, product=RAM))["Group"]
    if not form.hints:
        known = {"NewGroupName": group["GroupName"], "NewComments": group["Comments"]}
        form = blank(visit, _CHANGED, known)._replace(refused=form.refused)
    marker = visit.field("marker").strip()[:128]
    asked = {"GroupName": name, "Marker": marker, "MaxItems": _ROWS}
    members = await perhaps(visit, "ListUsersForGroup", asked, product=RAM)
    rows = [] if isinstance(members, Refused) else members["Users"]["User"]
    users = [ram_arn(visit.account, "user", one["UserName"]) for one in rows]
    arn = ram_arn(visit.account, "group", name)
    rights = [("ram:UpdateGroup", arn), ("ram:DeleteGroup", arn), (_ADD, arn), (_REMOVE, arn)]
    await visit.look_up_rights(rights + [(_REMOVE, user) for user in users])
    may_remove = [visit.may(_REMOVE, arn) and visit.may(_REMOVE, user) for user in users]
    return visit.render(
        "groups/facts.html",
        form.status,
        name=name,
        group=group,
        arn=arn,
        form=form,
        members=members,
        unseen=isinstance(members, Refused),
        rows=list(zip(rows, may_remove, strict=True)),
        more="" if isinstance(members, Refused) else members.get("Marker", ""),
    )


@pages.post("/groups/{name}")
async def change(visit: Visit, name: str) -> Response:
    form = read(visit, "UpdateGroup", _CHANGED, _CHANGED, product=RAM)
    reply, form = await send(visit, "UpdateGroup", form, product=RAM, GroupName=name)
    if reply is None:
        return await _facts(visit, name, form)
    return visit.redirect(f"/groups/{reply['Group']['GroupName']}", done="saved")


@pages.post("/groups/{name}/add")
async def add(visit: Visit, name: str) -> Response:
    """Put a user into the group, from the group's page."""
    asked = {"GroupName": name, "UserName": visit.field("UserName").strip()}
    refused = await act(visit, "AddUserToGroup", asked, product=RAM)
    if refused is not None:
        return await _facts(visit, name, BARE._replace(refused=refused))
    return visit.redirect(f"/groups/{name}", done="group-joined")


@pages.post("/groups/{name}/remove")
async def remove(visit: Visit, name: str) -> Response:
    """Take a user out of the group, from the group's page."""
    asked = {"GroupName": name, "UserName": visit.field("UserName")}
    refused = await act(visit, "RemoveUserFromGroup", asked, product=RAM)
    if refused is not None:
        return await _facts(visit, name, BARE._replace(refused=refused))
    return visit.redirect(f"/groups/{name}", done="group-left")


@pages.get("/groups/{name}/delete")
async def ask_delete(visit: Visit, name: str) -> Response:
    return await _deletion(visit, name, BARE)


@pages.post("/groups/{name}/delete")
async def delete(visit: Visit, name: str) -> Response:
    form = BARE
    if visit.field("typed").strip() != name:
        form = form._replace(errors={"typed": visit._("This is not the name of the group.")})
    reply, form = await send(visit, "DeleteGroup", form, product=RAM, GroupName=name)
    if reply is None:
        return await _deletion(visit, name, form)
    return visit.redirect("/groups", done="group-deleted")


async def _deletion(visit: Visit, name: str, form: Typed) -> Response:
    await visit.call("GetGroup", GroupName=name, product=RAM)
    members = await perhaps(visit, "ListUsersForGroup", {"GroupName": name, "MaxItems": "1"}, product=RAM)
    policies = await perhaps(visit, "ListPoliciesForGroup", {"GroupName": name}, product=RAM)
    arn = ram_arn(visit.account, "group", name)
    await visit.look_up_rights([("ram:DeleteGroup", arn)])
    return visit.render(
        "groups/delete.html",
        form.status,
        name=name,
        form=form,
        has_members=not isinstance(members, Refused) and bool(members["Users"]["User"]),
        has_policies=not isinstance(policies, Refused) and bool(policies["Policies"]["Policy"]),
        may=visit.may("ram:DeleteGroup", arn),
    )


# --- of a user


@pages.get("/users/{name}/groups")
async def of_user(visit: Visit, name: str) -> Response:
    return await _of_user(visit, name)


async def _of_user(visit: Visit, name: str, refused: Refused | None = None) -> Response:
    found = await visit.call("ListGroupsForUser", UserName=name, product=RAM)
    joined = found["Groups"]["Group"]
    every = await perhaps(visit, "ListGroups", {"MaxItems": "100"}, product=RAM)  # an account has at most 50
    names = [] if isinstance(every, Refused) else [one["GroupName"] for one in every["Groups"]["Group"]]
    there = [one["GroupName"] for one in joined]
    arn = ram_arn(visit.account, "user", name)
    arns = {group: ram_arn(visit.account, "group", group) for group in (*names, *there)}
    rights = [(_ADD, arn), (_REMOVE, arn), *((_ADD, arns[one]) for one in names)]
    await visit.look_up_rights(rights + [(_REMOVE, arns[one]) for one in there])
    form = BARE._replace(refused=refused)
    return visit.render(
        "users/groups.html",
        form.status,
        name=name,
        form=form,
        rows=[
            (one, visit.may(_REMOVE, arn) and visit.may(_REMOVE, arns[one["GroupName"]])) for one in joined
        ],
        others=[
            (one, one)
            for one in names
            if one not in there and visit.may(_ADD, arn) and visit.may(_ADD, arns[one])
        ],
        any_group=bool(names),
        may_add=visit.may(_ADD, arn),
        most=GROUPS_OF_USER,
    )


@pages.post("/users/{name}/groups/join")
async def join(visit: Visit, name: str) -> Response:
    asked = {"UserName": name, "GroupName": visit.field("GroupName")}
    refused = await act(visit, "AddUserToGroup", asked, product=RAM)
    if refused is not None:
        return await _of_user(visit, name, refused)
    return visit.redirect(f"/users/{name}/groups", done="group-joined")


@pages.post("/users/{name}/groups/leave")
async def leave(visit: Visit, name: str) -> Response:
    asked = {"UserName": name, "GroupName": visit.field("GroupName")}
    refused = await act(visit, "RemoveUserFromGroup", asked, product=RAM)
    if refused is not None:
        return await _of_user(visit, name, refused)
    return visit.redirect(f"/users/{name}/groups", done="group-left")
