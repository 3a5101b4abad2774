"""The guided tour: online encryption from a first key to a service that decrypts when it starts, on real data."""

import base64
import json
from typing import Any, NamedTuple

from starlette.responses import Response

from keystead.api.coerce import PLAINTEXT_BYTES
from keystead.console import trials
from keystead.console.locales import marked as N_
from keystead.console.pages.key_facts import ALIAS_LIMITS, full_name
from keystead.console.routing import Pages
from keystead.console.same_call import Given, as_command, as_program
from keystead.console.service import Refused
from keystead.console.trials import Wrong
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.keys import aliases
from keystead.domain.products import CONSOLE, KEYSTEAD, KMS, RAM

pages = Pages()
ALIAS = "alias/Apollo/WorkKey"  # the guide's own
_USER = "apollo-web"
_NEEDED = ("CreateUser", "CreatePolicy", "AttachPolicyToUser", "CreateAccessKey")

TITLES = {
    "key": N_("Create a customer master key (CMK)"),
    "alias": N_("Give it an alias"),
    "encrypt": N_("Encrypt the certificate's private key"),
    "user": N_("Let a RAM user decrypt, and nothing else"),
    "deploy": N_("Deploy the ciphertext on the server"),
    "decrypt": N_("Decrypt when the server starts"),
}


class Ground(NamedTuple):
    """Where the tour stands, as the service says."""

    alias: str  # that the tour is about
    key: dict[str, Any] | None  # the metadata of its key
    named: bool  # whether the alias is there
    users: tuple[str, ...]  # who may decrypt with the key, and nothing else
    policy: str  # that lets them
    used: dict[str, str]  # when the key was last used, by operation

    @property
    def name(self) -> str:
        """What the key is called by."""
        if self.key is None:
            return self.alias
        return self.alias if self.named else str(self.key["KeyId"])

    @property
    def usable(self) -> bool:
        return self.key is not None and self.key["KeyState"] == "Enabled"


@pages.get("/tour")
async def show(visit: Visit) -> Response:
    return await _show(visit)


@pages.get("/tour/{step}")
async def again(visit: Visit, step: str) -> Response:
    """The address that the answer of a step had, looked at again."""
    return visit.redirect(
        "/tour", **{name: visit.field(name) for name in ("alias", "key") if visit.field(name)}
    )


@pages.post("/tour/key")
async def create_key(visit: Visit) -> Response:
    try:
        made = await visit.call("CreateKey", Description=visit.field("description"))
    except Refused as refused:
        return await _show(visit, refused.status, at="key", refused=refused)
    return visit.redirect("/tour", done="key-created", **_kept(visit, key=made["KeyMetadata"]["KeyId"]))


@pages.post("/tour/alias")
async def create_alias(visit: Visit) -> Response:
    name = full_name(visit.field("alias"))
    if not aliases.valid_name(name):
        return await _show(visit, 400, at="alias", errors={"alias": visit._(ALIAS_LIMITS)})
    try:
        await visit.call("CreateAlias", AliasName=name, KeyId=visit.field("key"))
    except Refused as refused:
        return await _show(visit, refused.status, at="alias", refused=refused)
    return visit.redirect("/tour", done="alias-created", alias=name)


@pages.post("/tour/encrypt")
async def encrypt(visit: Visit) -> Response:
    try:
        raw = trials.content(visit.field("text"), await visit.file("file"))
        text, as_base64 = trials.plaintext(raw, "")
        reply = await visit.call("Encrypt", KeyId=visit.field("name"), Plaintext=text)
    except Wrong as wrong:
        errors = {wrong.field: visit._(wrong.text, **wrong.values)}
        return await _show(visit, 400, at="encrypt", errors=errors)
    except Refused as refused:
        return await _show(visit, refused.status, at="encrypt", refused=refused)
    source = visit.file_name("file") or "key.pem"
    return await _show(visit, at="encrypt", reply=reply, source=source, as_base64=as_base64)


@pages.post("/tour/user")
async def create_user(visit: Visit) -> Response:
    ground = await _look(visit)
    name = visit.field("user").strip()
    if ground.key is None:
        return await _show(visit, 409, at="user")
    try:
        await visit.confirm()
        if not visit.confirmed:  # asked for by the later calls only: nothing is to be half-made
            raise Refused("AttachPolicyToUser", 403, {"Code": "ConfirmationRequired"})
        await _policy(visit, ground)
        await visit.call("CreateUser", product=RAM, UserName=name)
        await visit.call(
            "AttachPolicyToUser", product=RAM, PolicyType="Custom", PolicyName=ground.policy, UserName=name
        )
        reply = await visit.call("CreateAccessKey", product=RAM, UserName=name)
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        return await _show(visit, refused.status, at="user", refused=refused)
    return await _show(visit, at="user", reply=reply)


@pages.post("/tour/decrypt")
async def decrypt(visit: Visit) -> Response:
    try:
        file = await visit.file("blob_file")
        blob = trials.encoded("blob_file" if file is not None else "blob", visit.field("blob"), file)
        reply = await visit.call("Decrypt", CiphertextBlob=blob)
    except Wrong as wrong:
        errors = {wrong.field: visit._(wrong.text, **wrong.values)}
        return await _show(visit, 400, at="decrypt", errors=errors)
    except Refused as refused:
        return await _show(visit, refused.status, at="decrypt", refused=refused)
    source = (visit.file_name("blob_file") or "key.pem").removesuffix(".cipher")
    return await _show(visit, at="decrypt", reply=reply, source=source)


def _kept(visit: Visit, **more: str) -> dict[str, str]:
    """What the address of the next step has to say."""
    alias = visit.field("alias")
    return {**({"alias": alias} if alias and alias != ALIAS else {}), **more}


async def _policy(visit: Visit, ground: Ground) -> None:
    """Have the policy that allows to decrypt with this key and nothing else; one of its name that says something else is
    refused."""
    assert ground.key is not None
    document = _document(ground.key["Arn"])
    try:
        await visit.call(
            "CreatePolicy",
            product=RAM,
            PolicyName=ground.policy,
            PolicyDocument=document,
            Description=visit.field("policy_description"),
        )
    except Refused as refused:
        if refused.code != "EntityAlreadyExists.Policy":
            raise
        found = await visit.call("GetPolicy", product=RAM, PolicyType="Custom", PolicyName=ground.policy)
        if json.loads(found["DefaultPolicyVersion"]["PolicyDocument"]) != json.loads(document):
            raise


def _document(arn: str) -> str:
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn}
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2)


async def _look(visit: Visit) -> Ground:
    """Where the tour stands: the key of its alias, else the key that the address names."""
    alias, asked = full_name(visit.field("alias")), visit.field("key")
    if not aliases.well_formed(alias):
        alias = ALIAS
    key = await _find(visit, alias)
    named = key is not None
    if key is None and asked:
        key = await _find(visit, asked)
    policy = f"decrypt-{key['KeyId']}" if key is not None else ""
    if key is None:
        return Ground(alias, None, False, (), "", {})
    return Ground(alias, key, named, await _users(visit, policy), policy, await _used(visit, key["KeyId"]))


async def _find(visit: Visit, name: str) -> dict[str, Any] | None:
    """The key of this id or alias; looked for among all, so that looking leaves no refusal in the trail."""
    try:
        found = await visit.call("SearchKeys", product=CONSOLE, Name=name)
    except Refused as refused:
        if refused.status != 403:
            _not_there(refused)
            return None
    else:
        keys: list[dict[str, Any]] = found["Keys"]["Key"]
        return keys[0] if keys else None
    try:
        described: dict[str, Any] = (await visit.call("DescribeKey", KeyId=name))["KeyMetadata"]
    except Refused as refused:
        _not_there(refused)
        return None
    return described


def _not_there(refused: Refused) -> None:
    """Return for what is not there, or not for this person to see."""
    if refused.status >= 500:
        raise refused


async def _used(visit: Visit, key_id: str) -> dict[str, str]:
    """When the key was last used with success, by operation."""
    found = await visit.call("UsageOfKey", product=KEYSTEAD, KeyId=key_id)
    uses = [one for one in found["Uses"]["Use"] if one["Count"] > one["Refused"]]
    return {one["Action"]: one["LastDate"] for one in sorted(uses, key=lambda one: str(one["LastDate"]))}


async def _users(visit: Visit, policy: str) -> tuple[str, ...]:
    """Who has the policy; nobody if it is not there, or if this is not for the person to know."""
    try:
        listed = await visit.call("ListPolicies", product=RAM, PolicyType="Custom", MaxItems="1000")
        if policy not in [one["PolicyName"] for one in listed["Policies"]["Policy"]]:
            return ()
        found = await visit.call("ListEntitiesForPolicy", product=RAM, PolicyType="Custom", PolicyName=policy)
    except Refused as refused:
        _not_there(refused)
        return ()
    return tuple(one["UserName"] for one in found["Users"]["User"])


async def _show(
    visit: Visit,
    status: int = 200,
    *,
    at: str = "",
    refused: Refused | None = None,
    errors: dict[str, Any] | None = None,
    reply: dict[str, Any] | None = None,
    source: str = "key.pem",
    as_base64: bool = False,
) -> Response:
    """The page; `at` is the step that something was done or refused at, `reply` what the service gave for it."""
    ground = await _look(visit)
    key_arn = visit.key_arn(ground.key["KeyId"] if ground.key else "*")
    needs = {
        "key": [("kms:CreateKey", visit.key_arn("").rstrip("/"))],
        "alias": [
            ("kms:CreateAlias", key_arn),
            ("kms:CreateAlias", key_arn.rpartition(":")[0] + f":{ground.alias}"),
        ],
        "encrypt": [("kms:Encrypt", key_arn)],
        "user": [
            (f"ram:{_NEEDED[0]}", ram_arn(visit.account, "user", _USER)),
            (f"ram:{_NEEDED[1]}", ram_arn(visit.account, "policy", ground.policy or "*")),
            (f"ram:{_NEEDED[2]}", ram_arn(visit.account, "user", _USER)),
            (f"ram:{_NEEDED[2]}", ram_arn(visit.account, "policy", ground.policy or "*")),
            (f"ram:{_NEEDED[3]}", ram_arn(visit.account, "user", _USER)),
        ],
        "decrypt": [("kms:Decrypt", key_arn)],
    }
    await visit.look_up_rights(pair for pairs in needs.values() for pair in pairs)
    missing = {
        step: next((action for action, arn in pairs if not visit.may(action, arn)), "")
        for step, pairs in needs.items()
    }
    reply = reply or {}
    cipher = f"{source}.cipher"
    plaintext = str(reply.get("Plaintext", ""))
    blob = str(reply.get("CiphertextBlob", ""))
    access_key = reply.get("AccessKey")
    given = [Given("CiphertextBlob", file="key.pem.cipher", read="line")]
    return visit.render(
        "tour.html",
        status,
        titles=TITLES,
        ground=ground,
        alias=visit.field("alias") if at == "alias" and (errors or refused) else ground.alias,
        now=_now(ground, at),
        at=at,
        missing=missing,
        refused=refused,
        errors=errors or {},
        reply=reply,
        most=PLAINTEXT_BYTES,
        source=source,
        cipher=cipher,
        as_base64=as_base64,
        blob=blob,
        blob_encoded=base64.b64encode(blob.encode()).decode(),
        plaintext=plaintext,
        plaintext_encoded=base64.b64encode(plaintext.encode()).decode(),
        access_key=access_key,
        access_key_encoded=base64.b64encode(
            json.dumps({"AccessKey": access_key}, indent=2).encode()
        ).decode(),
        document=_document(key_arn) if ground.key else "",
        user=visit.field("user") or _USER,
        commands={
            "key": as_command(KMS, "CreateKey", []),
            "alias": as_command(
                KMS,
                "CreateAlias",
                [
                    Given("AliasName", ground.alias),
                    Given("KeyId", ground.key["KeyId"] if ground.key else "KEY_ID"),
                ],
            ),
            "encrypt": f"keystead file encrypt --key {ground.name} key.pem",
            "decrypt": as_command(KMS, "Decrypt", given),
        },
        program=as_program(KMS, "Decrypt", given, visit.region),
        host=visit.request.headers.get("host", ""),
    )


def _now(ground: Ground, at: str) -> str:
    """The step that comes next; "" if all are done."""
    if at:
        return at
    steps = {
        "key": ground.key is not None,
        "alias": ground.named,
        "encrypt": "Encrypt" in ground.used,
        "user": bool(ground.users),
        "decrypt": "Decrypt" in ground.used,
    }
    return next((step for step, done in steps.items() if not done), "")
