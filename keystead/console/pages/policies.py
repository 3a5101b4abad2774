"""Policies: those of the account's own, in versions, and the system policies beside them."""

from starlette.responses import Response

from keystead.access.decisions import PolicyType
from keystead.console.locales import marked as N_
from keystead.console.policy_documents import check
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import BARE, Typed, act, blank, perhaps, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.identities import VERSIONS
from keystead.domain.products import RAM

pages = Pages()

_ROWS = "50"
_DESCRIPTION = {"NewDescription": N_("At most 1,024 characters.")}
_RIGHTS = (
    "ram:UpdatePolicyDescription", "ram:CreatePolicyVersion", "ram:SetDefaultPolicyVersion", "ram:DeletePolicyVersion",
    "ram:DeletePolicy",
)  # fmt: skip


@pages.get("/policies")
async def index(visit: Visit) -> Response:
    """The policies of a type by name, some at a time, from a name on."""
    kind = visit.field("type") if visit.field("type") in tuple(PolicyType) else PolicyType.CUSTOM.value
    marker = visit.field("marker").strip()[:128]
    found = await visit.call(
        "ListPolicies", {"PolicyType": kind, "Marker": marker, "MaxItems": _ROWS}, product=RAM
    )
    create = "ram:CreatePolicy", ram_arn(visit.account, "policy", "*")
    await visit.look_up_rights([create])
    return visit.render(
        "policies/list.html",
        policies=found["Policies"]["Policy"],
        type=kind,
        marker=marker,
        more=found.get("Marker", ""),
        may_create=visit.may(*create),
    )


# --- one policy


@pages.get("/policies/{kind}/{name}")
async def show(visit: Visit, kind: str, name: str) -> Response:
    """What a policy says, its versions, and who has it."""
    return await _policy(visit, kind, name)


async def _policy(visit: Visit, kind: str, name: str, form: Typed = BARE) -> Response:
    named = {"PolicyType": kind, "PolicyName": name}
    policy = (await visit.call("GetPolicy", named, product=RAM))["Policy"]
    versions = await perhaps(visit, "ListPolicyVersions", named, product=RAM)
    holders = await perhaps(visit, "ListEntitiesForPolicy", named, product=RAM)
    arn = ram_arn(visit.account, "policy", name)
    await visit.look_up_rights([(right, arn) for right in _RIGHTS])
    rows = [] if isinstance(versions, Refused) else versions["PolicyVersions"]["PolicyVersion"]
    wanted = visit.field("version") or policy["DefaultVersion"]
    chosen = next((one for one in rows if one["VersionId"] == wanted), None)
    text = policy["PolicyDocument"] if chosen is None else chosen["PolicyDocument"]
    if not form.hints:
        form = blank(visit, _DESCRIPTION, {"NewDescription": policy["Description"]})._replace(
            refused=form.refused
        )
    return visit.render(
        "policies/policy.html",
        form.status,
        kind=kind,
        name=name,
        custom=kind == PolicyType.CUSTOM,
        policy=policy,
        arn=arn,
        form=form,
        shown=policy["DefaultVersion"] if chosen is None else wanted,
        text=text,
        checked=check(text),
        versions=versions,
        unseen_versions=isinstance(versions, Refused),
        rows=rows,
        most=VERSIONS,
        holders=holders,
        unseen_holders=isinstance(holders, Refused),
    )


@pages.get("/policies/{kind}/{name}/said")
async def said(visit: Visit, kind: str, name: str) -> Response:
    """What a policy says, as a part of another page."""
    found = await visit.call("GetPolicy", PolicyType=kind, PolicyName=name, product=RAM)
    return visit.render("policies/said.html", checked=check(found["Policy"]["PolicyDocument"]))


@pages.post("/policies/Custom/{name}/description")
async def describe(visit: Visit, name: str) -> Response:
    form = read(visit, "UpdatePolicyDescription", _DESCRIPTION, _DESCRIPTION, product=RAM)
    reply, form = await send(visit, "UpdatePolicyDescription", form, product=RAM, PolicyName=name)
    if reply is None:
        return await _policy(visit, PolicyType.CUSTOM, name, form)
    return visit.redirect(f"/policies/Custom/{name}", done="saved")


@pages.post("/policies/Custom/{name}/default")
async def set_default(visit: Visit, name: str) -> Response:
    asked = {"PolicyName": name, "VersionId": visit.field("VersionId")}
    refused = await act(visit, "SetDefaultPolicyVersion", asked, product=RAM)
    if refused is not None:
        return await _policy(visit, PolicyType.CUSTOM, name, BARE._replace(refused=refused))
    return visit.redirect(f"/policies/Custom/{name}", done="policy-version-default")


@pages.post("/policies/Custom/{name}/delete-version")
async def delete_version(visit: Visit, name: str) -> Response:
    asked = {"PolicyName": name, "VersionId": visit.field("VersionId")}
    refused = await act(visit, "DeletePolicyVersion", asked, product=RAM)
    if refused is not None:
        return await _policy(visit, PolicyType.CUSTOM, name, BARE._replace(refused=refused))
    return visit.redirect(f"/policies/Custom/{name}", done="policy-version-deleted")


@pages.get("/policies/Custom/{name}/delete")
async def ask_delete(visit: Visit, name: str) -> Response:
    return await _deletion(visit, name, BARE)


@pages.post("/policies/Custom/{name}/delete")
async def delete(visit: Visit, name: str) -> Response:
    form = BARE
    if visit.field("typed").strip() != name:
        form = form._replace(errors={"typed": visit._("This is not the name of the policy.")})
    reply, form = await send(visit, "DeletePolicy", form, product=RAM, PolicyName=name)
    if reply is None:
        return await _deletion(visit, name, form)
    return visit.redirect("/policies", done="policy-deleted")


async def _deletion(visit: Visit, name: str, form: Typed) -> Response:
    named = {"PolicyType": PolicyType.CUSTOM.value, "PolicyName": name}
    policy = (await visit.call("GetPolicy", named, product=RAM))["Policy"]
    versions = await perhaps(visit, "ListPolicyVersions", named, product=RAM)
    others = 0 if isinstance(versions, Refused) else len(versions["PolicyVersions"]["PolicyVersion"]) - 1
    right = "ram:DeletePolicy", ram_arn(visit.account, "policy", name)
    await visit.look_up_rights([right])
    return visit.render(
        "policies/delete.html",
        form.status,
        name=name,
        form=form,
        others=others,
        attached=policy["AttachmentCount"],
        may=visit.may(*right),
    )
