"""The audit trail in the console: looked up, one event whole, verified, taken away."""

import csv
import io
import json
import re

import msgspec
import pytest

from keystead.console import trail
from tests.console.browser import Browser, Shown
from tests.harness import Service, in_memory
from tests.ram import Ram, allow


def _actions(shown: Shown) -> list[str]:
    return re.findall(r'<a href="/console/audit/[^"]+"><code>(\w+)</code></a>', shown.html)


def test_records_the_newest_first_with_filters(service: Service, owner: Browser) -> None:
    key = service.key()
    other = service.key()
    service.ok("CreateAlias", KeyId=key, AliasName="alias/web")
    blob = service.ok("Encrypt", KeyId=key, Plaintext="x")["CiphertextBlob"]
    service.ok("Decrypt", CiphertextBlob=blob)
    service.refused("Encrypt", KeyId="nowhere", Plaintext="x")
    assert _actions(owner.get("/audit", kind="ApiCall"))[:4] == [
        "Encrypt",
        "Decrypt",
        "Encrypt",
        "CreateAlias",
    ]
    assert set(_actions(owner.get("/audit", operation="Encrypt"))) == {"Encrypt"}
    assert _actions(owner.get("/audit", refused="1", kind="ApiCall")) == ["Encrypt"]
    assert _actions(owner.get("/audit", revealing="1")) == ["Decrypt"]
    for name in (key, "alias/web", f"acs:kms:{service.region}:{service.account}:key/{key}"):
        assert _actions(owner.get("/audit", resource=name, kind="ApiCall"))[0] == "Decrypt"
    assert _actions(owner.get("/audit", resource=other, kind="ApiCall")) == ["CreateKey"]
    assert f'href="/console/keys/{key}"' in owner.get("/audit", resource=key).html
    assert "No record matches" in owner.get("/audit", caller="nobody").text


def test_time_filters_and_what_is_none(service: Service, owner: Browser) -> None:
    service.key()
    service.clock.advance(600)
    since = "2026-01-02 03:10"
    later = owner.get("/audit", since=since, kind="ApiCall")
    assert _actions(later) == []
    assert "CreateKey" in _actions(owner.get("/audit", until=since, kind="ApiCall"))
    assert "CreateKey" in _actions(owner.get("/audit", since="2026-01-02", until="2026-01-02T11:30+08:00"))
    for field in ("since", "until"):
        shown = owner.get("/audit", **{field: "yesterday"})
        assert (shown.status, "Write a time as" in shown.text) == (400, True)
        assert 'value="yesterday"' in shown.html
    shown = owner.get("/audit", since="2026-01-03", until="2026-01-02")
    assert (shown.status, "not after the time" in shown.text) == (400, True)


def test_pages_go_on_with_the_filter(service: Service, owner: Browser) -> None:
    for _ in range(51):
        service.refused("DescribeKey", KeyId="nowhere")
    first = owner.get("/audit", operation="DescribeKey", refused="1")
    assert len(_actions(first)) == 50
    on = re.findall(r'href="/console(/audit\?[^"]*before=[^"]*)"', first.html)[0].replace("&amp;", "&")
    assert _actions(owner.get(on)) == ["DescribeKey"]


def test_one_event_whole_with_its_place_in_the_chain(service: Service, owner: Browser) -> None:
    key = service.key(Description="<script>alert(1)</script>")
    listed = owner.get("/audit", operation="CreateKey")
    path = re.findall(r'href="/console(/audit/[^"/]+/\d+)"', listed.html)[0]
    shown = owner.get(path)
    assert "unchanged" in shown.text
    assert key in shown.text
    assert "<script>alert" not in shown.html
    chain, sequence = path.split("/")[2:]
    place, (record, head) = next(
        row for row in in_memory(service).audit.records.items() if row[1][0].sequence == int(sequence)
    )
    assert head.hex() in shown.html
    in_memory(service).audit.records[place] = (
        msgspec.structs.replace(record, principal="eve", revision=1234),
        head,
    )
    assert "Data revision" not in shown.text
    assert "Data revision 1,234" in " ".join(owner.get(path).text.split())
    assert "changed" in owner.get(path).text
    assert "unchanged" not in owner.get(path).text
    for wrong in ("/audit/nowhere/1", f"/audit/{chain}/999999", f"/audit/{chain}/x"):
        assert owner.get(wrong).status == 404


def test_the_chain_is_verified_with_its_head(service: Service, owner: Browser) -> None:
    service.key()
    assert "Verify" in owner.get("/audit/verification").text
    shown = owner.post("/audit/verification")
    assert "nothing was changed" in shown.text
    count, head = re.findall(r"--expect (\d+):([0-9a-f]{64})", shown.html)[0]
    assert head in {one.hex() for _, one in in_memory(service).audit.records.values()}
    assert int(count) >= 1
    place = next(iter(in_memory(service).audit.records))
    record, kept = in_memory(service).audit.records[place]
    in_memory(service).audit.records[place] = (msgspec.structs.replace(record, code="x"), kept)
    assert "The chain is broken" in owner.post("/audit/verification").text
    assert owner.post("/audit/verification", {"token": "nonsense"}).status == 400


def test_files_to_take_away(service: Service, owner: Browser) -> None:
    service.refused("DescribeKey", KeyId="nowhere")
    service.ok("CreateKey", Description="=cmd()")
    table = owner.post("/audit/export", {"form": "csv", "kind": "ApiCall"})
    name = re.findall(r'filename="(audit-\d+\.csv)"', table.headers["content-disposition"])
    assert name == ["audit-2.csv"]
    rows = list(csv.DictReader(io.StringIO(table.response.body.decode("utf-8-sig"))))
    assert [row["Action"] for row in rows] == ["CreateKey", "DescribeKey"]
    assert rows[1]["Code"] == "Forbidden.KeyNotFound"
    lines = owner.post("/audit/export", {"form": "jsonl", "kind": "ApiCall"})
    assert [json.loads(line)["Action"] for line in lines.response.body.splitlines()] == [
        "CreateKey",
        "DescribeKey",
    ]
    assert owner.post("/audit/export", {"since": "x"}).status == 400


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin: str) -> None:
    record = {"UserAgent": f'{begin}HYPERLINK("x")', "Resources": {"Resource": [f"{begin}a"]}, "Status": 200}
    (row,) = csv.DictReader(io.StringIO(trail.as_csv([record]).decode("utf-8-sig"), newline=""))
    assert row["UserAgent"] == f'\'{begin}HYPERLINK("x")'
    assert row["Resources"].startswith("'")
    assert row["Status"] == "200"


def test_who_may_not_look_is_told_what_is_missing(service: Service) -> None:
    Ram(service).user("ann", allow("kms:*"))
    ann = Browser(service)
    ann.sign_in("ann")
    for shown in (
        ann.get("/audit"),
        ann.post("/audit/export", {"form": "csv"}),
        ann.post("/audit/verification"),
        ann.get("/audit/x/1"),
    ):
        assert shown.status == 403
        assert "actiontrail:LookupEvents" in shown.text


def test_hostile_filters_stay_text(owner: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    shown = owner.get("/audit", **dict.fromkeys(trail.FILTERS, evil))
    assert "<script>alert" not in shown.html
