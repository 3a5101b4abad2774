"""A call whose caller is known, on its way through the pipeline, and what its record will say of it."""

from typing import NamedTuple

import msgspec

from keystead.access.callers import Caller, CallerType
from keystead.api.batch import Batch
from keystead.api.bind import Bound
from keystead.api.http import encode
from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import HEADER_CHARACTERS, Received
from keystead.api.needs import Need
from keystead.api.operation import Operation
from keystead.api.slow import Attempt
from keystead.api.wire_types import Reply
from keystead.domain.audit import Kind, Record
from keystead.domain.keys.uses import Place
from keystead.domain.products import KMS, Product
from keystead.domain.sessions import Session

_KINDS = {
    Channel.NETWORK: Kind.API_CALL,
    Channel.CONTROL: Kind.OPERATOR_COMMAND,
    Channel.CONSOLE: Kind.CONSOLE_OPERATION,
}
_TYPES = {one: one.value for one in CallerType}  # looked up for each call, in less time than `value` takes


class Trace(msgspec.Struct):
    """What the record of a call will say, as far as it is known."""

    region: str
    product: Product = KMS
    action: str = ""
    resources: list[str] = []
    needs: list[Need] = []  # what of it must be allowed
    parameters: str = "{}"  # JSON
    known: bool = False  # whether `action` is one of the catalogue's
    used: list[tuple[Place, str]] = []  # the keys that it uses, each with the id of the version


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

    def record(self, now: float, host: str, status: int, code: str) -> None:
        """Append its record to the batch, and the uses of keys that it was; `now` as in it, `code` is "" on success."""
        asked, caller, trace, batch = self.asked, self.caller, self.trace, self.batch
        caller_type = _TYPES[caller.type]
        batch.append(
            Record(
                chain=batch.chain,
                sequence=batch.next,
                time=int(now * 1000),
                kind=_KINDS[asked.channel],
                account=caller.account,
                region=trace.region,
                product=trace.product.name,
                version=trace.product.version,
                action=trace.action,
                caller_type=caller_type,
                principal=caller.principal,
                access_key_id=caller.access_key_id,
                session=caller.session,
                source=asked.source,
                host=host[:HEADER_CHARACTERS],
                user_agent=asked.user_agent,
                tls=asked.tls,
                resources=msgspec.json.encode(trace.resources).decode(),
                parameters=trace.parameters,
                status=status,
                code=code,
                request_id=self.request_id,
                revision=batch.revision,
            )
        )
        if trace.used and not self.bound.dry_run:
            access_key_id = "" if asked.channel is Channel.CONSOLE else caller.access_key_id
            who = (
                caller.account,
                caller_type,
                caller.principal,
                caller.session,
                access_key_id,
                trace.action,
            )
            refused = 1 if code else 0
            for place, version in trace.used:
                batch.uses.append((place, (version, *who), self.now, refused))

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
