"""The audit trail as pages and files show it: filters as people give them, links to what a record is about, CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from keystead.console.locales import marked as N_
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain import arns
from keystead.domain.products import CONSOLE

Record = Mapping[str, Any]
FILTERS = ("since", "until", "operation", "resource", "caller", "session", "kind", "refused", "revealing")
_TEXTS = {"operation": "Operation", "caller": "Caller", "session": "Session", "kind": "Kind"}
_FLAGS = {"refused": "OnlyRefused", "revealing": "OnlyRevealing"}
_TIMES = {"since": "Since", "until": "Until"}
_LOOKS = 5  # that a page takes at most to find its first records
# What a spreadsheet takes for a formula, and runs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "Time", "Chain", "Sequence", "Kind", "Account", "Region", "Product", "Action", "Status", "Code", "CallerType",
    "Principal", "UserName", "AccessKeyId", "Source", "Host", "UserAgent", "Tls", "Resources", "Parameters", "RequestId",
)  # fmt: skip


class BadFilter(Exception):
    """A filter that says nothing that can be looked for: its field, and why."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        self.text = text
        super().__init__(field)


async def filters(visit: Visit) -> dict[str, str]:
    """The parameters of LookUpRecords, of what is in the form or address. BadFilter for a time that is none."""
    given = {name: visit.field(field).strip() for field, name in _TEXTS.items()}
    given |= {name: "true" for field, name in _FLAGS.items() if visit.field(field)}
    given |= {name: _time(field, visit.field(field).strip()) for field, name in _TIMES.items()}
    if given["Since"] and given["Until"] and given["Since"] >= given["Until"]:
        raise BadFilter("until", N_("This is not after the time from which you look."))
    given["Resource"] = await _resource(visit, visit.field("resource").strip())
    return {name: value for name, value in given.items() if value}


def _time(field: str, text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(field, N_("Write a time as 2026-01-02 15:04, in UTC.")) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _resource(visit: Visit, text: str) -> str:
    """A key by its id or alias, whichever key that is now; anything else as it is."""
    if text.startswith("alias/"):
        try:
            found = await visit.call("DescribeKey", KeyId=text)
        except Refused:
            return text
        return f"key/{found['KeyMetadata']['KeyId']}"
    if text and not any(letter in text for letter in ":/"):
        return f"key/{text}"
    return text


async def look_up(
    visit: Visit, wanted: Mapping[str, str], before: str, most: int, looks: int = _LOOKS
) -> tuple[list[Record], str]:
    """At most so many records, the newest first, and where to go on; each call looks at so many only, found or not."""
    records: list[Record] = []
    for _ in range(looks):
        asked = {**wanted, "NextToken": before, "MaxItems": str(min(most - len(records), 200))}
        found = await visit.call("LookUpRecords", asked, product=CONSOLE)
        records += found["Records"]["Record"]
        before = found["NextToken"]
        if not before or len(records) >= most:
            break
    return records, before


def caller(record: Record) -> str:
    """Who it was, by the name that the user had; "" for the account itself."""
    if record["UserName"] and record["CallerType"] == "ram-user":
        return str(record["UserName"])
    return "" if record["CallerType"] == "root-account" else str(record["Principal"])


def links(record: Record, visit: Visit) -> list[tuple[str, str]]:
    """What a record is about, each with the path of its page here, or "" if it has none."""
    return [(arn, _page(arn, visit)) for arn in record["Resources"]["Resource"]]


def _page(arn: str, visit: Visit) -> str:
    named = arns.parse(arn)
    if named is None or named.account != visit.account:
        return ""
    kind, _, name = named.resource.partition("/")
    if kind == "key" and name and name != "*" and named.region == visit.region:
        return f"/keys/{quote(name)}"
    if kind in ("user", "group") and name and name != "*":
        return f"/{kind}s/{quote(name)}"
    return ""


def as_csv(records: Iterable[Record]) -> bytes:
    """A table for spreadsheets. No cell is a formula: what begins like one gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow([_cell(record.get(column, "")) for column in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()  # so that spreadsheets read UTF-8


def _cell(value: Any) -> str:
    text = " ".join(value["Resource"]) if isinstance(value, Mapping) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_lines(records: Iterable[Record]) -> bytes:
    """A JSON object a line."""
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
