"""A call whose caller is known, on its way through the pipeline, and what its record will say of it."""

from typing import NamedTuple

import msgspec

from keystead.access.callers import Caller
from keystead.api.batch import Batch
from keystead.api.bind import Bound
from keystead.api.http import encode
from keystead.api.http.message import HttpResponse
from keystead.api.http.receive import Received
from keystead.api.needs import Need
from keystead.api.operation import Operation
from keystead.api.slow import Attempt
from keystead.api.wire_types import Reply
from keystead.domain.products import KMS, Product
from keystead.domain.sessions import Session


class Trace(msgspec.Struct):
    """What the record of a call will say, as far as it is known."""

    region: str
    product: Product = KMS
    action: str = ""
    resources: list[str] = []
    needs: list[Need] = []  # what of it must be allowed
    parameters: str = "{}"  # JSON
    known: bool = False  # whether `action` is one of the catalogue's


class Ask(NamedTuple):
    """An authenticated call: what was asked, by whom, and how the answer is to be written."""

    batch: Batch
    asked: Received
    bound: Bound
    caller: Caller
    trace: Trace
    now: int
    request_id: str
    xml: bool
    attempt: Attempt
    session: Session | None = None

    def answer(self, operation: Operation, reply: Reply) -> HttpResponse:
        return encode.success(operation.action, reply, self.request_id, self.xml)


def trace_of(bound: Bound, home: str) -> Trace:
    """What the record says of a call before anything is done about it."""
    operation = bound.operation
    if operation is None:
        return Trace(region=home, product=bound.product, action=bound.action)
    return Trace(
        region=bound.region,
        product=bound.product,
        action=bound.action,
        parameters=bound.recorded,
        known=True,
    )
