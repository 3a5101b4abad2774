"""API explorer: every operation with a form of its own, the call as a command and a program, and the answer as it is."""

import re
from typing import Any

from starlette.responses import Response

from keystead.api.catalogue import Operation
from keystead.console import explored
from keystead.console.routing import Pages
from keystead.console.same_call import as_command, as_program
from keystead.console.service import Refused
from keystead.console.visit import Visit

pages = Pages()
_DRY_RUN = "DryRunOperationError"
_PARAMETER = re.compile(r'parameter "([A-Za-z]+)')


@pages.get("/explorer")
async def index(visit: Visit) -> Response:
    text = visit.field("q")
    return visit.render(
        "explorer.html", families=explored.families(text), products=explored.PRODUCTS, text=text
    )


@pages.get("/explorer/{product}/{action}")
async def show(visit: Visit, product: str, action: str) -> Response:
    operation = explored.find(product, action)
    if operation is None:
        return visit.render("not_found.html", 404)
    return await _show(visit, operation)


@pages.post("/explorer/{product}/{action}")
async def call(visit: Visit, product: str, action: str) -> Response:
    operation = explored.find(product, action)
    if operation is None:
        return visit.render("not_found.html", 404)
    given = explored.parameters(operation, visit)
    dry = visit.field("do") == "dry"
    try:
        if operation.confirmed and not dry:
            await visit.confirm()
        reply = await visit.call(
            action, {**given, **({"DryRun": "true"} if dry else {})}, product=operation.product
        )
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        if refused.code == _DRY_RUN:
            return await _show(visit, operation, would=True)
        return await _show(visit, operation, refused.status, refused=refused)
    return await _show(visit, operation, reply=reply)


async def _show(
    visit: Visit,
    operation: Operation,
    status: int = 200,
    *,
    refused: Refused | None = None,
    reply: dict[str, Any] | None = None,
    would: bool = False,
) -> Response:
    on = visit.field("on").strip()
    needs = explored.needs(operation, visit, on)
    await visit.look_up_rights(needs)
    missing = [pair for pair in needs if not visit.may(*pair)]
    given = explored.shown(operation, explored.parameters(operation, visit))
    named = _PARAMETER.search(refused.message) if refused else None
    return visit.render(
        "operation.html",
        status,
        operation=operation,
        product=operation.product.name.lower(),
        inputs=explored.inputs(operation, visit, answered=reply is not None),
        needs=needs,
        # How a person signs in is theirs, unless it is somebody else's.
        missing=[] if operation.own else missing,
        on=on,
        wrong=named[1] if named else "",
        refused=refused,
        reply=explored.answer(reply, hidden=True) if reply is not None else "",
        whole=explored.answer(reply, hidden=False)
        if reply is not None and explored.has_secrets(reply)
        else "",
        would=would,
        command=as_command(operation.product, operation.action, given),
        program=as_program(operation.product, operation.action, given, visit.region),
    )
