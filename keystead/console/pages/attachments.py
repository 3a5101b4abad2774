"""What is attached to users and groups: which policies each of them has."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from starlette.responses import Response

from keystead.access.decisions import PolicyType
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import BARE, act
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.products import RAM

pages = Pages()

_ROWS = "50"


class Holder(NamedTuple):
    """A kind of those who have policies, and the operations for it."""

    kind: str
    at: str  # the path of its pages
    names: str  # the parameter that names one
    lists: str
    attaches: str
    detaches: str
    template: str


HOLDERS = (
    Holder(
        "user", "/users", "UserName", "ListPoliciesForUser", "AttachPolicyToUser", "DetachPolicyFromUser", "users/user.html"
    ),
    Holder(
        "group", "/groups", "GroupName", "ListPoliciesForGroup", "AttachPolicyToGroup", "DetachPolicyFromGroup",
        "groups/group.html",
    ),
)  # fmt: skip


async def _show(holder: Holder, visit: Visit, name: str) -> Response:
    return await _tab(holder, visit, name)


async def _tab(holder: Holder, visit: Visit, name: str, refused: Refused | None = None) -> Response:
    policies = await _attached(holder, visit, name)
    arn = ram_arn(visit.account, holder.kind, name)
    attach, detach = f"ram:{holder.attaches}", f"ram:{holder.detaches}"
    arns = [ram_arn(visit.account, "policy", one["PolicyName"]) for one in policies]
    await visit.look_up_rights([(attach, arn), (detach, arn), *((detach, one) for one in arns)])
    rows = [
        (one, visit.may(detach, arn) and visit.may(detach, of))
        for one, of in zip(policies, arns, strict=True)
    ]
    form = BARE._replace(refused=refused)
    return visit.render(
        "access/attached.html",
        form.status,
        holder=holder,
        name=name,
        form=form,
        rows=rows,
        may_attach=visit.may(attach, arn),
    )


async def _attached(holder: Holder, visit: Visit, name: str) -> list[dict[str, str]]:
    found = await visit.call(holder.lists, {holder.names: name}, product=RAM)
    policies: list[dict[str, str]] = found["Policies"]["Policy"]
    return policies


async def _detach(holder: Holder, visit: Visit, name: str) -> Response:
    refused = await act(visit, holder.detaches, _named(holder, visit, name), product=RAM)
    if refused is not None:
        return await _tab(holder, visit, name, refused)
    return visit.redirect(f"{holder.at}/{name}/policies", done="policy-detached")


async def _choose(holder: Holder, visit: Visit, name: str) -> Response:
    return await _choice(holder, visit, name)


async def _choice(holder: Holder, visit: Visit, name: str, refused: Refused | None = None) -> Response:
    """The policies that there are, to attach one."""
    there = {(one["PolicyType"], one["PolicyName"]) for one in await _attached(holder, visit, name)}
    kind = visit.field("type") if visit.field("type") in tuple(PolicyType) else PolicyType.SYSTEM.value
    marker = visit.field("marker").strip()[:128]
    asked = {"PolicyType": kind, "Marker": marker, "MaxItems": _ROWS}
    found = await visit.call("ListPolicies", asked, product=RAM)
    policies = found["Policies"]["Policy"]
    attach, arn = f"ram:{holder.attaches}", ram_arn(visit.account, holder.kind, name)
    arns = [ram_arn(visit.account, "policy", one["PolicyName"]) for one in policies]
    await visit.look_up_rights([(attach, one) for one in (arn, *arns)])
    form = BARE._replace(refused=refused)
    return visit.render(
        "access/attach.html",
        form.status,
        holder=holder,
        name=name,
        form=form,
        type=kind,
        marker=marker,
        more=found.get("Marker", ""),
        rows=[
            (
                one,
                (one["PolicyType"], one["PolicyName"]) in there,
                visit.may(attach, arn) and visit.may(attach, of),
            )
            for one, of in zip(policies, arns, strict=True)
        ],
    )


async def _attach(holder: Holder, visit: Visit, name: str) -> Response:
    refused = await act(visit, holder.attaches, _named(holder, visit, name), product=RAM)
    if refused is not None:
        return await _choice(holder, visit, name, refused)
    return visit.redirect(f"{holder.at}/{name}/policies", done="policy-attached")


def _named(holder: Holder, visit: Visit, name: str) -> dict[str, str]:
    return {
        holder.names: name,
        "PolicyType": visit.field("PolicyType"),
        "PolicyName": visit.field("PolicyName"),
    }


def _declare(holder: Holder) -> None:
    def of(
        handler: Callable[[Holder, Visit, str], Awaitable[Response]],
    ) -> Callable[..., Awaitable[Response]]:
        return partial(handler, holder)

    pages.get(f"{holder.at}/{{name}}/policies")(of(_show))
    pages.post(f"{holder.at}/{{name}}/policies/detach")(of(_detach))
    pages.get(f"{holder.at}/{{name}}/policies/attach")(of(_choose))
    pages.post(f"{holder.at}/{{name}}/policies/attach")(of(_attach))


for _holder in HOLDERS:
    _declare(_holder)
