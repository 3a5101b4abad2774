"""LookUpRecords and its like: the records of an account, as the console shows them."""

import base64
import json
from pathlib import Path

import apsw
import msgspec
import pytest

from keystead.domain.audit import GENESIS
from keystead.domain.products import KMS
from keystead.store import record_lookups
from keystead.store.lookups import Verified
from tests.at_console import Console
from tests.databases import records_of
from tests.harness import Members, OnDisk, Service
from tests.operations.test_accounts import made
from tests.ram import Ram, allow

NOW = "2026-01-02T03:04:05Z"
LOOK_UPS: list[tuple[str, dict[str, str]]] = [
    ("LookUpRecords", {}),
    ("GetRecord", {"Chain": "c", "Sequence": "1"}),
    ("CountRecords", {}),
    ("VerifyRecords", {}),
]


@pytest.fixture
def service(any_service: Service) -> Service:
    return any_service


def before(service: Service) -> int:
    """How many records there are before the first call: where servers share a store, that this one has joined."""
    return int(service.store.shared is not None)


def looked_up(service: Service, **parameters: str) -> list[Members]:
    return list(Console(service).ok("LookUpRecords", **parameters)["Records"]["Record"])


def actions(service: Service, **parameters: str) -> list[str]:
    """Of the records that are found, without those of looking up."""
    found = [one["Action"] for one in looked_up(service, **parameters)]
    return [
        one
        for one in found
        if one not in {"LookUpRecords", "CreateUser", "CreatePolicy", "AttachPolicyToUser"}
    ]


def as_alice(service: Service, action: str, **parameters: str) -> None:
    """A call of a user who has signed in."""
    if not any(one["UserName"] == "alice" for one in Ram(service).ok("ListUsers")["Users"]["User"]):
        Ram(service).ok("CreateUser", UserName="alice")
    service.console(action, Console(service, "alice").token, KMS, **parameters)


def revision_of(service: Service, action: str) -> int:
    return next(record.revision for record in records_of(service.store) if record.action == action)


def test_a_record_is_shown_whole(service: Service) -> None:
    service.clock.advance(0.25)
    key_id = service.key(Description="d")
    (shown,) = looked_up(service, Operation="CreateKey")
    assert shown["RequestId"]
    assert shown.pop("Revision") == revision_of(service, "CreateKey")
    del shown["RequestId"], shown["Principal"], shown["AccessKeyId"], shown["Source"], shown["Kind"]
    del shown["CallerType"], shown["Host"], shown["UserAgent"], shown["Tls"]
    assert shown == {
        "Chain": service.world.server_id,
        "Sequence": before(service) + 1,
        "Time": "2026-01-02T03:04:05.250Z",
        "Account": service.account,
        "Region": "cn-hangzhou",
        "Product": "Kms",
        "Version": "2016-01-20",
        "Action": "CreateKey",
        "UserName": "",
        "Resources": {
            "Resource": [
                f"acs:kms:cn-hangzhou:{service.account}:key",
                f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}",
            ]
        },
        "Parameters": '{"Description":"d"}',
        "Status": 200,
        "Code": "",
    }


def test_the_newest_come_first_and_filters_hold_together(service: Service) -> None:
    key_id, other = service.key(), service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    sealed = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("Decrypt", CiphertextBlob=sealed)
    service.refused("Encrypt", KeyId="nowhere", Plaintext="x")
    as_alice(service, "Encrypt", KeyId=key_id, Plaintext="x")
    assert actions(service)[:3] == ["Encrypt", "ListUsers", "Encrypt"]
    assert actions(service, Operation="CreateKey") == ["CreateKey", "CreateKey"]
    assert actions(service, Resource=f"key/{other}") == ["CreateKey"]
    arn = f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}"
    for resource in (f"key/{key_id}", arn):
        found = actions(service, Resource=resource)
        assert found == ["Encrypt", "Decrypt", "Encrypt", "CreateAlias", "CreateKey"]
    assert actions(service, Resource="alias/a") == ["CreateAlias"]
    assert actions(service, Resource="alias/") == []
    (user,) = Ram(service).ok("ListUsers")["Users"]["User"]
    for caller in ("alice", user["UserId"], "console-alice"):
        assert actions(service, Caller=caller) == ["Encrypt"]
    assert (
        actions(service, Session="console-alice") == actions(service, Kind="ConsoleOperation") == ["Encrypt"]
    )
    assert actions(service, OnlyRefused="true") == ["Encrypt", "Encrypt"]
    assert actions(service, OnlyRefused="true", Caller="alice") == ["Encrypt"]
    assert actions(service, OnlyRevealing="true") == ["Decrypt"]
    assert actions(service, Operation="Nonsense") == actions(service, Caller="bob") == []


def test_a_stretch_of_time_is_looked_up(service: Service) -> None:
    for description in ("first", "second", "third"):
        service.key(Description=description)
        service.clock.advance(60)
    service.clock.advance(2 * 86_400)
    service.key(Description="late")

    def within(**parameters: str) -> list[str]:
        found = looked_up(service, Operation="CreateKey", **parameters)
        return [json.loads(one["Parameters"])["Description"] for one in found]

    assert within(Since="2026-01-02T03:05:05Z") == ["late", "third", "second"]
    assert within(Until="2026-01-02T03:05:05Z") == ["first"]
    assert within(Since="2026-01-02T03:05:05Z", Until="2026-01-02T03:05:06Z") == ["second"]
    assert within(Since="2026-01-02T03:05:06Z", Until="2026-01-02T03:06:05Z") == []
    assert within(Since="2027-01-01T00:00:00Z") == within(Until="2025-01-01T00:00:00Z") == []
    assert Console(service).refused("LookUpRecords", Since=NOW, Until=NOW) == "InvalidParameter"


def test_a_clock_that_was_put_back_hides_nothing(service: Service) -> None:
    service.key(Description="before")
    service.clock.advance(-1800)
    service.key(Description="back")
    found = looked_up(
        service, Operation="CreateKey", Since="2026-01-02T02:30:00Z", Until="2026-01-02T02:40:00Z"
    )
    assert [json.loads(one["Parameters"])["Description"] for one in found] == ["back"]


def test_pages_go_on_where_they_ended_whatever_comes_meanwhile(service: Service) -> None:
    keys = [service.key() for _ in range(5)][::-1]
    found: list[str] = []
    token: dict[str, str] = {}
    console = Console(service)
    for _ in range(3):
        page = console.ok("LookUpRecords", Operation="CreateKey", MaxItems="2", **token)
        found += [one["Resources"]["Resource"][-1].rpartition("/")[2] for one in page["Records"]["Record"]]
        token = {"NextToken": page["NextToken"]}
        service.key()
    assert found == keys


def test_one_page_looks_at_so_many_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = OnDisk(tmp_path / "data")
    for _ in range(7):
        service.key()
    service.ok("ListKeys")
    console = Console(service)
    monkeypatch.setattr(record_lookups, "ROWS", 3)
    page = console.ok("LookUpRecords", Operation="CreateKey")  # beside the records of ListKeys and no other
    assert len(page["Records"]["Record"]) == 2
    pages = [page]
    while pages[-1]["NextToken"]:
        token = pages[-1]["NextToken"]
        pages.append(console.ok("LookUpRecords", Operation="CreateKey", NextToken=token))
    assert [len(one["Records"]["Record"]) for one in pages] == [2, 3, 2]


def test_others_see_nothing_of_it_and_users_by_permission_alone(service: Service) -> None:
    service.key()
    stranger, _ = made(service)
    found = Console(service, account=stranger).ok("LookUpRecords")["Records"]["Record"]
    assert found == []
    chain = service.world.server_id
    refused = Console(service, account=stranger).refused("GetRecord", Chain=chain, Sequence="1")
    assert refused == "EntityNotExist.Record"


@pytest.mark.parametrize(("action", "parameters"), LOOK_UPS)
def test_a_user_needs_the_permission_to_look_up_events(action: str, parameters: dict[str, str]) -> None:
    service = Service()
    trail = f"acs:actiontrail:{service.region}:{service.account}:*"
    Ram(service).user("alice", allow("actiontrail:LookupEvents", resource=trail))
    Ram(service).user("bob", allow("kms:*", "ram:*"))
    Ram(service).user("carol")
    Ram(service).ok(
        "AttachPolicyToUser", PolicyType="System", PolicyName="AdministratorAccess", UserName="carol"
    )
    allowed = 404 if action == "GetRecord" else 200
    assert Console(service, "alice").call(action, **parameters)[0] == allowed
    assert Console(service, "carol").call(action, **parameters)[0] == allowed
    status, members = Console(service, "bob").call(action, **parameters)
    assert (status, members["Code"]) == (403, "Forbidden.NoPermission")
    assert f" It needs actiontrail:LookupEvents on {trail}, which no policy allows." in members["Message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxItems", "0"),
        ("MaxItems", "201"),
        ("NextToken", "0"),
        ("NextToken", "x"),
        ("Since", "yesterday"),
        ("Since", "2026-01-02"),
        ("Until", "2026-13-02T03:04:05Z"),
        ("Kind", "Call"),
        ("OnlyRefused", "yes"),
        ("Operation", "a" * 65),
        ("Resource", "a" * 513),
        ("Caller", "a" * 129),
        ("Session", "a" * 129),
    ],
)
def test_what_cannot_be_looked_up_is_refused(name: str, value: str) -> None:
    assert Console(Service()).refused("LookUpRecords", **{name: value}) == "InvalidParameter"


def test_the_longest_and_most_are_taken() -> None:
    longest = {"Operation": "a" * 64, "Resource": "a" * 512, "Caller": "a" * 128, "Session": "a" * 128}
    assert Console(Service()).ok("LookUpRecords", MaxItems="200", NextToken="9" * 12, **longest) == {
        "Records": {"Record": []},
        "NextToken": "",
    }


# --- one record


def test_one_record_is_shown_with_its_place_on_the_chain(service: Service) -> None:
    service.key()
    service.key()
    console, chain = Console(service), service.world.server_id
    begun = before(service)
    first = console.ok("GetRecord", Chain=chain, Sequence=str(begun + 1))
    assert first["Record"] == looked_up(service, Operation="CreateKey")[-1]
    second = console.ok("GetRecord", Chain=chain, Sequence=str(begun + 2))
    joined = console.ok("GetRecord", Chain=chain, Sequence="1")["Hash"] if begun else GENESIS.hex()
    assert (first["PreviousHash"], second["PreviousHash"]) == (joined, first["Hash"])
    assert first["Intact"] is second["Intact"] is True
    assert console.refused("GetRecord", Chain=chain, Sequence="99") == "EntityNotExist.Record"
    assert console.refused("GetRecord", Chain="other", Sequence="1") == "EntityNotExist.Record"
    for wrong in ("0", "-1", "x", "9" * 13):
        assert console.refused("GetRecord", Chain=chain, Sequence=wrong) == "InvalidParameter"
    assert console.refused("GetRecord", Chain="c" * 65, Sequence="1") == "InvalidParameter"
    assert console.refused("GetRecord", Chain=chain) == "MissingParameter"


def altered(service: OnDisk, *statements: str) -> None:
    connection = apsw.Connection(str(service.directory.database))
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "change",
    ["action = 'ListKeys'", "kind = 'Nothing'", "resources = '['", "resources = '5'", "hash = x''"],
)
def test_a_record_that_was_altered_is_shown_as_such(tmp_path: Path, change: str) -> None:
    service = OnDisk(tmp_path / "data")
    service.key()
    service.key()
    altered(service, f"UPDATE audit SET {change} WHERE position = 1")
    console, chain = Console(service), service.world.server_id
    assert console.ok("GetRecord", Chain=chain, Sequence="1")["Intact"] is False
    assert len(looked_up(service, MaxItems="200")) >= 2
    (verified,) = console.ok("VerifyRecords")["Chains"]["Chain"]
    assert verified["Count"] == 0
    assert verified["Bad"].startswith(f"record 1 of chain {chain} was altered")


def test_a_record_of_a_log_of_several_chains_is_found(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    service.key()
    service.key()
    # As in a database that another server wrote to first.
    altered(service, "UPDATE audit SET position = position + 1000")
    console, chain = Console(service), service.world.server_id
    second = console.ok("GetRecord", Chain=chain, Sequence="2")
    assert (second["Record"]["Sequence"], second["Intact"]) == (2, True)


# --- how many


def test_calls_and_refusals_are_counted_by_the_minute(service: Service) -> None:
    service.key()  # too long ago
    service.clock.advance(3600)
    service.key()
    service.refused("Encrypt", KeyId="nowhere", Plaintext="x")
    service.clock.advance(120)
    service.key()
    counted = Console(service).ok("CountRecords")
    rows = counted["Minutes"]["Minute"]
    assert counted["Since"] == rows[0]["Time"] == "2026-01-02T03:07:00Z"
    assert len(rows) == 60
    assert {row["Time"]: (row["Calls"], row["Refused"]) for row in rows if row["Calls"]} == {
        "2026-01-02T04:04:00Z": (2, 1),
        "2026-01-02T04:06:00Z": (1, 0),
    }
    assert rows[-1]["Time"] == "2026-01-02T04:06:00Z"
    recent = Console(service).ok("CountRecords", Since="2026-01-02T04:05:00Z")["Minutes"]["Minute"]
    assert [row["Time"] for row in recent] == ["2026-01-02T04:05:00Z", "2026-01-02T04:06:00Z"]
    assert Console(service).ok("CountRecords", Since="2027-01-02T04:05:00Z")["Minutes"]["Minute"] == []
    assert Console(service).refused("CountRecords", Since="now") == "InvalidParameter"


def test_minutes_before_there_were_counts_are_told_as_such(service: Service) -> None:
    service.key()
    assert Console(service).ok("CountRecords")["Since"] == NOW
    service.clock.advance(3600)
    assert Console(service).ok("CountRecords")["Since"] == "2026-01-02T03:05:00Z"


# --- verified


def test_all_records_are_verified_in_so_many_calls(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5 - before(service)):
        service.key()
    monkeypatch.setattr("keystead.operations.console.records.VERIFIED", 4)
    monkeypatch.setattr("keystead.operations.console.records._SLICE", 2)
    console = Console(service)
    first = console.ok("VerifyRecords")
    assert (first["Verified"], first["TotalCount"]) == (4, 5)
    (chain,) = first["Chains"]["Chain"]
    assert (chain["Chain"], chain["Count"], chain["Bad"]) == (service.world.server_id, 4, "")
    second = console.ok("VerifyRecords", NextToken=first["NextToken"])
    # All that there were when it began: not what was recorded meanwhile.
    assert (second["Verified"], second["TotalCount"], second["NextToken"]) == (5, 5, "")
    service.store.begin()
    head = service.store.audit.head(service.world.server_id)
    service.store.rollback()
    (chain,) = second["Chains"]["Chain"]
    assert chain["Count"] == 5 == head.count - 2
    record = console.ok("GetRecord", Chain=chain["Chain"], Sequence="5")
    assert chain["Hash"] == record["Hash"]


def test_how_far_a_verification_is_has_a_limit() -> None:
    def token(position: int) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(Verified(position=position))).decode()

    console = Console(Service())
    assert console.ok("VerifyRecords", NextToken=token(10**12 - 1))["NextToken"] == ""
    for position in (-1, 10**12, 2**64 - 1):
        assert console.refused("VerifyRecords", NextToken=token(position)) == "InvalidParameter"


@pytest.mark.memory("a server of a shared database records first that it joined")
def test_an_empty_log_is_right(service: Service) -> None:
    assert Console(service).ok("VerifyRecords") == {
        "Chains": {"Chain": []},
        "Verified": 0,
        "TotalCount": 0,
        "NextToken": "",
    }


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b'{"position": "1"}').decode(),
        base64.urlsafe_b64encode(msgspec.json.encode(Verified(-1))).decode(),
    ],
)
def test_what_no_page_gave_is_no_place_to_go_on(token: str) -> None:
    assert Console(Service()).refused("VerifyRecords", NextToken=token) == "InvalidParameter"


def test_a_place_beyond_the_end_is_the_end(service: Service) -> None:
    service.key()
    token = base64.urlsafe_b64encode(msgspec.json.encode(Verified(99))).decode()
    assert Console(service).ok("VerifyRecords", NextToken=token)["NextToken"] == ""


def test_a_look_up_sees_what_was_answered_before_it(service: Service) -> None:
    for number in range(3):
        service.key(Description=str(number))
        (newest,) = looked_up(service, MaxItems="1")
        assert json.loads(newest["Parameters"]) == {"Description": str(number)}
