"""One key: its policy, with what is wrong with it while it is typed, and who can use the key."""

import json
from typing import Any, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from keystead.access.documents import Malformed, Statement, key_document
from keystead.api import questions
from keystead.api.key_policies import refuse_lockout
from keystead.console.pages.key_frame import ShownKey, about_key, ask, proof_wanted, show
from keystead.console.pages.policy_places import line_of
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain import policies
from keystead.domain.products import CONSOLE
from keystead.errors import KeyPolicyMalformed

pages = Pages()
_USERS = 50


class Verdict(NamedTuple):
    """What is to be said of a policy before it is saved."""

    problem: str = ""
    line: int = 0  # of the text, from 1; 0: it has no place of its own
    text: str = ""  # that line
    statements: tuple[Statement, ...] = ()
    idle: tuple[str, ...] = ()  # actions that no operation here has


def judge(account: str, text: str) -> Verdict:
    """What is wrong with this text as the policy of a key of this account, or what it says."""
    try:
        statements = key_document(text)
    except Malformed as error:
        line = line_of(text, str(error))
        return Verdict(str(error), line, text.splitlines()[line - 1][:200] if line else "")
    try:
        refuse_lockout(account, text)
    except KeyPolicyMalformed as error:
        reason = str(error.values["reason"])
        line = line_of(text, reason)
        return Verdict(reason, line, text.splitlines()[line - 1][:200] if line else "", statements)
    return Verdict(statements=statements, idle=questions.idle(statements))


@pages.get("/keys/{key_id}/policy")
@about_key
async def policy(visit: Visit, key: ShownKey) -> Response:
    return await _show(visit, key)


async def _show(
    visit: Visit,
    key: ShownKey,
    problem: Refused | None = None,
    errors: dict[str, Markup] | None = None,
    text: str | None = None,
) -> Response:
    """The page; with `text` in the editor, after it was looked at or refused."""
    told, unseen = await ask(visit, "GetKeyPolicy", KeyId=key.id)
    users, no_users = await _users(visit, key) if unseen is None else (None, None)
    await key.look_up("SetKeyPolicy")
    kept = told["Policy"] if told else ""
    shown = text if text is not None else pretty(kept) if kept else ""
    verdict = judge(visit.account, shown) if shown else Verdict()
    refused = problem is not None or bool(errors)
    return show(
        visit,
        key,
        "policy",
        problem.status if problem is not None else 400 if refused else 200,
        problem=problem,
        errors=errors or {},
        unseen=unseen,
        text=shown,
        verdict=verdict,
        said=judge(visit.account, kept).statements if kept else (),
        is_default=bool(kept) and _same(kept, policies.of_everybody(visit.account)),
        users=users["Users"]["User"] if users else [],
        next_users=users.get("Marker", "") if users else "",
        no_users=no_users,
    )


async def _users(visit: Visit, key: ShownKey) -> tuple[dict[str, Any] | None, Refused | None]:
    """What the account's users may do with the key; the refusal if they are not to be seen."""
    marker = visit.request.query_params.get("users", "")[:128]
    try:
        asked = {"KeyId": key.id, "Marker": marker, "MaxItems": str(_USERS)}
        return await visit.call("ListKeyUsers", asked, product=CONSOLE), None
    except Refused as refused:
        if refused.status != 403:
            raise
        return None, refused


def pretty(text: str) -> str:
    """A policy as it is read and written best."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


@pages.post("/keys/{key_id}/policy/check")
@about_key
async def check(visit: Visit, key: ShownKey) -> Response:
    """What is wrong with what is being typed: a part of the page."""
    return visit.render("keys/verdict.html", verdict=judge(visit.account, _typed(visit)))


def _typed(visit: Visit) -> str:
    return visit.field("policy").replace("\r\n", "\n").strip()


@pages.post("/keys/{key_id}/policy")
@about_key
async def save(visit: Visit, key: ShownKey) -> Response:
    text = _typed(visit)
    if visit.field("do") == "check":
        return await _show(visit, key, text=text)
    if visit.field("do") == "default":
        text = policies.of_everybody(visit.account)
    if not text:
        empty = visit._("A policy has at least one statement. To have none of its own, put the default back.")
        return await _show(visit, key, errors={"policy": empty}, text="")
    if (verdict := judge(visit.account, text)).problem:
        return await _show(visit, key, errors={"policy": Markup.escape(verdict.problem)}, text=text)
    try:
        await visit.confirm()
        await visit.call("SetKeyPolicy", {"KeyId": key.id, "Policy": text})
    except Refused as refused:
        if wanted := proof_wanted(visit, refused):
            return await _show(visit, key, errors={"confirm": wanted}, text=text)
        return await _show(visit, key, refused, text=text)
    return visit.redirect(f"{key.path}/policy", "saved")
