"""Who may do what: an explanation, and what a policy would change that is not attached yet."""

import json
from typing import Any

from starlette.responses import Response

from keystead.api import questions
from keystead.console.locales import marked as N_
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import Typed, blank, perhaps, read, send
from keystead.console.visit import Visit
from keystead.domain.products import KEYSTEAD, RAM

pages = Pages()

_HINTS = {
    "User": N_("The name of a user, or root for the owner of the account."),
    "AccessAction": N_("Choose an action."),
    "Resource": N_(
        "Key IDs, aliases, user/NAME, group/NAME, policy/NAME or ARNs, one a line, at most 10. Each must exist here."
    ),
    "Context": N_(
        "Condition keys with their values, one a line, as acs:SourceIp=192.0.2.7. Only keys that the action has."
    ),
    "PolicyDocument": "",
}
_EXPLAIN, _SIMULATE = "ExplainAccess", "SimulatePolicy"
OUTCOMES = {
    "Allow": ("good", N_("allowed")),
    "ExplicitDeny": ("bad", N_("denied by a statement")),
    "ImplicitDeny": ("off", N_("not allowed by any statement")),
}
VERDICTS = {
    "Applies": N_("applies"),
    "ConditionNotMet": N_("does not apply: a condition is not met"),
    "OtherResource": N_("does not apply: it is about other resources"),
    "OtherPrincipal": N_("does not apply: it is about others"),
    "LeftToAccount": N_("leaves it to the policies of the account"),
}


@pages.get("/access")
async def ask(visit: Visit) -> Response:
    """The question, with what the address says of it: a policy that is there, for example."""
    known = {}
    if policy := visit.field("policy"):
        kind = visit.field("type") or "Custom"
        found = await perhaps(visit, "GetPolicy", {"PolicyType": kind, "PolicyName": policy}, product=RAM)
        if not isinstance(found, Refused):
            known["PolicyDocument"] = found["Policy"]["PolicyDocument"]
    return await _page(visit, blank(visit, _HINTS, known))


@pages.post("/access")
async def answer(visit: Visit) -> Response:
    reply, form = await _asked(visit, visit.field("User").strip())
    return await _page(visit, form, reply)


async def _page(visit: Visit, form: Typed, reply: dict[str, Any] | None = None) -> Response:
    return visit.render("access/who.html", form.status, **await _values(visit, form, reply))


@pages.get("/users/{name}/access")
async def of_user(visit: Visit, name: str) -> Response:
    """What a user has, and a question about it."""
    return await _of_user(visit, name, blank(visit, _HINTS))


@pages.post("/users/{name}/access")
async def answer_of_user(visit: Visit, name: str) -> Response:
    reply, form = await _asked(visit, name)
    return await _of_user(visit, name, form, reply)


async def _of_user(visit: Visit, name: str, form: Typed, reply: dict[str, Any] | None = None) -> Response:
    return visit.render(
        "users/access.html",
        form.status,
        name=name,
        had=await _had(visit, name),
        **await _values(visit, form, reply),
    )


async def _had(visit: Visit, name: str) -> list[tuple[str, list[dict[str, str]] | Refused]]:
    """The policies of a user: its own, then those of each group, by the group's name."""
    found = [("", await perhaps(visit, "ListPoliciesForUser", {"UserName": name}, product=RAM))]
    groups = await perhaps(visit, "ListGroupsForUser", {"UserName": name}, product=RAM)
    if isinstance(groups, Refused):
        if groups.status == 404:
            raise groups
        found.append(("", groups))
    else:
        for group in groups["Groups"]["Group"]:
            named = {"GroupName": group["GroupName"]}
            found.append(
                (group["GroupName"], await perhaps(visit, "ListPoliciesForGroup", named, product=RAM))
            )
    return [(group, one if isinstance(one, Refused) else one["Policies"]["Policy"]) for group, one in found]


async def _asked(visit: Visit, user: str) -> tuple[dict[str, Any] | None, Typed]:
    """The answer of the service; the form keeps what was typed, not what was made of it."""
    action = _SIMULATE if visit.field("PolicyDocument").strip() else _EXPLAIN
    names = ["AccessAction"] + (["PolicyDocument"] if action == _SIMULATE else [])
    form = read(visit, action, names, _HINTS, product=KEYSTEAD)
    typed = {**{name: visit.field(name) for name in _HINTS}, **form.values, "User": user}
    errors = dict(form.errors)
    if not user and action == _EXPLAIN:
        errors["User"] = visit._("Fill this in.")
    lines = [line.strip() for line in typed["Resource"].splitlines() if line.strip()]
    pairs = [line.strip().partition("=") for line in typed["Context"].splitlines() if line.strip()]
    context = {key: value for key, _, value in pairs}
    if not all(context.values()):
        errors["Context"] = visit._("Each line has a condition key, an equals sign and a value.")
    more = {f"Resource.{number}": line for number, line in enumerate(lines, 1)}
    more |= {"Resource": "", "Context": json.dumps(context) if context else ""}
    reply, form = await send(visit, action, Typed(typed, errors, _HINTS), product=KEYSTEAD, **more)
    if form.refused is not None and form.refused.code == "EntityNotExist.User":
        errors["User"] = visit._("There is no user of this name.")
        form = form._replace(errors=errors, refused=None)
    return reply, form


async def _values(visit: Visit, form: Typed, reply: dict[str, Any] | None) -> dict[str, Any]:
    place = f"acs:keystead:{visit.region}:{visit.account}:*"
    rights = [(f"keystead:{action}", place) for action in (_EXPLAIN, _SIMULATE)]
    await visit.look_up_rights(rights)
    return {
        "form": form,
        "reply": reply,
        "actions": [("", ""), *((name, name) for name in sorted(questions.actions()))],
        "outcomes": OUTCOMES,
        "verdicts": VERDICTS,
        "may_explain": visit.may(*rights[0]),
        "may_simulate": visit.may(*rights[1]),
    }
