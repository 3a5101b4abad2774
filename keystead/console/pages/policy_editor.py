"""The editor of policies: a new one, and a new version of one."""

from starlette.responses import Response

from keystead.access.decisions import PolicyType
from keystead.console.locales import marked as N_
from keystead.console.policy_documents import TEMPLATES, check, start
from keystead.console.routing import Pages
from keystead.console.typed import Typed, blank, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.identities import VERSIONS
from keystead.domain.products import RAM

pages = Pages()

# The document has no rule here: the service's own words say what is wrong with one, and where.
_NEW = {
    "PolicyName": N_("1 to 128 letters, digits and hyphens."),
    "Description": N_("At most 1,024 characters."),
    "PolicyDocument": "",
}
_VERSION = {"PolicyDocument": ""}


@pages.post("/policies/-/check")
async def live(visit: Visit) -> Response:
    """What the document in the editor says, or what is wrong with it, while it is being typed."""
    return visit.render("policies/checked.html", checked=check(_document(visit)))


def _document(visit: Visit) -> str:
    return visit.field("PolicyDocument").replace("\r\n", "\n")


@pages.get("/policies/-/create")
async def ask_create(visit: Visit) -> Response:
    return await _editor(visit, "", blank(visit, _NEW, {"PolicyDocument": _start(visit)}))


@pages.post("/policies/-/create")
async def create(visit: Visit) -> Response:
    form = read(visit, "CreatePolicy", _NEW, _NEW, product=RAM)
    reply, form = await send(visit, "CreatePolicy", form, product=RAM)
    if reply is None:
        return await _editor(visit, "", form)
    return visit.redirect(f"/policies/Custom/{form.values['PolicyName']}", done="policy-created")


@pages.get("/policies/Custom/{name}/new-version")
async def ask_version(visit: Visit, name: str) -> Response:
    """From the version that has a say, or from a template."""
    text = _start(visit)
    if not text:
        found = await visit.call("GetPolicy", PolicyType=PolicyType.CUSTOM, PolicyName=name, product=RAM)
        text = found["Policy"]["PolicyDocument"]
    return await _editor(visit, name, blank(visit, _VERSION, {"PolicyDocument": text}))


@pages.post("/policies/Custom/{name}/new-version")
async def create_version(visit: Visit, name: str) -> Response:
    form = read(visit, "CreatePolicyVersion", _VERSION, _VERSION, product=RAM)
    at_once = visit.field("SetAsDefault") == "true"
    reply, form = await send(
        visit,
        "CreatePolicyVersion",
        form,
        product=RAM,
        PolicyName=name,
        SetAsDefault="true" if at_once else "false",
        RotateStrategy="DeleteOldestNonDefaultVersionWhenLimitExceeded" if visit.field("rotate") else "None",
    )
    if reply is None:
        return await _editor(visit, name, form)
    return visit.redirect(
        f"/policies/Custom/{name}", done="policy-version-default" if at_once else "policy-version-created"
    )


def _start(visit: Visit) -> str:
    """The template that was chosen, about the key that was."""
    return start(visit.field("template"), visit.key_arn(visit.field("key").strip() or "*"))


async def _editor(visit: Visit, name: str, form: Typed) -> Response:
    """`name`: of the policy that a version is made of; empty: of a new policy."""
    action = "CreatePolicyVersion" if name else "CreatePolicy"
    right = f"ram:{action}", ram_arn(visit.account, "policy", name or "*")
    await visit.look_up_rights([right])
    text = form.values["PolicyDocument"]
    return visit.render(
        "policies/editor.html",
        form.status,
        name=name,
        form=form,
        checked=check(text) if text else None,
        templates=[("", visit._("nothing")), *((one.name, visit._(one.title)) for one in TEMPLATES)],
        most=VERSIONS,
        may=visit.may(*right),
        needs=right[0],
    )
