"""`keystead audit`: list, export and verify the audit records."""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing

from keystead.cli import moments, output, target
from keystead.cli.commands.audit import exported, proof, report, words
from keystead.clock import iso8601
from keystead.domain.audit import REVEALING, Kind, Record

_UNASKED = 50
_READS = ("Describe", "List", "Get", "Search", "Summarize", "LookUp", "Count", "Check")
_SIGN_IN = {
    "CreateSession": "ConsoleSignin",
    "RedeemSignInLink": "ConsoleSignin",
    "DeleteSession": "ConsoleSignout",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "audit",
        help="list, report on, export and verify the audit records",
        description="List, report on, export and verify the audit records. These commands only read; a server may run "
        "meanwhile.",
        examples=(
            "keystead audit list --since 1h",
            "keystead audit report alias/demo --since 30d",
            "keystead audit verify",
        ),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser(
        "list",
        help="show who did what when",
        description="Show who did what when, the newest last. " + moments.FORMS,
        examples=(
            "keystead audit list --since 2h",
            "keystead audit list --key alias/demo --reveals",
            "keystead audit list --outcome failure --since 2026-01-02 --json",
        ),
    )
    listing.add_argument("--since", metavar="T", type=moments.moment, help="from this time on")
    listing.add_argument("--until", metavar="T", type=moments.moment, help="before this time")
    listing.add_argument("--action", default="", help="only this operation")
    listing.add_argument(
        "--reveals",
        action="store_true",
        help=f"only operations that give out a plaintext or key material: {', '.join(sorted(REVEALING))}",
    )
    listing.add_argument(
        "--key", metavar="KEY", default="", help="only calls about this key: its id, its ARN, or an alias"
    )
    listing.add_argument(
        "--caller",
        metavar="WHO",
        default="",
        help="only this RAM user, account, AccessKey id, or user of the machine",
    )
    listing.add_argument(
        "--account",
        metavar="ID",
        type=target.account_id,
        help="only calls of this account and its users",
    )
    listing.add_argument("--outcome", choices=("success", "failure"), help="only these")
    listing.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"the newest N (default: all that match; {_UNASKED} where nothing else is asked for)",
    )
    listing.add_argument("--json", action="store_true", help="whole records, as JSON lines")
    listing.set_defaults(func=list_records)
    export = verbs.add_parser(
        "export",
        help="print all records",
        description="Print all records as JSON lines, the oldest first.",
        examples=(
            "keystead audit export > audit.jsonl",
            "keystead audit export --format records > records.jsonl",
            "keystead audit export --format actiontrail",
        ),
    )
    export.add_argument(
        "--format",
        choices=("jsonl", "records", "actiontrail"),
        default="jsonl",
        help="jsonl: every column, for programs that read it (default); records: every column as it was hashed, with the "
        "hash, for whoever proves it; actiontrail: the vendor's event shape",
    )
    export.set_defaults(func=export_records)
    for one in (listing, export):
        one.add_argument("--data", metavar="DIR", help=target.DATA)
    report.add_parser(verbs)
    proof.add_parsers(verbs)


def list_records(args: argparse.Namespace) -> int:
    """Print the matching records, oldest first."""
    from keystead.server.operator import Wanted, open_audit

    if args.since is not None and args.until is not None and args.since >= args.until:
        raise output.WrongCommandLine("--since is not before --until", hint="exchange them")
    with closing(open_audit(target.directory(args.data))) as reader:
        wanted = Wanted(
            since=args.since,
            until=args.until,
            action=words.action_of(reader, args.action),
            resource=words.resource(reader, args.key),
            caller=words.caller_of(reader, args.caller),
            account=words.account_of(reader, args.account or ""),
            revealing=args.reveals,
            failed=None if args.outcome is None else args.outcome == "failure",
            limit=args.limit,
        )
        if wanted == Wanted():
            wanted = Wanted(limit=_UNASKED)
        records = reader.list(wanted)
        matching = len(records) if wanted.limit is None else reader.count(wanted)
    if len(records) < matching:
        output.note(f"the newest {len(records)} of {matching} records; --limit {matching} shows all")
    if args.json:
        for record in records:
            output.record(_members(record))
        return output.DONE
    rows = [("TIME", "ACTION", "OUTCOME", "CALLER", "SOURCE", "REQUEST", "RESOURCE")]
    rows += [
        (
            iso8601(record.time / 1000),
            record.action or "?",
            output.Marked(record.code, "bad") if record.code else "success",
            record.session or record.access_key_id or record.principal,
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
    with closing(open_audit(target.directory(args.data))) as reader:
        if args.format == "records":
            for columns, stored in reader.rows():
                output.text(exported.line(columns, stored))
            return output.DONE
        for record in reader.all():
            output.record(render(record))
    return output.DONE


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999999")
    return int(text)


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
        "eventType": _event_type(record),
        "userIdentity": {
            "accountId": record.account,
            "principalId": record.principal,
            "type": record.caller_type,
            "accessKeyId": record.access_key_id,
            **({"userName": record.session} if record.session else {}),
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
        "referencedResources": _by_service(json.loads(record.resources)),
    }
    if record.code:
        event["errorCode"] = record.code
    return event


def _event_type(record: Record) -> str:
    match record.kind:
        case Kind.SERVICE_EVENT:
            return "AliyunServiceEvent"
        case Kind.CONSOLE_OPERATION:
            return _SIGN_IN.get(record.action, "ConsoleOperation")
        case _:
            return "ApiCall"


def _by_service(arns: Sequence[str]) -> dict[str, list[str]]:
    """ARNs by the service that they are of, as `ACS::KMS`; that is there in any case."""
    found: dict[str, list[str]] = {"ACS::KMS": []}
    for arn in arns:
        found.setdefault(f"ACS::{arn.split(':')[1].upper()}", []).append(arn)
    return found
