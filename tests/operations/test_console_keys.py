"""SearchKeys and SummarizeKeys: keys as the console lists them."""

import pytest

from keystead.domain.arns import key_arn
from keystead.store import listing
from tests.at_console import Console
from tests.harness import Members, Service
from tests.operations.test_accounts import made
from tests.ram import Ram, allow

DAY = 86_400


@pytest.fixture
def service(any_service: Service) -> Service:
    return any_service


def found(service: Service, **parameters: str) -> list[str]:
    """The ids of the keys that are found, the newest first."""
    return [key["KeyId"] for key in searched(service, **parameters)["Keys"]["Key"]]


def searched(service: Service, **parameters: str) -> Members:
    return Console(service).ok("SearchKeys", **parameters)


def test_a_key_is_listed_with_all_that_a_line_shows(service: Service) -> None:
    key_id = service.key(
        Description="of the web 密鑰",
        EnableAutomaticRotation="true",
        RotationInterval="7d",
        Tags='[{"TagKey": "team", "TagValue": "a"}, {"TagKey": "b", "TagValue": ""}]',
    )
    for name in ("alias/web", "alias/a"):
        service.ok("CreateAlias", KeyId=key_id, AliasName=name)
    assert searched(service) == {
        "Keys": {
            "Key": [
                {
                    "KeyId": key_id,
                    "Arn": key_arn(service.account, service.region, key_id),
                    "Description": "of the web 密鑰",
                    "KeyState": "Enabled",
                    "KeySpec": "Aliyun_AES_256",
                    "KeyUsage": "ENCRYPT/DECRYPT",
                    "Origin": "Aliyun_KMS",
                    "ProtectionLevel": "SOFTWARE",
                    "Creator": service.account,
                    "CreationDate": "2026-01-02T03:04:05Z",
                    "DeleteDate": "",
                    "MaterialExpireTime": "",
                    "AutomaticRotation": "Enabled",
                    "NextRotationDate": "2026-01-09T03:04:05Z",
                    "DeletionProtection": "Disabled",
                    "Aliases": {"Alias": ["alias/a", "alias/web"]},
                    "Tags": {"Tag": [{"TagKey": "b", "TagValue": ""}, {"TagKey": "team", "TagValue": "a"}]},
                }
            ]
        },
        "PageNumber": 1,
        "PageSize": 10,
        "TotalCount": 1,
    }


def test_a_key_is_found_by_part_of_any_of_its_names(service: Service) -> None:
    first = service.key(Description="Payment 100%_a\\b 密鑰")
    second = service.key(Tags='[{"TagKey": "Team", "TagValue": "Blue"}]')
    service.ok("CreateAlias", KeyId=second, AliasName="alias/web/Front")
    for query in ("payment", "PAYMENT 1", "100%", "%_A", "a\\b", "密", first, first.upper(), first[3:12]):
        assert found(service, Query=query) == [first], query
    for query in ("alias/web", "FRONT", "team", "blue", "Team"):
        assert found(service, Query=query) == [second], query
    for query in ("%%", "p_yment", "payment  100", "nowhere", "é"):
        assert found(service, Query=query) == [], query
    assert found(service, Query="a") == [second, first]


def test_a_key_is_found_by_one_of_its_names_as_a_whole(service: Service) -> None:
    first, second = service.key(Description="alias/web"), service.key()
    for name in ("alias/web", "alias/web2"):
        service.ok("CreateAlias", KeyId=second, AliasName=name)
    service.ok(
        "CreateAlias", KeyId=service.key(RegionId="cn-beijing"), AliasName="alias/far", RegionId="cn-beijing"
    )
    assert found(service, Name=first) == [first]
    assert found(service, Name=second) == found(service, Name="alias/web") == [second]
    for name in (
        "alias/we",
        "alias/WEB",
        "alias/web3",
        first[1:],
        first.upper(),
        "alias/far",
        "%",
        "alias/web%",
    ):
        assert found(service, Name=name) == [], name
    assert found(service, Name="alias/web2", KeyState="Disabled") == []
    assert found(service, Name="alias/web", Query="alias/web2") == [second]


def test_filters_hold_together(service: Service) -> None:
    tags = '[{"TagKey": "team", "TagValue": "a"}, {"TagKey": "for", "TagValue": "b"}]'
    signing = service.key(KeySpec="EC_P256", KeyUsage="SIGN/VERIFY")
    imported = service.key(Origin="EXTERNAL")
    disabled = service.key(Tags=tags, Description="web")
    service.ok("DisableKey", KeyId=disabled)
    assert found(service, KeySpec="EC_P256") == found(service, KeyUsage="SIGN/VERIFY") == [signing]
    assert found(service, Origin="EXTERNAL") == found(service, KeyState="PendingImport") == [imported]
    assert found(service, KeyState="Disabled") == [disabled]
    assert found(service, TagKey="team") == found(service, TagValue="b") == [disabled]
    assert found(service, TagKey="team", TagValue="a", Query="WEB", KeyState="Disabled") == [disabled]
    # The key and the value are of one tag.
    assert found(service, TagKey="team", TagValue="b") == []
    assert found(service, KeyState="Enabled", TagKey="team") == []
    assert searched(service, KeyState="Enabled")["TotalCount"] == 1


def test_pages_are_stretches_of_the_whole(service: Service) -> None:
    keys = [service.key(Description=f"number {number}") for number in range(5)][::-1]
    for more in ({}, {"Query": "number"}, {"KeyState": "Enabled"}):
        pages = [searched(service, PageNumber=str(page), PageSize="2", **more) for page in (1, 2, 3, 4)]
        assert [len(page["Keys"]["Key"]) for page in pages] == [2, 2, 1, 0]
        assert [key["KeyId"] for page in pages for key in page["Keys"]["Key"]] == keys
        assert [page["TotalCount"] for page in pages] == [5] * 4
        assert [page["PageNumber"] for page in pages] == [1, 2, 3, 4]


def test_pages_over_several_stretches(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "STRETCH", 4)
    keys = [service.key() for _ in range(14)][::-1]
    disabled = [keys[place] for place in (0, 3, 4, 11, 13)]
    for key_id in disabled:
        service.ok("DisableKey", KeyId=key_id)
    enabled = [one for one in keys if one not in disabled]
    for state, wanted in (("Disabled", disabled), ("Enabled", enabled), ("", keys), ("PendingDeletion", [])):
        for size in range(1, 16):
            pages = [
                searched(service, KeyState=state, PageSize=str(size), PageNumber=str(number))
                for number in range(1, len(wanted) // size + 2)
            ]
            assert [key["KeyId"] for page in pages for key in page["Keys"]["Key"]] == wanted
            assert {page["TotalCount"] for page in pages} == {len(wanted)}


def test_what_is_deleted_or_changed_is_found_as_it_is(service: Service) -> None:
    key_id = service.key(Description="before")
    service.ok("UpdateKeyDescription", KeyId=key_id, Description="after")
    assert found(service, Query="before") == []
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    (key,) = searched(service, Query="after")["Keys"]["Key"]
    assert (key["KeyState"], key["DeleteDate"]) == ("PendingDeletion", "2026-01-09T03:04:05Z")


def test_keys_of_other_regions_and_accounts_are_not_found(service: Service) -> None:
    service.key(RegionId="cn-beijing")
    assert found(service) == []
    assert len(found(service, RegionId="cn-beijing")) == 1


@pytest.mark.parametrize(
    ("name", "longest"), [("Query", 256), ("Name", 256), ("TagKey", 128), ("TagValue", 128)]
)  # fmt: skip
def test_texts_have_a_longest(name: str, longest: int) -> None:
    console = Console(Service())
    assert console.ok("SearchKeys", **{name: "a" * longest})["TotalCount"] == 0
    assert console.refused("SearchKeys", **{name: "a" * (longest + 1)}) == "InvalidParameter"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PageSize", "0"),
        ("PageSize", "101"),
        ("PageNumber", "0"),
        ("KeyState", "enabled"),
        ("KeySpec", "AES"),
        ("KeyUsage", "ENCRYPT"),
        ("Origin", "Other"),
    ],
)
def test_what_there_is_not_is_refused(name: str, value: str) -> None:
    assert Console(Service()).refused("SearchKeys", **{name: value}) == "InvalidParameter"


def test_a_page_has_a_hundred_keys_at_most(service: Service) -> None:
    for _ in range(101):
        service.key()
    page = searched(service, PageSize="100")
    assert (len(page["Keys"]["Key"]), page["TotalCount"]) == (100, 101)


@pytest.mark.parametrize("action", ["SearchKeys", "SummarizeKeys"])
def test_who_may_list_keys_may_search_and_sum_them_up(action: str) -> None:
    service = Service()
    here = f"acs:kms:{service.region}:{service.account}"
    Ram(service).user("alice", allow("kms:ListKeys", resource=f"{here}:key"))
    assert Console(service, "alice").ok(action)["TotalCount"] == 0
    Ram(service).user("bob", allow("kms:DescribeKey"), allow("kms:ListKeys", resource=f"{here}:key/*"))
    status, members = Console(service, "bob").call(action)
    assert (status, members["Code"]) == (403, "Forbidden.NoPermission")
    assert f" It needs kms:ListKeys on {here}:key, which no policy allows." in members["Message"]
    assert [(one.action, one.code) for one in service.records[-1:]] == [(action, "Forbidden.NoPermission")]
    stranger, _ = made(service)
    service.key()
    assert Console(service, account=stranger).ok(action)["TotalCount"] == 0


def test_keys_are_summed_up(service: Service) -> None:
    assert Console(service).ok("SummarizeKeys") == {
        "TotalCount": 0,
        "Amounts": {"Amount": []},
        "Rotations": {"Key": []},
        "Deletions": {"Key": []},
        "Expiries": {"Key": []},
    }
    rotation = {"EnableAutomaticRotation": "true"}
    late = service.key(RotationInterval="30d", Description="late", **rotation)
    soon = service.key(RotationInterval="7d", Description="soon", **rotation)
    suspended = service.key(RotationInterval="7d", **rotation)
    service.ok("DisableKey", KeyId=suspended)
    leaving = [service.key(Description=f"{days} days") for days in (12, 7)]
    for key_id, days in zip(leaving, ("12", "7"), strict=True):
        service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=days)
    service.key(KeySpec="EC_P256", KeyUsage="SIGN/VERIFY")
    service.key(RegionId="cn-beijing", RotationInterval="7d", **rotation)
    told = Console(service).ok("SummarizeKeys")
    assert told["TotalCount"] == 6
    assert told["Amounts"]["Amount"] == [
        {"KeyState": state, "KeySpec": spec, "KeyUsage": usage, "Count": count}
        for state, spec, usage, count in (
            ("Disabled", "Aliyun_AES_256", "ENCRYPT/DECRYPT", 1),
            ("Enabled", "Aliyun_AES_256", "ENCRYPT/DECRYPT", 2),
            ("Enabled", "EC_P256", "SIGN/VERIFY", 1),
            ("PendingDeletion", "Aliyun_AES_256", "ENCRYPT/DECRYPT", 2),
        )
    ]
    assert told["Rotations"]["Key"] == [
        {"KeyId": soon, "Description": "soon", "Date": "2026-01-09T03:04:05Z"},
        {"KeyId": late, "Description": "late", "Date": "2026-02-01T03:04:05Z"},
    ]
    assert [one["Description"] for one in told["Deletions"]["Key"]] == ["7 days", "12 days"]
    assert told["Expiries"]["Key"] == []


def test_ten_of_what_comes_next_are_told(service: Service) -> None:
    for _ in range(11):
        service.key(EnableAutomaticRotation="true", RotationInterval="7d")
    assert len(Console(service).ok("SummarizeKeys")["Rotations"]["Key"]) == 10
