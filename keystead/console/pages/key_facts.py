"""One key: its facts, and what is changed of them: state, description, protection, aliases, tags."""

import json

from markupsafe import Markup
from starlette.responses import Response

from keystead.api.coerce import DESCRIPTION_CHARACTERS
from keystead.console.locales import marked as N_
from keystead.console.pages.key_frame import ShownKey, about_key, ask, find, not_found, show
from keystead.console.pages.key_usage import what_breaks
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys import aliases, tags

pages = Pages()
ALIAS_LIMITS = N_(
    "An alias is alias/ and then 1 to 255 letters, digits and characters of - _ /. It does not begin with alias/acs, "
    "which is for services."
)
TAG_KEY_LIMITS = N_(
    "The key of a tag has 1 to 128 letters, digits and characters of - _ . / \\ + = : @. It does not begin with aliyun "
    "or acs:."
)
TAG_VALUE_LIMITS = N_(
    "The value of a tag has at most 128 letters, digits and characters of - _ . / \\ + = : @."
)
_ACTIONS = (
    "EnableKey",
    "DisableKey",
    "UpdateKeyDescription",
    "SetDeletionProtection",
    "CreateAlias",
    "UpdateAlias",
    "TagResource",
    "UntagResource",
)


@pages.get("/keys/alias/{name:path}")
async def by_alias(visit: Visit, name: str) -> Response:
    """The page of the key that an alias stands for."""
    alias = f"{aliases.PREFIX}{name}"
    try:
        told = (await visit.call("DescribeKey", {"KeyId": alias}))["KeyMetadata"]
    except Refused as refused:
        if (missing := not_found(visit, refused, alias)) is None:
            raise
        return missing
    return visit.redirect(f"/keys/{told['KeyId']}")


@pages.get("/keys/{key_id}")
@about_key
async def facts(visit: Visit, key: ShownKey) -> Response:
    return await _facts(visit, key)


async def _facts(
    visit: Visit,
    key: ShownKey,
    problem: Refused | None = None,
    errors: dict[str, Markup] | None = None,
) -> Response:
    """The page; after a refusal with its reason, what was typed, and the key as it is now."""
    named, no_aliases = await ask(visit, "ListAliasesByKeyId", KeyId=key.id, PageSize="100")
    labelled, no_tags = await ask(visit, "ListResourceTags", KeyId=key.id)
    await key.look_up(*_ACTIONS)
    status = 200 if problem is None and not errors else problem.status if problem is not None else 400
    return show(
        visit,
        key,
        "facts",
        status,
        problem=problem,
        errors=errors or {},
        typed=visit.fields() if visit.request.method == "POST" else {},
        aliases=[one["AliasName"] for one in named["Aliases"]["Alias"]] if named else [],
        alias_count=named["TotalCount"] if named else 0,
        no_aliases=no_aliases,
        tags=[(one["TagKey"], one["TagValue"]) for one in labelled["Tags"]["Tag"]] if labelled else [],
        no_tags=no_tags,
        most_tags=tags.MAXIMUM,
        longest=DESCRIPTION_CHARACTERS,
    )


async def _change(visit: Visit, key: ShownKey, done: str, action: str, /, **parameters: str) -> Response:
    """Change something of the key, and say so on its page."""
    try:
        await visit.call(action, {"KeyId": key.id, **parameters})
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        # Why it was refused may be that somebody else has changed the key.
        return await _facts(visit, await find(visit, key.id), refused)
    return visit.redirect(key.path, done)


@pages.post("/keys/{key_id}/enable")
@about_key
async def enable(visit: Visit, key: ShownKey) -> Response:
    return await _change(visit, key, "key-enabled", "EnableKey")


@pages.get("/keys/{key_id}/disable")
@about_key
async def before_disabling(visit: Visit, key: ShownKey) -> Response:
    await key.look_up("DisableKey")
    breaks = await what_breaks(visit, key)
    return show(visit, key, "disable", breaks=breaks)


@pages.post("/keys/{key_id}/disable")
@about_key
async def disable(visit: Visit, key: ShownKey) -> Response:
    return await _change(visit, key, "key-disabled", "DisableKey")


@pages.post("/keys/{key_id}/description")
@about_key
async def describe(visit: Visit, key: ShownKey) -> Response:
    text = visit.field("description").replace("\r\n", "\n")
    if len(text) > DESCRIPTION_CHARACTERS:
        return await _facts(visit, key, errors={"description": too_long(visit, text, DESCRIPTION_CHARACTERS)})
    return await _change(visit, key, "saved", "UpdateKeyDescription", Description=text)


def too_long(visit: Visit, text: str, most: int) -> Markup:
    """What is said beside a field whose text is too long."""
    return visit._(
        "It has %(number)s characters, and %(most)s are the most.",
        number=visit._.number(len(text)),
        most=visit._.number(most),
    )


@pages.post("/keys/{key_id}/protection")
@about_key
async def protect(visit: Visit, key: ShownKey) -> Response:
    reason = visit.field("reason").strip()
    if len(reason) > DESCRIPTION_CHARACTERS:
        return await _facts(visit, key, errors={"reason": too_long(visit, reason, DESCRIPTION_CHARACTERS)})
    wanted = "true" if visit.field("protected") == "true" else "false"
    return await _change(
        visit,
        key,
        "saved",
        "SetDeletionProtection",
        EnableDeletionProtection=wanted,
        DeletionProtectionDescription=reason,
    )


@pages.post("/keys/{key_id}/aliases")
@about_key
async def add_alias(visit: Visit, key: ShownKey) -> Response:
    name = full_name(visit.field("alias"))
    if not aliases.valid_name(name):
        return await _facts(visit, key, errors={"alias": visit._(ALIAS_LIMITS)})
    return await _change(visit, key, "alias-created", "CreateAlias", AliasName=name)


def full_name(text: str) -> str:
    """An alias as it was typed, with its prefix."""
    text = text.strip()
    return text if not text or aliases.is_alias(text) else f"{aliases.PREFIX}{text}"


@pages.post("/keys/{key_id}/tags")
@about_key
async def add_tag(visit: Visit, key: ShownKey) -> Response:
    name, value = visit.field("tag_key").strip(), visit.field("tag_value").strip()
    if errors := tag_errors(visit, name, value):
        return await _facts(visit, key, errors={f"tag_{part}": text for part, text in errors.items()})
    rows = json.dumps([{"TagKey": name, "TagValue": value}])
    return await _change(visit, key, "saved", "TagResource", Tags=rows)


def tag_errors(visit: Visit, name: str, value: str) -> dict[str, Markup]:
    """What is wrong with a tag: by `key` and `value`."""
    _ = visit._
    found = {}
    if not tags.valid_key(name):
        found["key"] = _(TAG_KEY_LIMITS)
    if not tags.valid_value(value):
        found["value"] = _(TAG_VALUE_LIMITS)
    return found


@pages.post("/keys/{key_id}/tags/remove")
@about_key
async def remove_tag(visit: Visit, key: ShownKey) -> Response:
    return await _change(visit, key, "saved", "UntagResource", TagKeys=json.dumps([visit.field("tag_key")]))
