"""Which keys a form offers: those that are enabled, good for what it does, and allowed to who sees it."""

from typing import NamedTuple

from keystead.console import trials
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.algorithms import Use

_MOST = 50


class KeyChoice(NamedTuple):
    """Keys to choose from, each with the words that it is found by."""

    keys: tuple[tuple[str, str], ...]  # what names the key in a call, and its words
    chosen: str
    allowed: bool  # whether there may be a key for which the call is allowed
    unsure: bool  # whether that can't be told beforehand, since keys can't be listed, or there are more
    listed: bool  # whether keys could be listed
    needs: str  # the permission


async def offered(visit: Visit, use: Use, action: str, chosen: str) -> KeyChoice:
    """At most 50 keys that are good for a use; the chosen one first, and of a key its alias rather than its id."""
    try:
        listed = await visit.call("ListKeys", Filters=trials.filters(use), PageSize=str(_MOST))
    except Refused as refused:
        if refused.status != 403:
            raise
        listed = None
    any_key = visit.key_arn("*")
    if listed is None:
        await visit.look_up_rights([(action, any_key)])
        return KeyChoice((), chosen, True, not visit.may(action, any_key), False, action)
    ids = [key["KeyId"] for key in listed["Keys"]["Key"]]
    pairs = [(action, any_key), *((action, visit.key_arn(key_id)) for key_id in ids)]
    await visit.look_up_rights(pairs)
    names = await _aliases(visit) if ids else {}
    keys = [
        (names.get(key_id, key_id), f"{names[key_id]} · {key_id}" if key_id in names else key_id)
        for key_id in ids
        if visit.may(action, visit.key_arn(key_id))
    ]
    if chosen and chosen not in [name for name, _ in keys]:
        keys.insert(0, (chosen, chosen))
    more = listed["TotalCount"] > len(ids)
    allowed = visit.may(action, any_key) or bool(keys) or more
    return KeyChoice(
        tuple(keys),
        chosen or (keys[0][0] if keys else ""),
        allowed,
        not visit.may(action, any_key) and more and not keys,
        True,
        action,
    )


async def _aliases(visit: Visit) -> dict[str, str]:
    """An alias of each key, of the first hundred aliases; none to who may not list them."""
    try:
        found = await visit.call("ListAliases", PageSize="100")
    except Refused as refused:
        if refused.status != 403:
            raise
        return {}
    return {one["KeyId"]: one["AliasName"] for one in reversed(found["Aliases"]["Alias"])}
