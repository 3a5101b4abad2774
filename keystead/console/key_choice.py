"""Which keys a form offers: those that are enabled, good for what it does, and allowed to who sees it."""

from typing import NamedTuple

from keystead.console import trials
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.algorithms import Use

_MOST = 50


class KeyChoice(NamedTuple):
    """Keys to choose from. One that may not be used is not among them."""

    keys: tuple[tuple[str, str], ...]  # what names the key in a call, and the words that it is found by
    chosen: str
    allowed: bool  # whether the call is allowed, for any key or for one of these
    listed: bool  # whether keys could be listed
    needs: str  # the permission


async def offered(visit: Visit, use: Use, action: str, chosen: str) -> KeyChoice:
    """At most 50 keys that are good for a use, those with an alias first.

    `chosen` is asked for by its id, alias or ARN: it is offered whatever it is, if the call is allowed for it."""
    listed = await _list(visit, use)
    names = await _aliases(visit) if listed or chosen.startswith("alias/") else {}
    arns = {key_id: visit.key_arn(key_id) for key_id in listed or ()}
    asked = await _arn(visit, chosen, names) if chosen else ""
    if asked and asked not in arns.values():
        arns[chosen] = asked
    any_key = visit.key_arn("*")
    await visit.look_up_rights((action, arn) for arn in (any_key, *arns.values()))
    allowed = {key: arn for key, arn in arns.items() if visit.may(action, arn)}
    keys = {names.get(key, key): f"{names[key]} · {key}" if key in names else key for key in allowed}
    ranked = sorted(keys.items(), key=lambda pair: not pair[0].startswith("alias/"))
    taken = [names.get(key, key) for key, arn in allowed.items() if arn == asked]
    first = ranked[0][0] if ranked else ""
    return KeyChoice(
        tuple(ranked),
        taken[0] if taken else chosen or first,
        visit.may(action, any_key) or bool(allowed),
        listed is not None,
        action,
    )


async def _list(visit: Visit, use: Use) -> list[str] | None:
    try:
        found = await visit.call("ListKeys", Filters=trials.filters(use), PageSize=str(_MOST))
    except Refused as refused:
        if refused.status != 403:
            raise
        return None
    return [key["KeyId"] for key in found["Keys"]["Key"]]


async def _aliases(visit: Visit) -> dict[str, str]:
    """An alias of each key, of the first hundred aliases; none to who may not list them."""
    try:
        found = await visit.call("ListAliases", PageSize="100")
    except Refused as refused:
        if refused.status != 403:
            raise
        return {}
    return {one["KeyId"]: one["AliasName"] for one in reversed(found["Aliases"]["Alias"])}


async def _arn(visit: Visit, chosen: str, names: dict[str, str]) -> str:
    """The ARN of the key that was asked for; "" if it can't be found."""
    if chosen.startswith("acs:"):
        return chosen
    if not chosen.startswith("alias/"):
        return visit.key_arn(chosen) if chosen.isascii() and chosen.replace("-", "").isalnum() else ""
    for key_id, name in names.items():
        if name == chosen:
            return visit.key_arn(key_id)
    try:
        return str((await visit.call("DescribeKey", KeyId=chosen))["KeyMetadata"]["Arn"])
    except Refused:
        return ""
