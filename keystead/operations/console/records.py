"""Records: what the account and its users did, looked up, counted, and verified."""

import base64
import json
from typing import Annotated

import msgspec

from keystead.api.coerce import integer, rule, text_up_to
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Boolean, Param, Reply, Request, choice
from keystead.clock import from_iso8601, iso8601
from keystead.domain.audit import Kind, Record, link
from keystead.domain.products import CONSOLE
from keystead.errors import InvalidParameter, RecordNotFound
from keystead.store.lookups import Verified, Wanted

MINUTES = 60  # that are counted at most
VERIFIED = 25_000  # records by one call
_SLICE = (
    1_000  # of them in one piece of slow work: it has the interpreter for milliseconds, and may rest after
)
_LOOK_UP = "actiontrail:LookupEvents"


@rule("a time as 2026-01-02T03:04:05Z")
def _time(name: str, text: str) -> int:
    try:
        return from_iso8601(text) * 1000
    except (ValueError, OverflowError):
        raise InvalidParameter(name=name) from None


@rule("what the page before gave")
def _verified(name: str, text: str) -> Verified:
    try:
        raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        found = msgspec.json.decode(raw, type=Verified)
    except ValueError:  # of either
        raise InvalidParameter(name=name) from None
    if not 0 <= found.position < 10**12:
        raise InvalidParameter(name=name)
    return found


Time = Annotated[int | None, Param("String", _time)]
Action = Annotated[str, Param("String", text_up_to(64))]
Resource = Annotated[
    str, Param("String", text_up_to(512, "an ARN, or its end, as key/ID, alias/NAME or user/NAME"))
]
Who = Annotated[
    str, Param("String", text_up_to(128, "the name or id of a user, an account's id, or an AccessKey id"))
]
SessionId = Annotated[
    str, Param("String", text_up_to(128, "the id of a session of the console, or an AccessKey id"))
]
RecordKind = Annotated[str, choice(*Kind)]
Position = Annotated[int, Param("String", integer(1, 10**12 - 1))]
MaxItems = Annotated[int, Param("Integer", integer(1, 200))]
Chain = Annotated[str, Param("String", text_up_to(64))]
Sequence = Annotated[int, Param("Integer", integer(1, 10**12 - 1))]
Progress = Annotated[Verified, Param("String", _verified)]


class Resources(Reply, frozen=True):
    resource: list[str]


class ShownRecord(Reply, frozen=True):
    """A record as `keystead audit list --json` has it, under the names of the wire: `user_name` is its session, and
    `access_key_id` of a call by the console the session's id."""

    chain: str
    sequence: int
    time: str
    kind: str
    account: str
    region: str
    product: str
    version: str
    action: str
    caller_type: str
    principal: str
    user_name: str
    access_key_id: str
    source: str
    host: str
    user_agent: str
    tls: str
    resources: Resources
    parameters: str
    status: int
    code: str
    request_id: str
    revision: int  # of all that is stored; 0 in records of the first format


def _moment(milliseconds: int) -> str:
    """To the millisecond, as it was hashed."""
    return f"{iso8601(milliseconds // 1000)[:-1]}.{milliseconds % 1000:03}Z"


def _shown(record: Record) -> ShownRecord:
    return ShownRecord(
        chain=record.chain,
        sequence=record.sequence,
        time=_moment(record.time),
        kind=record.kind,
        account=record.account,
        region=record.region,
        product=record.product,
        version=record.version,
        action=record.action,
        caller_type=record.caller_type,
        principal=record.principal,
        user_name=record.session,
        access_key_id=record.access_key_id,
        source=record.source,
        host=record.host,
        user_agent=record.user_agent,
        tls=record.tls,
        resources=Resources(resource=_arns(record.resources)),
        parameters=record.parameters,
        status=record.status,
        code=record.code,
        request_id=record.request_id,
        revision=record.revision,
    )


def _arns(text: str) -> list[str]:
    try:
        return [str(one) for one in json.loads(text)]
    except (ValueError, TypeError):  # somebody altered it
        return [text]


class LookUpRecordsRequest(Request, frozen=True):
    since: Time = None
    until: Time = None
    operation: Action = ""
    resource: Resource = ""
    caller: Who = ""
    session: SessionId = ""
    only_refused: Boolean = False
    only_revealing: Boolean = False
    kind: RecordKind = ""
    next_token: Position = 0
    max_items: MaxItems = 50


class ShownRecords(Reply, frozen=True):
    record: list[ShownRecord]


class LookUpRecordsReply(Reply, frozen=True):
    records: ShownRecords
    next_token: str


@operation(product=CONSOLE, container="*", permission=_LOOK_UP)
def look_up_records(call: Call, request: LookUpRecordsRequest) -> LookUpRecordsReply:
    """Look up records, the newest first; a page may be empty and have a next one, as each looks at so many only."""
    if request.since is not None and request.until is not None and request.since >= request.until:
        raise InvalidParameter(name="Until")
    wanted = Wanted(
        since=request.since,
        until=request.until,
        action=request.operation,
        resource=request.resource.split(":", 4)[-1]
        if request.resource.startswith("acs:")
        else request.resource,
        caller=request.caller,
        account=call.account,
        session=request.session,
        kind=request.kind,
        revealing=request.only_revealing,
        failed=True if request.only_refused else None,
        limit=request.max_items,
    )
    found = call.look(call.store.lookups.records, wanted, request.next_token)
    return LookUpRecordsReply(
        records=ShownRecords(record=[_shown(one) for one in found.items]),
        next_token=str(found.before) if found.before else "",
    )


class GetRecordRequest(Request, frozen=True):
    chain: Chain
    sequence: Sequence


class GetRecordReply(Reply, frozen=True):
    record: ShownRecord
    hash: str
    previous_hash: str
    intact: bool  # whether the hash is that of the record after the previous one


@operation(product=CONSOLE, container="*", permission=_LOOK_UP, errors=(RecordNotFound,))
def get_record(call: Call, request: GetRecordRequest) -> GetRecordReply:
    """Show one record with its hash and that of the one before it."""
    found = call.look(call.store.lookups.record, call.account, request.chain, request.sequence)
    if found is None:
        raise RecordNotFound
    return GetRecordReply(
        record=_shown(found.record),
        hash=found.hash.hex(),
        previous_hash=found.previous.hex(),
        intact=link(found.previous, found.record) == found.hash,
    )


class CountRecordsRequest(Request, frozen=True):
    since: Time = None


class Minute(Reply, frozen=True):
    time: str
    calls: int
    refused: int


class Minutes(Reply, frozen=True):
    minute: list[Minute]


class CountRecordsReply(Reply, frozen=True):
    since: str  # from when on all are counted: later than was asked where none were then
    minutes: Minutes


@operation(product=CONSOLE, container="*", permission=_LOOK_UP)
def count_records(call: Call, request: CountRecordsRequest) -> CountRecordsReply:
    """Count the calls and refusals of each minute, of the last 60 at most."""
    latest = call.now // 60
    first = max(latest - MINUTES + 1, 0 if request.since is None else request.since // 60_000)
    counted = call.tallies.minutes(call.store, call.account, first)
    return CountRecordsReply(
        since=iso8601(max(first * 60, call.tallies.since(call.store))),
        minutes=Minutes(
            minute=[
                Minute(time=iso8601(minute * 60), calls=calls, refused=refused)
                for minute in range(first, latest + 1)
                for calls, refused in [counted.get(minute, (0, 0))]
            ]
        ),
    )


class VerifyRecordsRequest(Request, frozen=True):
    next_token: Progress = Verified()


class VerifiedChain(Reply, frozen=True):
    """A chain of records: the count and hash are its head, up to the first bad record if there is one."""

    chain: str
    count: int
    hash: str
    bad: str  # empty: all are right


class VerifiedChains(Reply, frozen=True):
    chain: list[VerifiedChain]


class VerifyRecordsReply(Reply, frozen=True):
    chains: VerifiedChains
    verified: int
    total_count: int
    next_token: str


@operation(product=CONSOLE, container="*", permission=_LOOK_UP)
def verify_records(call: Call, request: VerifyRecordsRequest) -> VerifyRecordsReply:
    """Verify some of the server's records, from where the call before ended; all of them once no next token is given."""
    so_far = request.next_token
    for _ in range(VERIFIED // _SLICE):
        so_far = call.look(call.store.lookups.verify, so_far, _SLICE)
        if so_far.done:
            break
    token = base64.urlsafe_b64encode(msgspec.json.encode(so_far)).decode().rstrip("=")
    return VerifyRecordsReply(
        chains=VerifiedChains(
            chain=[
                VerifiedChain(chain=one.chain, count=one.head.count, hash=one.head.hash.hex(), bad=one.bad)
                for one in so_far.verdicts
            ]
        ),
        verified=so_far.count,
        total_count=so_far.count + max(so_far.total - so_far.position, 0),
        next_token="" if so_far.done else token,
    )
