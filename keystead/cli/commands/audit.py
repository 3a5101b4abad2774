"""`keystead audit`: list, export and verify the audit records."""

import argparse
import json
import re
from contextlib import closing
from datetime import UTC, datetime

from keystead.cli import output
from keystead.clock import SystemClock, iso8601
from keystead.domain.audit import Head, Record
from keystead.settings import default_data

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_READS = ("Describe", "List", "Get")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "audit",
        help="list, export and verify the audit records",
        description="List, export and verify the audit records. These commands only read; a server may run meanwhile.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser(
        "list",
        help="show who did what when",
        description="Show who did what when, the newest last. A time T is 2026-01-02T03:04:05Z, 2026-01-02 (UTC), or "
        "so long ago: 30m, 2h, 7d.",
    )
    listing.add_argument("--since", metavar="T", type=_time, help="from this time on")
    listing.add_argument("--until", metavar="T", type=_time, help="before this time")
    listing.add_argument("--action", default="", help="only this operation")
    listing.add_argument("--key", metavar="ID", default="", help="only calls about this key or alias")
    listing.add_argument("--caller", metavar="ID", default="", help="only this account or AccessKey id")
    listing.add_argument("--outcome", choices=("success", "failure"), help="only these")
    listing.add_argument("--limit", type=_count, default=50, metavar="N", help="the newest N (default: 50)")
    listing.add_argument("--json", action="store_true", help="whole records, as JSON lines")
    listing.set_defaults(func=list_records)
    export = verbs.add_parser(
        "export", help="print all records", description="Print all records as JSON lines, the oldest first."
    )
    export.add_argument(
        "--format",
        choices=("jsonl", "actiontrail"),
        default="jsonl",
        help="jsonl: every column, as it was hashed (default); actiontrail: the vendor's event shape",
    )
    export.set_defaults(func=export_records)
    verify = verbs.add_parser(
        "verify",
        help="prove that no record was changed, moved or removed",
        description="Prove that no record was changed, moved or removed, and print COUNT:HASH. Keep it elsewhere: only "
        "against it can be proved that the end of the log was not cut off.",
    )
    verify.add_argument("--expect", metavar="COUNT:HASH", help="what was printed before")
    verify.set_defaults(func=verify_records)
    for one in (listing, export, verify):
        one.add_argument("--data", metavar="DIR", default=default_data(), help="the data directory")


def list_records(args: argparse.Namespace) -> int:
    """Print the matching records, oldest first."""
    from keystead.server.operator import Wanted, open_audit

    wanted = Wanted(
        since=args.since,
        until=args.until,
        action=args.action,
        key=args.key,
        caller=args.caller,
        failed=None if args.outcome is None else args.outcome == "failure",
        limit=args.limit,
    )
    with closing(open_audit(args.data)) as reader:
        records = reader.list(wanted)
    if args.json:
        for record in records:
            output.record(_members(record))
        return output.DONE
    rows = [("TIME", "ACTION", "OUTCOME", "CALLER", "SOURCE", "REQUEST", "RESOURCE")]
    rows += [
        (
            iso8601(record.time / 1000),
            record.action or "?",
            record.code or "success",
            record.access_key_id or record.principal,
            record.source,
            record.request_id,
            _resource(record),
        )
        for record in records
    ]
    output.table(rows, first=3)
    return output.DONE


def export_records(args: argparse.Namespace) -> int:
    """Print every record as a JSON line."""
    from keystead.server.operator import open_audit

    render = _actiontrail if args.format == "actiontrail" else _members
    with closing(open_audit(args.data)) as reader:
        for record in reader.all():
            output.record(render(record))
    return output.DONE


def verify_records(args: argparse.Namespace) -> int:
    """Print each chain's COUNT:HASH, and the first bad record."""
    from keystead.server.operator import open_audit

    expect = _head(args.expect) if args.expect else None
    with closing(open_audit(args.data)) as reader:
        verdicts = reader.verify(expect)
    status = output.DONE
    for verdict in verdicts:
        output.line(f"{verdict.head}  chain {verdict.chain}")
    output.flush()
    bad = [verdict.bad for verdict in verdicts if verdict.bad]
    for found in bad:
        status = output.error(found, hint="what follows it is not proved; compare with an export or a backup")
    if not verdicts:
        output.line(f"{Head()}  no records")
    if expect is None or expect == Head() or any(verdict.noted for verdict in verdicts):
        return status
    longest = max((verdict.head.count for verdict in verdicts), default=0)
    if bad:
        why = "nothing is proved beyond the record above"
    elif longest < expect.count:
        why = f"the log ends at record {longest}, so its end was cut off"
    else:
        why = "the log was written anew"
    return output.error(
        f"the head {expect} that was noted is on no chain: {why}", hint="compare with a backup"
    )


# --- the words of the command line


def _time(text: str) -> int:
    """Milliseconds since 1970."""
    relative = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if relative is not None:
        return int((SystemClock().now() - int(relative[1]) * _UNITS[relative[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 2026-01-02T03:04:05Z, or 30m, 2h, 7d for so long ago"
        ) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999999")
    return int(text)


def _head(text: str) -> Head:
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise output.WrongCommandLine(f"{text!r} is not COUNT:HASH", hint="keystead audit verify prints it")
    return Head(int(match[1]), bytes.fromhex(match[2]))


# --- records as they are shown


def _resource(record: Record) -> str:
    """The keys and aliases, without what every ARN of the log begins with, and without what only contains them."""
    names = [arn.rpartition(":")[2] for arn in json.loads(record.resources)]
    return " ".join(name for name in names if "/" in name)


def _members(record: Record) -> dict[str, object]:
    members: dict[str, object] = {name: getattr(record, name) for name in record.__struct_fields__}
    # To the millisecond, as it was hashed.
    members["time"] = f"{iso8601(record.time // 1000)[:-1]}.{record.time % 1000:03}Z"
    members["resources"] = json.loads(record.resources)
    members["parameters"] = json.loads(record.parameters)
    return members


def _actiontrail(record: Record) -> dict[str, object]:
    """The event as the vendor's ActionTrail shows it (its page "Management event structure")."""
    event: dict[str, object] = {
        "eventId": record.request_id,
        "eventVersion": 1,
        "eventSource": record.host,
        "requestParameters": json.loads(record.parameters),
        "sourceIpAddress": record.source or "Internal",
        "userAgent": record.user_agent,
        "eventType": "AliyunServiceEvent" if record.kind == "ServiceEvent" else "ApiCall",
        "userIdentity": {
            "accountId": record.account,
            "principalId": record.principal,
            "type": record.caller_type,
            "accessKeyId": record.access_key_id,
        },
        "serviceName": record.product,
        "apiVersion": record.version,
        "requestId": record.request_id,
        "eventTime": iso8601(record.time / 1000),
        "isGlobal": False,
        "acsRegion": record.region,
        "eventName": record.action,
        "eventRW": "Read" if record.action.startswith(_READS) else "Write",
        "eventCategory": "Management",
        "referencedResources": {"ACS::KMS": json.loads(record.resources)},
    }
    if record.code:
        event["errorCode"] = record.code
    return event
