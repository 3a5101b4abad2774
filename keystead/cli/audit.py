"""`keystead audit`: list, export and verify the audit records."""

import argparse
import json
import re

from keystead.cli import output
from keystead.clock import SystemClock, from_iso8601, iso8601
from keystead.domain.audit import Head, Record
from keystead.errors import OperatorError
from keystead.settings import default_data

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("audit", help="list, export and verify the audit records")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="show who did what when")
    listing.add_argument(
        "--since", metavar="T", help="from this time on: 2026-01-02T03:04:05Z, or 2h ago as 2h"
    )
    listing.add_argument("--until", metavar="T", help="before this time")
    listing.add_argument("--action", default="", help="only this operation")
    listing.add_argument("--key", metavar="ID", default="", help="only calls about this key or alias")
    listing.add_argument("--caller", metavar="ID", default="", help="only this account or AccessKey id")
    listing.add_argument("--outcome", choices=("success", "failure"), help="only these")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N (default: 50)")
    listing.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    listing.set_defaults(func=list_records)
    export = verbs.add_parser("export", help="print all records")
    export.add_argument(
        "--format",
        choices=("jsonl", "actiontrail"),
        default="jsonl",
        help="actiontrail: the vendor's event shape",
    )
    export.set_defaults(func=export_records)
    verify = verbs.add_parser("verify", help="prove that no record was changed, moved or removed")
    verify.add_argument("--expect", metavar="COUNT:HASH", help="a head that was noted before")
    verify.set_defaults(func=verify_records)
    for one in (listing, export, verify):
        one.add_argument("--data", metavar="DIR", default=default_data(), help="the data directory")


def list_records(args: argparse.Namespace) -> int:
    """Print the matching records, oldest first."""
    from keystead.server.operator import Wanted, open_audit

    wanted = Wanted(
        since=_time(args.since),
        until=_time(args.until),
        action=args.action,
        key=args.key,
        caller=args.caller,
        failed=None if args.outcome is None else args.outcome == "failure",
        limit=args.limit,
    )
    reader = open_audit(args.data)
    records = reader.list(wanted)
    reader.close()
    if args.json:
        for record in records:
            output.line(json.dumps(_members(record), ensure_ascii=False))
        return 0
    rows = [("TIME", "ACTION", "OUTCOME", "CALLER", "SOURCE", "RESOURCE")]
    rows += [
        (
            iso8601(record.time / 1000),
            record.action or "?",
            record.code or "success",
            record.access_key_id or record.principal,
            record.source,
            _resource(record),
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        output.line("  ".join([*(row[at].ljust(widths[at]) for at in range(5)), row[5]]).rstrip())
    return 0


def export_records(args: argparse.Namespace) -> int:
    """Print every record as a JSON line."""
    from keystead.server.operator import open_audit

    reader = open_audit(args.data)
    render = _actiontrail if args.format == "actiontrail" else _members
    for record in reader.all():
        output.line(json.dumps(render(record), ensure_ascii=False))
    reader.close()
    return 0


def verify_records(args: argparse.Namespace) -> int:
    """Print each chain's COUNT:HASH, and the first bad record."""
    from keystead.server.operator import open_audit

    expect = _head(args.expect) if args.expect else None
    reader = open_audit(args.data)
    verdicts = list(reader.verify(expect))
    reader.close()
    status = 0
    for verdict in verdicts:
        output.line(f"{verdict.head}  chain {verdict.chain}")
        if verdict.bad:
            status = output.error(
                verdict.bad, hint="what follows it is not proved; compare with an export or backup"
            )
    if expect is not None and not any(verdict.noted for verdict in verdicts):
        longest = max((verdict.head.count for verdict in verdicts), default=0)
        why = "the log was cut off" if longest < expect.count else "the log was written anew"
        status = output.error(
            f"the head {expect} that was noted is on no chain: {why}", hint="compare with a backup"
        )
    return status


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    relative = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if relative is not None:
        return int((SystemClock().now() - int(relative[1]) * _UNITS[relative[2]]) * 1000)
    try:
        return from_iso8601(text) * 1000
    except ValueError:
        raise OperatorError(
            f"{text!r} is not a time", hint="write 2026-01-02T03:04:05Z, or 30m, 2h, 7d for so long ago"
        ) from None


def _head(text: str) -> Head:
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise OperatorError(f"{text!r} is not COUNT:HASH", hint="keystead audit verify prints it")
    return Head(int(match[1]), bytes.fromhex(match[2]))


def _resource(record: Record) -> str:
    return " ".join(arn.rpartition(":")[2] for arn in json.loads(record.resources))


def _members(record: Record) -> dict[str, object]:
    members: dict[str, object] = {name: getattr(record, name) for name in record.__struct_fields__}
    members["time"] = iso8601(record.time / 1000)
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
        "eventRW": "Read" if record.action.startswith(("Describe", "List", "Get")) else "Write",
        "eventCategory": "Management",
        "referencedResources": {"ACS::KMS": json.loads(record.resources)},
    }
    if record.code:
        event["errorCode"] = record.code
    return event
