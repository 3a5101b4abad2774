"""A new key: one page that explains what there is to choose, and takes only what goes together."""

import json
from itertools import zip_longest
from typing import Any, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from keystead.access.documents import Malformed, key_document
from keystead.api.coerce import DESCRIPTION_CHARACTERS
from keystead.console.locales import marked as N_
from keystead.console.pages.key_facts import ALIAS_LIMITS, full_name, tag_errors, too_long
from keystead.console.pages.key_frame import Given, Offer, arn_of_alias, container
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain import policies
from keystead.domain.keys import aliases, rotation, tags
from keystead.domain.keys.algorithms import SYMMETRIC, USAGES, Use, good
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin

pages = Pages()
_TAG_ROWS = 3  # that the form has without scripts
DAYS = (rotation.SHORTEST // rotation.DAY, rotation.LONGEST // rotation.DAY)

USAGE_TEXTS = {
    KeyUsage.ENCRYPT_DECRYPT: N_(
        "Encrypt and decrypt: for passwords, private keys of TLS, data keys. If in doubt, this one."
    ),
    KeyUsage.SIGN_VERIFY: N_(
        "Sign and verify: the private key signs here, and anybody who has the public key can check it."
    ),
    KeyUsage.GENERATE_VERIFY_MAC: N_(
        "Message authentication codes: they are made and checked here, and show that a message was not changed."
    ),
}
SPEC_TEXTS = {
    KeySpec.AES_256: N_(
        "AES with 256 bits: one secret key for both directions, right for nearly everything."
    ),
    KeySpec.AES_192: N_("AES with 192 bits, where something else demands it."),
    KeySpec.AES_128: N_("AES with 128 bits, where something else demands it."),
    KeySpec.SM4: N_("SM4 with 128 bits, where the rules of China's commercial cryptography apply."),
    KeySpec.RSA_2048: N_("RSA with 2,048 bits: understood everywhere."),
    KeySpec.RSA_3072: N_("RSA with 3,072 bits: stronger and slower."),
    KeySpec.RSA_4096: N_("RSA with 4,096 bits: strongest and slowest of these."),
    KeySpec.EC_P256: N_("ECDSA on the curve P-256: short signatures, quickly made. If in doubt, this one."),
    KeySpec.EC_P256K: N_("ECDSA on the curve secp256k1, which blockchains use."),
    KeySpec.EC_SM2: N_("SM2, where the rules of China's commercial cryptography apply."),
    KeySpec.HMAC_SHA_224: N_("HMAC with SHA-224: codes of 28 bytes."),
    KeySpec.HMAC_SHA_256: N_("HMAC with SHA-256: codes of 32 bytes. If in doubt, this one."),
    KeySpec.HMAC_SHA_384: N_("HMAC with SHA-384: codes of 48 bytes."),
    KeySpec.HMAC_SHA_512: N_("HMAC with SHA-512: codes of 64 bytes."),
    KeySpec.HMAC_SM3: N_(
        "HMAC with SM3: codes of 32 bytes, for the rules of China's commercial cryptography."
    ),
}
# The name of the field that chooses the spec, for each usage: so each has a choice of its own that is right for it.
_SPEC_FIELDS = {
    KeyUsage.ENCRYPT_DECRYPT: "spec_encrypt",
    KeyUsage.SIGN_VERIFY: "spec_sign",
    KeyUsage.GENERATE_VERIFY_MAC: "spec_mac",
}
_FIRST = {
    KeyUsage.ENCRYPT_DECRYPT: KeySpec.AES_256,
    KeyUsage.SIGN_VERIFY: KeySpec.EC_P256,
    KeyUsage.GENERATE_VERIFY_MAC: KeySpec.HMAC_SHA_256,
}


class Wanted(NamedTuple):
    """A key as the form describes it, with what is wrong with that, by field."""

    parameters: dict[str, str]  # of CreateKey
    alias: str
    protected: bool
    errors: dict[str, Markup]


@pages.get("/keys/create")
async def ask(visit: Visit) -> Response:
    return await _form(visit)


async def _form(
    visit: Visit, errors: dict[str, Markup] | None = None, problem: Refused | None = None
) -> Response:
    create, alias, protect = "kms:CreateKey", "kms:CreateAlias", "kms:SetDeletionProtection"
    everything, some_key = container(visit, "key"), visit.key_arn("*")
    await visit.look_up_rights([(create, everything), (alias, some_key), (protect, some_key)])
    typed = Given(visit.fields())
    typed.setdefault("usage", KeyUsage.ENCRYPT_DECRYPT)
    for usage, name in _SPEC_FIELDS.items():
        typed.setdefault(name, _FIRST[usage])
    typed.setdefault("origin", Origin.ALIYUN_KMS)
    pairs = list(zip_longest(visit.several("tag_key"), visit.several("tag_value"), fillvalue=""))
    status = problem.status if problem is not None else 400 if errors else 200
    return visit.render(
        "keys/create.html",
        status,
        errors=Given(errors or {}),
        problem=problem,
        typed=typed,
        tag_rows=(pairs + [("", "")] * _TAG_ROWS)[: max(_TAG_ROWS, len(pairs))],
        usages=[(usage, USAGE_TEXTS[usage]) for usage in KeyUsage],
        specs=[(name, usage, _specs_for(usage)) for usage, name in _SPEC_FIELDS.items()],
        days=DAYS,
        longest=DESCRIPTION_CHARACTERS,
        create=Offer(visit.may(create, everything), create),
        alias_offer=Offer(visit.may(alias, some_key), alias),
        protect_offer=Offer(visit.may(protect, some_key), protect),
        policy_now=policies.of_everybody(visit.account),
        most_tags=tags.MAXIMUM,
    )


def _specs_for(usage: KeyUsage) -> list[tuple[KeySpec, str]]:
    return [(spec, SPEC_TEXTS[spec]) for spec in KeySpec if usage in USAGES[spec]]


@pages.post("/keys/create")
async def create(visit: Visit) -> Response:
    wanted = _wanted(visit)
    if not wanted.errors and wanted.alias:
        wanted.errors.update(await _alias_errors(visit, wanted.alias))
    if wanted.errors:
        return await _form(visit, wanted.errors)
    try:
        told = (await visit.call("CreateKey", wanted.parameters))["KeyMetadata"]
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        return await _form(visit, problem=refused)
    return await _finish(visit, told, wanted)


async def _finish(visit: Visit, told: dict[str, Any], wanted: Wanted) -> Response:
    """What a key has beside what CreateKey takes. If that is refused, the key is there all the same; the page says so."""
    key_id, missing = told["KeyId"], []
    steps = [
        ("CreateAlias", {"AliasName": wanted.alias}, bool(wanted.alias)),
        ("SetDeletionProtection", {"EnableDeletionProtection": "true"}, wanted.protected),
    ]
    for action, parameters, asked in steps:
        if asked:
            try:
                await visit.call(action, {"KeyId": key_id, **parameters})
            except Refused as refused:
                missing.append(refused)
    if missing:
        return visit.render(
            "keys/created_partly.html", 200, key_id=key_id, missing=missing, alias=wanted.alias
        )
    if told["Origin"] == Origin.EXTERNAL:
        return visit.redirect(f"/keys/{key_id}/import", "key-waits")
    return visit.redirect(f"/keys/{key_id}", "key-created")


async def _alias_errors(visit: Visit, name: str) -> dict[str, Markup]:
    """What stands against an alias, asked before there is a key that would then be without it."""
    permission, arn = "kms:CreateAlias", arn_of_alias(visit, name)
    await visit.look_up_rights([(permission, arn)])
    if not visit.may(permission, arn):
        needed = f"{permission} ({arn})"
        return {"alias": visit._("Needs the permission %(permission)s.", permission=needed)}
    try:
        await visit.call("DescribeKey", {"KeyId": name})
    except Refused:
        return {}  # there is none, or it is not to be seen: CreateAlias decides
    return {"alias": visit._("There is such an alias already. Move it later, or choose another name.")}


def _wanted(visit: Visit) -> Wanted:
    errors: dict[str, Markup] = {}
    parameters: dict[str, str] = {}
    _kind(visit, parameters, errors)
    _rotation(visit, parameters, errors)
    _texts(visit, parameters, errors)
    alias = full_name(visit.field("alias"))
    if alias and not aliases.valid_name(alias):
        errors["alias"] = visit._(ALIAS_LIMITS)
    return Wanted(parameters, alias, visit.field("protected") == "true", errors)


def _kind(visit: Visit, parameters: dict[str, str], errors: dict[str, Markup]) -> None:
    """Usage, spec and origin."""
    _ = visit._
    usage = visit.field("usage")
    if usage not in tuple(KeyUsage):
        errors["usage"] = _("Choose what the key is for.")
        return
    field = _SPEC_FIELDS[KeyUsage(usage)]
    spec = visit.field(field)
    if spec not in USAGES or usage not in USAGES[KeySpec(spec)]:
        errors[field] = _("Choose one of these.")
        return
    origin = visit.field("origin", Origin.ALIYUN_KMS)
    if origin not in tuple(Origin):
        errors["origin"] = _("Choose one of these.")
    elif origin == Origin.EXTERNAL and spec not in SYMMETRIC:
        errors["origin"] = _(
            "Only the material of a symmetric key can be imported, and %(spec)s is none. Let the server make it, or choose "
            "another spec.",
            spec=spec,
        )
    parameters |= {"KeyUsage": usage, "KeySpec": spec, "Origin": origin}
    parameters["ProtectionLevel"] = visit.field("level")  # there is one, and the service refuses all others


def _rotation(visit: Visit, parameters: dict[str, str], errors: dict[str, Markup]) -> None:
    _ = visit._
    if visit.field("rotate") != "true" or "Origin" not in parameters or errors:
        return
    spec, usage = KeySpec(parameters["KeySpec"]), KeyUsage(parameters["KeyUsage"])
    if not good(Use.AUTOMATIC_ROTATION, spec, usage, Origin(parameters["Origin"])):
        errors["rotate"] = _(
            "Only a symmetric key whose material the server makes rotates by itself. Leave this off, or choose another key."
        )
    elif (interval := interval_of(visit.field("days"))) is None:
        errors["days"] = days_limits(visit)
    else:
        parameters |= {"EnableAutomaticRotation": "true", "RotationInterval": interval}


def interval_of(text: str) -> str | None:
    """The interval of so many days, as the service takes it; None if that is no number of days that it takes."""
    text = text.strip()
    digits = text.isascii() and text.isdigit() and len(text) <= 9
    return f"{int(text)}d" if digits and DAYS[0] <= int(text) <= DAYS[1] else None


def days_limits(visit: Visit) -> Markup:
    """What is said beside a field of days that was filled in wrong."""
    shortest, longest = (visit._.number(days) for days in DAYS)
    return visit._("A whole number from %(shortest)s to %(longest)s.", shortest=shortest, longest=longest)


def _texts(visit: Visit, parameters: dict[str, str], errors: dict[str, Markup]) -> None:
    """Description, tags and policy."""
    description = visit.field("description").replace("\r\n", "\n")
    if len(description) > DESCRIPTION_CHARACTERS:
        errors["description"] = too_long(visit, description, DESCRIPTION_CHARACTERS)
    parameters["Description"] = description
    found: dict[str, str] = {}
    rows = zip_longest(visit.several("tag_key"), visit.several("tag_value"), fillvalue="")
    for name, value in ((name.strip(), value.strip()) for name, value in rows):
        if not name and not value:
            continue
        if wrong := tag_errors(visit, name, value):
            errors["tags"] = next(iter(wrong.values()))
        if name in found:
            errors["tags"] = visit._("The tag key %(name)s stands here twice.", name=name)
        found[name] = value
    if len(found) > tags.MAXIMUM:
        errors["tags"] = visit._("A key has at most %(number)s tags.", number=tags.MAXIMUM)
    if found:
        parameters["Tags"] = json.dumps([{"TagKey": key, "TagValue": value} for key, value in found.items()])
    policy = visit.field("policy").strip()
    if policy:
        try:
            key_document(policy)
        except Malformed as error:
            errors["policy"] = Markup.escape(str(error))
        parameters["Policy"] = policy
