"""Permissions: what the person who has signed in may do, so that a page offers nothing else."""

import re
from functools import cache
from typing import Annotated, NamedTuple

from keystead.api.coerce import rows_up_to, rule
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE, Call, operation
from keystead.api.wire_types import Param, Reply, Request
from keystead.domain import arns
from keystead.domain.products import CONSOLE, KMS, PRODUCTS
from keystead.errors import InvalidParameter

NEEDS = 100  # in one call
_ACTION = re.compile(r"\A[A-Za-z0-9-]{1,64}:[A-Za-z0-9]{1,128}\Z")
_ARN = re.compile(r"\Aacs:[a-z0-9-]{1,64}:[a-z0-9-]{0,64}:(?P<owner>[0-9]{1,20}):[^\x00-\x20]{1,512}\Z")

_OPERATORS = tuple(f"{product.name.lower()}:" for product in PRODUCTS if product.for_operator_only)


class Asked(NamedTuple):
    """One thing that the caller may want to do."""

    action: str
    resource: str
    owner: str


@rule(f"1 to {NEEDS} actions, each on a resource by its ARN, as Need.1.Action and Need.1.Resource, …")
def _needs(name: str, text: str) -> tuple[Asked, ...]:
    return tuple(_asked(name, row) for row in rows_up_to(NEEDS, name, text))


def _asked(name: str, row: object) -> Asked:
    if not isinstance(row, dict) or row.keys() != {"Action", "Resource"}:
        raise InvalidParameter(name=name)
    arn = _ARN.match(row["Resource"])
    if arn is None or not _ACTION.match(row["Action"]):
        raise InvalidParameter(name=name)
    return Asked(row["Action"], row["Resource"], arn["owner"])


Needs = Annotated[tuple[Asked, ...], Param("Array", _needs)]


class CheckAccessRequest(Request, frozen=True):
    need: Needs


class Answers(Reply, frozen=True):
    allowed: list[bool]


class CheckAccessReply(Reply, frozen=True):
    allowed: Answers


@operation(product=CONSOLE, free=True, quiet=True)
def check_access(call: Call, request: CheckAccessRequest) -> CheckAccessReply:
    """Tell for each action and resource whether the caller may, where it may with some encryption context, too."""
    return CheckAccessReply(allowed=Answers(allowed=[_may(call, one) for one in request.need]))


def _may(call: Call, asked: Asked) -> bool:
    if asked.action == "keystead:DescribeServer":
        return call.owns_server
    if asked.action.lower().startswith(_OPERATORS) and asked.action not in _of_accounts():
        return False
    uses, key = asked.action in _uses(), None
    named = arns.parse(asked.resource)
    if named is not None and named.resource.startswith("key/"):
        keys, place = call.store.keys, (named.account, named.region, named.resource.removeprefix("key/"))
        # One of another account that is not shared with this one is not looked at: that would take longer than none.
        here = named.account == call.account or keys.shares(*place, call.account)
        found = keys.get(*place) if here else None
        key = None if found is None or found.gone(call.now) else found
    if asked.owner != call.account and (key is None or not uses):
        return False  # of another account only the use of a key may be had
    return call.may(Need(asked.action, asked.resource, asked.owner, key, uses))


@cache
def _of_accounts() -> frozenset[str]:
    """The actions of the operator's product that policies may give to others, too."""
    return frozenset(one.action_on() for one in CATALOGUE if one.of_accounts)


@cache
def _uses() -> frozenset[str]:
    """The actions that are the use of a key, not its management."""
    return frozenset(
        one.action_on(field.param.role) for one in CATALOGUE.of(KMS) if one.uses for field in one.roles
    )
