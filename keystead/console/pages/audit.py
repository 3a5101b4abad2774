"""Audit trail: who did what when, one event whole, the proof that nothing was changed, and files to take away."""

import json
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.catalogue import CATALOGUE
from keystead.console import trail
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.trail import BadFilter
from keystead.console.visit import Visit
from keystead.domain.audit import REVEALING
from keystead.domain.products import CONSOLE

pages = Pages()
_PAGE = 50
EXPORTED = 5000  # records in one file at most
_STEPS = 4  # of the verification, for one press of the button


@pages.get("/audit")
async def show(visit: Visit) -> Response:
    errors: dict[str, Any] = {}
    records: list[trail.Record] = []
    more = ""
    refused = None
    try:
        wanted = await trail.filters(visit)
        records, more = await trail.look_up(visit, wanted, visit.field("before"), _PAGE)
    except BadFilter as bad:
        errors[bad.field] = visit._(bad.text)
    except Refused as error:
        if error.status in (401, 403) or error.status >= 500:
            raise
        refused = error
    given = {name: visit.field(name) for name in trail.FILTERS if visit.field(name)}
    return visit.render(
        "audit/list.html",
        400 if errors or refused else 200,
        records=records,
        caller=trail.caller,
        links=trail.links,
        given=given,
        revealing=sorted(REVEALING),
        actions=sorted({operation.action for operation in CATALOGUE}),
        errors=errors,
        refused=refused,
        next=f"/console/audit?{urlencode({**given, 'before': more})}" if more else "",
        exported=EXPORTED,
    )


@pages.post("/audit/export")
async def export(visit: Visit) -> Response:
    try:
        wanted = await trail.filters(visit)
    except BadFilter:
        return visit.redirect(
            "/audit", **{name: visit.field(name) for name in trail.FILTERS if visit.field(name)}
        )
    records, more = await trail.look_up(visit, wanted, "", EXPORTED, EXPORTED // 20)
    name = f"audit-{'newest-' if more else ''}{len(records)}"
    if visit.field("form") == "csv":
        return visit.download(f"{name}.csv", trail.as_csv(records), "text/csv; charset=utf-8")
    return visit.download(f"{name}.jsonl", trail.as_lines(records), "application/x-ndjson")


@pages.get("/audit/verification")
async def ask(visit: Visit) -> Response:
    operation = CATALOGUE.find(CONSOLE.version, "VerifyRecords")
    assert operation is not None
    assert visit.session is not None
    needs = operation.action_on()
    arn = operation.container_in(visit.account, visit.region, visit.session.user)
    await visit.look_up_rights([(needs, arn)])
    return visit.render("audit/verification.html", found=None, may=visit.may(needs, arn), needs=needs)


@pages.post("/audit/verification")
async def verify(visit: Visit) -> Response:
    """Verify some of the chain, and say where it stands; the form goes on from there."""
    token = visit.field("token")
    found: dict[str, Any] = {}
    for _ in range(_STEPS):
        found = await visit.call("VerifyRecords", product=CONSOLE, NextToken=token)
        token = found["NextToken"]
        if not token:
            break
    return visit.render("audit/verification.html", found=found, may=True, needs="")


@pages.get("/audit/{chain}/{sequence}")
async def event(visit: Visit, chain: str, sequence: str) -> Response:
    try:
        found = await visit.call("GetRecord", product=CONSOLE, Chain=chain, Sequence=sequence)
    except Refused as refused:
        if refused.status in (400, 404):
            return visit.render("not_found.html", 404)
        raise
    record = found["Record"]
    operation = next((one for one in CATALOGUE if one.action == record["Action"]), None)
    return visit.render(
        "audit/event.html",
        record=record,
        found=found,
        caller=trail.caller(record),
        links=trail.links(record, visit),
        parameters=_pretty(record["Parameters"]),
        summary=operation.summary if operation else "",
        whole=json.dumps(record, indent=2, ensure_ascii=False),
    )


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
