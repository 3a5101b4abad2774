import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from keystead.domain.keys.key import DAY
from tests.harness import OnDisk, Service

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
            "UnsupportedOperation",
        ),
        (
            {"KeySpec": "EC_P256", "EnableAutomaticRotation": "true", "RotationInterval": "7d"},
            "UnsupportedOperation",
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
        '[{"Key": "KeyState", "Values": "Enabled"}]',
        '[{"Key": "KeyState", "Values": [1]}]',
        json.dumps([{"Key": "KeyState", "Values": []}] * 11),
        json.dumps([{"Key": "KeyState", "Values": ["x"] * 11}]),
    ],
)
def test_list_keys_refuses_bad_filters(filters: str) -> None:
    assert Service().refused("ListKeys", Filters=filters) == "InvalidParameter"


# The keys that are looked for, by names of this test alone.
FLOCK: dict[str, dict[str, str]] = {
    "plain": {},
    "short": {"KeySpec": "Aliyun_AES_128"},  # disabled
    "doomed": {},  # pending deletion
    "waiting": {"Origin": "EXTERNAL"},
    "signer": {"KeySpec": "EC_P256"},
    "sealer": {"KeySpec": "EC_SM2"},
    "coder": {"KeySpec": "HMAC_SHA_256"},
    "placed": {
        "DKMSInstanceId": "kst-1",
        "Tags": '[{"TagKey":"a","TagValue":"1"},{"TagKey":"b","TagValue":"2"}]',
    },
    "tagged": {"Tags": '[{"TagKey":"a","TagValue":"2"}]'},
}
ALL = list(FLOCK)
OWN = [name for name in ALL if name != "waiting"]
ENABLED = ["plain", "signer", "sealer", "coder", "placed", "tagged"]


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def flock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with these keys, and their ids."""
    with ExitStack() as stack:
        service = Service()
        if request.param != "memory":
            url = ""
            if request.param == "postgresql":
                url = stack.enter_context(request.getfixturevalue("databases").one())
            service = OnDisk(tmp_path_factory.mktemp("flock") / "data", url)
            stack.callback(service.store.close)
        yield service, put_into(service)


def put_into(service: Service) -> dict[str, str]:
    ids = {name: service.key(**parameters) for name, parameters in FLOCK.items()}
    service.ok("DisableKey", KeyId=ids["short"])
    service.ok("ScheduleKeyDeletion", KeyId=ids["doomed"], PendingWindowInDays="7")
    for name in ("signer", "placed"):
        service.ok("CreateAlias", AliasName=f"alias/{name}", KeyId=ids[name])
    return ids


def found(flock: tuple[Service, dict[str, str]], *rows: tuple[str, list[str]]) -> list[str]:
    """The names of the keys that a filter finds, page by page, with the count that every page tells."""
    service, ids = flock
    known = {"ACCOUNT": service.account, **{name.upper(): key_id for name, key_id in ids.items()}}
    filters = json.dumps(
        [{"Key": key, "Values": [known.get(one, one) for one in values]} for key, values in rows]
    )
    names = {key_id: name for name, key_id in ids.items()}
    pages = [
        service.ok("ListKeys", Filters=filters, PageSize="2", PageNumber=str(number))
        for number in range(1, 7)
    ]
    listed = [[names[key["KeyId"]] for key in page["Keys"]["Key"]] for page in pages]
    whole = [name for page in listed for name in page]
    assert {page["TotalCount"] for page in pages} == {len(whole)}
    assert [len(page) for page in listed] == [max(0, min(2, len(whole) - start)) for start in range(0, 12, 2)]
    return whole


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("KeyState", ["Enabled"], ENABLED),
        ("KeyState", ["Disabled"], ["short"]),
        ("KeyState", ["PendingDeletion"], ["doomed"]),
        ("KeyState", ["PendingImport"], ["waiting"]),
        ("KeyState", ["PendingImport", "Disabled"], ["short", "waiting"]),
        ("KeySpec", ["EC_P256"], ["signer"]),
        ("KeySpec", ["RSA_2048"], []),
        ("KeySpec", ["HMAC_SHA_256", "Aliyun_AES_128"], ["short", "coder"]),
        ("KeyUsage", ["SIGN/VERIFY"], ["signer"]),
        ("KeyUsage", ["GENERATE/VERIFY_MAC"], ["coder"]),
        (
            "KeyUsage",
            ["ENCRYPT/DECRYPT"],
            ["plain", "short", "doomed", "waiting", "sealer", "placed", "tagged"],
        ),
        ("KeyUsage", ["SIGN/VERIFY", "GENERATE/VERIFY_MAC"], ["signer", "coder"]),
        ("Origin", ["EXTERNAL"], ["waiting"]),
        ("Origin", ["Aliyun_KMS"], OWN),
        ("Origin", ["Aliyun_KMS", "EXTERNAL"], ALL),
        ("ProtectionLevel", ["SOFTWARE"], ALL),
        ("ProtectionLevel", ["HSM"], []),
        ("ProtectionLevel", ["HSM", "SOFTWARE"], ALL),
        ("Creator", ["ACCOUNT"], ALL),
        ("Creator", ["1999999999999999"], []),
        ("CreatorType", ["User"], ALL),
        ("CreatorType", ["Service"], []),
        ("DKMSInstanceId", ["kst-1"], ["placed"]),
        ("DKMSInstanceId", ["kst-2"], []),
        ("keyId", ["SIGNER", "PLAIN", "none"], ["plain", "signer"]),
        ("AliasName", ["alias/placed"], ["placed"]),
        ("AliasName", ["alias/placed", "alias/signer"], ["signer", "placed"]),
        ("AliasName", ["alias/none"], []),
        ("TagKey", ["a"], ["placed", "tagged"]),
        ("TagKey", ["b"], ["placed"]),
        ("TagValue", ["2"], ["placed", "tagged"]),
        ("TagValue", ["1"], ["placed"]),
        ("KeyState", [], ALL),
    ],
)
def test_list_keys_finds_what_one_filter_wants(
    key: str, values: list[str], expected: list[str], flock: tuple[Service, dict[str, str]]
) -> None:
    assert found(flock, (key, values)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [("KeyState", ["Enabled"]), ("KeyUsage", ["ENCRYPT/DECRYPT"])],
            ["plain", "sealer", "placed", "tagged"],
        ),
        ([("KeyUsage", ["ENCRYPT/DECRYPT"]), ("Origin", ["EXTERNAL"])], ["waiting"]),
        ([("KeyUsage", ["SIGN/VERIFY"]), ("Origin", ["EXTERNAL"])], []),
        ([("KeyUsage", ["SIGN/VERIFY"]), ("Origin", ["Aliyun_KMS"])], ["signer"]),
        ([("KeySpec", ["EC_P256", "EC_SM2"]), ("KeyUsage", ["ENCRYPT/DECRYPT"])], ["sealer"]),
        ([("KeySpec", ["EC_P256"]), ("ProtectionLevel", ["HSM"])], []),
        ([("KeyState", ["PendingImport"]), ("Origin", ["Aliyun_KMS"])], []),
        ([("KeyState", ["Disabled"]), ("KeyState", ["PendingDeletion"])], ["short", "doomed"]),
        ([("AliasName", ["alias/signer", "alias/placed"]), ("KeyUsage", ["SIGN/VERIFY"])], ["signer"]),
        ([("TagKey", ["a"]), ("TagValue", ["2"])], ["tagged"]),
        ([("TagKey", ["b"]), ("DKMSInstanceId", ["kst-1"])], ["placed"]),
        ([("keyId", ["PLAIN", "SIGNER"]), ("KeySpec", ["EC_P256"])], ["signer"]),
        ([], ALL),
    ],
)
def test_list_keys_finds_what_all_filters_want(
    rows: list[tuple[str, list[str]]], expected: list[str], flock: tuple[Service, dict[str, str]]
) -> None:
    assert found(flock, *rows) == expected


def test_an_instance_has_a_protection_level_of_its_own() -> None:
    service = Service()
    made = service.ok("CreateKey", ProtectionLevel="HSM", DKMSInstanceId="kst-1")["KeyMetadata"]
    assert made["ProtectionLevel"] == "SOFTWARE"


def test_a_key_is_gone_from_the_second_that_its_deletion_is_due() -> None:
    """Whether the service has got to it yet or not."""
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=key_id)
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * DAY - 1)
    assert service.refused("Decrypt", CiphertextBlob=blob) == "Rejected.PendingDeletion"
    service.clock.advance(1)
    assert service.refused("DescribeKey", KeyId=key_id) == "Forbidden.KeyNotFound"
    assert service.refused("DescribeKey", KeyId="alias/a") == "Forbidden.AliasNotFound"
    assert service.refused("CancelKeyDeletion", KeyId=key_id) == "Forbidden.KeyNotFound"
    assert service.refused("Decrypt", CiphertextBlob=blob) == "InvalidParameter"


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
    service.ok("SetDeletionProtection", KeyId=key_id, ProtectedResourceArn=key_id, **on)
    other = service.key()
    assert (
        service.refused("SetDeletionProtection", KeyId=key_id, ProtectedResourceArn=other, **on)
        == "InvalidParameter"
    )
