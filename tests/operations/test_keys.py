import json

import pytest

from keystead.domain.keys import DAY
from tests.harness import Service

GUIDE = [
    "CreationDate", "Description", "KeyId", "KeyState", "KeyUsage", "DeleteDate", "Creator", "Arn", "Origin",
    "MaterialExpireTime",
]  # fmt: skip


def test_create_key_answers_the_guides_members_in_its_order() -> None:
    service = Service()
    status, members = service.call("CreateKey")
    assert status == 200
    assert list(members) == ["KeyMetadata", "RequestId"]
    metadata = members["KeyMetadata"]
    assert [name for name in metadata if name in GUIDE] == GUIDE
    assert metadata["KeyState"] == "Enabled"
    assert metadata["KeySpec"] == "Aliyun_AES_256"
    assert metadata["CreationDate"] == metadata["LastRotationDate"] == "2026-01-02T03:04:05Z"
    assert metadata["DeleteDate"] == metadata["MaterialExpireTime"] == metadata["Description"] == ""
    assert metadata["Creator"] == service.account
    assert metadata["Arn"] == f"acs:kms:cn-hangzhou:{service.account}:key/{metadata['KeyId']}"
    assert metadata["AutomaticRotation"] == "Disabled"
    assert "DKMSInstanceId" not in metadata


def test_create_key_keeps_description_tags_and_instance() -> None:
    service = Service()
    tags = json.dumps([{"TagKey": "team", "TagValue": "web"}, {"TagKey": "empty"}])
    metadata = service.ok("CreateKey", Description="密钥", Tags=tags, DKMSInstanceId="kst-1")["KeyMetadata"]
    assert metadata["Description"] == "密钥"
    assert metadata["DKMSInstanceId"] == "kst-1"
    found = service.store.keys.tags(service.account, "cn-hangzhou", metadata["KeyId"])
    assert found == {"team": "web", "empty": ""}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"KeySpec": "Aliyun_AES_512"}, "InvalidParameter"),
        ({"KeyUsage": "SIGN/VERIFY"}, "InvalidParameter"),
        ({"Origin": "EXTERNAL_KEY_STORE"}, "Unsupported.Origin"),
        ({"Origin": "EXTERNAL", "KeySpec": "RSA_2048"}, "Unsupported.Origin"),
        ({"Origin": "EXTERNAL", "KeySpec": "HMAC_SHA_256"}, "Unsupported.Origin"),
        (
            {"Origin": "EXTERNAL", "EnableAutomaticRotation": "true", "RotationInterval": "7d"},
            "Rejected.UnsupportedOperation",
        ),
        (
            {"KeySpec": "EC_P256", "EnableAutomaticRotation": "true", "RotationInterval": "7d"},
            "Rejected.UnsupportedOperation",
        ),
        ({"KeySpec": "EC_P256", "KeyUsage": "ENCRYPT/DECRYPT"}, "InvalidParameter"),
        ({"KeySpec": "RSA_2048", "KeyUsage": "GENERATE/VERIFY_MAC"}, "InvalidParameter"),
        ({"KeySpec": "HMAC_SM3", "KeyUsage": "SIGN/VERIFY"}, "InvalidParameter"),
        ({"KeyStorageMechanism": "Paper"}, "InvalidParameter"),
        ({"EnableAutomaticRotation": "true", "RotationInterval": "6d"}, "InvalidParameter"),
        ({"Policy": "["}, "InvalidParameter"),
        ({"Origin": "aliyun_kms"}, "InvalidParameter"),
        ({"ProtectionLevel": "HSM"}, "Unsupported.ProtectionLevel"),
        ({"ProtectionLevel": "software"}, "InvalidParameter"),
        ({"EnableAutomaticRotation": "True"}, "MissingParameter"),
        ({"EnableAutomaticRotation": "yes"}, "InvalidParameter"),
        ({"Policy": "{}"}, "InvalidParameter"),
        ({"Description": "d" * 8193}, "InvalidParameter"),
    ],
)
def test_create_key_refuses(parameters: dict[str, str], code: str) -> None:
    service = Service()
    assert service.refused("CreateKey", **parameters) == code
    assert service.ok("ListKeys")["TotalCount"] == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"Description": "d" * 8192},
        {"KeyStorageMechanism": "HsmInternal"},
        {"EnableAutomaticRotation": "false", "RotationInterval": "of no meaning"},
        {"EnableAutomaticRotation": "False"},
        {"EnableAutomaticRotation": "false", "KeySpec": "Aliyun_AES_256", "KeyUsage": "ENCRYPT/DECRYPT"},
        {"KeySpec": "Aliyun_AES_192"},
        {"KeySpec": "Aliyun_AES_128"},
        {"KeySpec": "Aliyun_SM4"},
        {"Origin": "Aliyun_KMS", "ProtectionLevel": "SOFTWARE", "Policy": ""},
    ],
)
def test_create_key_accepts(parameters: dict[str, str]) -> None:
    assert Service().ok("CreateKey", **parameters)


def test_describe_key_shows_deletion_protection_too() -> None:
    service = Service()
    key_id = service.key(Description="d")
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["DeletionProtection"] == "Disabled"
    assert metadata["Description"] == "d"


def test_disable_and_enable_key() -> None:
    service = Service()
    key_id = service.key()
    for action, state in (("DisableKey", "Disabled"), ("EnableKey", "Enabled")):
        assert list(service.ok(action, KeyId=key_id)) == ["RequestId"]
        assert service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == state


def test_schedule_and_cancel_key_deletion() -> None:
    service = Service()
    key_id = service.key()
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["KeyState"] == "PendingDeletion"
    assert metadata["DeleteDate"] == "2026-01-09T03:04:05Z"
    service.clock.advance(7 * DAY - 1)
    service.ok("CancelKeyDeletion", KeyId=key_id)
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled"
    assert metadata["DeleteDate"] == ""


@pytest.mark.parametrize(
    ("days", "accepted"), [("6", 0), ("7", 1), ("366", 1), ("367", 0), ("7.5", 0), ("", 0)]
)
def test_pending_window_is_7_to_366_days(days: str, accepted: int) -> None:
    service = Service()
    status, _ = service.call("ScheduleKeyDeletion", KeyId=service.key(), PendingWindowInDays=days)
    assert (status == 200) == bool(accepted)


def test_update_key_description_may_empty_it() -> None:
    service = Service()
    key_id = service.key(Description="old")
    service.ok("UpdateKeyDescription", KeyId=key_id, Description="")
    assert service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["Description"] == ""
    assert service.refused("UpdateKeyDescription", KeyId=key_id) == "MissingParameter"
    assert service.refused("UpdateKeyDescription", KeyId=key_id, Description="d" * 8193) == "InvalidParameter"


def test_list_keys_pages_in_order_of_creation() -> None:
    service = Service()
    ids = [service.key() for _ in range(5)]
    first = service.ok("ListKeys", PageSize="2")
    assert list(first) == ["Keys", "TotalCount", "PageNumber", "PageSize", "RequestId"]
    assert [key["KeyId"] for key in first["Keys"]["Key"]] == ids[:2]
    assert first["Keys"]["Key"][0]["KeyArn"].endswith(f":key/{ids[0]}")
    assert (first["TotalCount"], first["PageNumber"], first["PageSize"]) == (5, 1, 2)
    last = service.ok("ListKeys", PageNumber="3", PageSize="2")
    assert [key["KeyId"] for key in last["Keys"]["Key"]] == ids[4:]
    assert service.ok("ListKeys", PageNumber="4", PageSize="2")["Keys"] == {"Key": []}


@pytest.mark.parametrize(("size", "accepted"), [("0", 0), ("1", 1), ("100", 1), ("101", 0), ("-1", 0)])
def test_page_size_is_1_to_100(size: str, accepted: int) -> None:
    for action in ("ListKeys", "ListAliases"):
        assert (Service().call(action, PageSize=size)[0] == 200) == bool(accepted)


@pytest.mark.parametrize(("number", "accepted"), [("0", 0), ("1", 1), ("2147483647", 1), ("2147483648", 0)])
def test_page_number_begins_at_1(number: str, accepted: int) -> None:
    assert (Service().call("ListKeys", PageNumber=number)[0] == 200) == bool(accepted)


def test_list_keys_filters_by_state() -> None:
    service = Service()
    kept, disabled = service.key(), service.key()
    service.ok("DisableKey", KeyId=disabled)
    filters = json.dumps([{"Key": "KeyState", "Values": ["Disabled", "PendingDeletion"]}])
    page = service.ok("ListKeys", Filters=filters)
    assert [key["KeyId"] for key in page["Keys"]["Key"]] == [disabled]
    filters = json.dumps(
        [{"Key": "KeyState", "Values": ["Enabled"]}, {"Key": "KeySpec", "Values": ["Aliyun_AES_256"]}]
    )
    assert [key["KeyId"] for key in service.ok("ListKeys", Filters=filters)["Keys"]["Key"]] == [kept]


@pytest.mark.parametrize(
    "filters",
    [
        "{}",
        "[1]",
        "nonsense",
        '[{"Key": "KeyState"}]',
        '[{"Key": "Colour", "Values": ["x"]}]',
        '[{"Key": [], "Values": ["x"]}]',
        '[{"Key": "KeyState", "Values": 1}]',
        '[{"Key": "KeyState", "Values": ["\\ud800"]}]',
        '[{"Key": "KeyState", "Values": []}]',
        '[{"Key": "KeyState", "Values": "Enabled"}]',
        '[{"Key": "KeyState", "Values": [1]}]',
        '[{"Key": "KeyState", "Values": ["Enabled"]}, {"Key": "KeyState", "Values": ["Disabled"]}]',
    ],
)
def test_list_keys_refuses_bad_filters(filters: str) -> None:
    assert Service().refused("ListKeys", Filters=filters) == "InvalidParameter"


def test_keys_live_in_their_region() -> None:
    service = Service()
    key_id = service.key(RegionId="cn-beijing")
    assert service.refused("DescribeKey", KeyId=key_id) == "Forbidden.KeyNotFound"
    host = "kms-vpc.cn-beijing.aliyuncs.com"
    arn = service.ok("DescribeKey", host=host, KeyId=key_id)["KeyMetadata"]["Arn"]
    assert arn.startswith("acs:kms:cn-beijing:")


def test_a_protected_key_is_not_deleted() -> None:
    service = Service()
    created = service.ok("CreateKey")["KeyMetadata"]
    key_id = created["KeyId"]
    about = {"ProtectedResourceArn": created["Arn"], "DeletionProtectionDescription": "used by web"}
    service.ok("SetDeletionProtection", EnableDeletionProtection="true", **about)
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert (metadata["DeletionProtection"], metadata["DeletionProtectionDescription"]) == (
        "Enabled",
        "used by web",
    )
    schedule = {"KeyId": key_id, "PendingWindowInDays": "7"}
    assert service.refused("ScheduleKeyDeletion", **schedule) == "Rejected.DeletionProtection"
    service.ok("SetDeletionProtection", EnableDeletionProtection="false", **about)
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["DeletionProtection"] == "Disabled"
    assert "DeletionProtectionDescription" not in metadata
    service.ok("ScheduleKeyDeletion", **schedule)
    assert (
        service.refused("SetDeletionProtection", EnableDeletionProtection="true", **about)
        == "Rejected.PendingDeletion"
    )


def test_a_key_to_protect_is_named_once() -> None:
    service = Service()
    key_id = service.key()
    on = {"EnableDeletionProtection": "true"}
    service.ok("SetDeletionProtection", KeyId=key_id, **on)
    assert service.refused("SetDeletionProtection", **on) == "MissingParameter"
    assert (
        service.refused("SetDeletionProtection", KeyId=key_id, ProtectedResourceArn=key_id, **on)
        == "InvalidParameter"
    )
