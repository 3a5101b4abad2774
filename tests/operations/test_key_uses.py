"""UsageOfKey: who used a key, for whoever may describe it."""

import base64
import json

import pytest

from keystead.domain.products import KEYSTEAD, KMS
from keystead.operations.keystead import key_uses
from tests.at_console import Console
from tests.harness import Members, Service
from tests.operations.test_accounts import made
from tests.ram import Ram, allow


@pytest.fixture
def service(any_service: Service) -> Service:
    return any_service


def asked(console: Console, **parameters: str) -> tuple[int, Members]:
    return console.service.console("UsageOfKey", console.token, KEYSTEAD, **parameters)


def usage(console: Console, key_id: str) -> Members:
    status, members = asked(console, KeyId=key_id)
    assert status == 200, members
    return members


def test_uses_are_told_by_caller_operation_and_version(service: Service) -> None:
    key_id = service.key(KeySpec="EC_P256", KeyUsage="SIGN/VERIFY")
    (version,) = service.ok("ListKeyVersions", KeyId=key_id)["KeyVersions"]["KeyVersion"]
    signing = {"KeyId": key_id, "KeyVersionId": version["KeyVersionId"], "Algorithm": "ECDSA_SHA_256"}
    digest = base64.b64encode(bytes(32)).decode()
    for _ in range(2):
        service.ok("AsymmetricSign", Digest=digest, **signing)
        service.clock.advance(10)
    Ram(service).user("alice")
    alice = Console(service, "alice")
    status, _ = service.console("AsymmetricSign", alice.token, KMS, Digest=digest, **signing)
    assert status == 403
    told = usage(Console(service), key_id)
    first, second = told["Uses"]["Use"]
    assert (told["KeyId"], told["TotalCount"], told["Since"]) == (key_id, 2, "2026-01-02T03:04:05Z")
    assert {name: first[name] for name in ("UserName", "CallerType", "AccessKeyId", "Count", "Refused")} == {
        "UserName": "alice",
        "CallerType": "ram-user",
        "AccessKeyId": "",
        "Count": 1,
        "Refused": 1,
    }
    assert first["LastDate"] == "2026-01-02T03:04:25Z"
    assert (second["Action"], second["KeyVersionId"]) == ("AsymmetricSign", version["KeyVersionId"])
    assert (second["LastDate"], second["Count"], second["Refused"]) == ("2026-01-02T03:04:15Z", 2, 0)
    assert second["AccountId"] == service.account


def test_a_program_is_told_by_its_access_key() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    arn = f"acs:kms:{service.region}:{service.account}:key/{key_id}"
    for name in (key_id, "alias/a", arn):
        told = service.ok("UsageOfKey", Version=KEYSTEAD.version, KeyId=name)
        (use,) = told["Uses"]["Use"]
        assert (use["AccessKeyId"], use["CallerType"]) == (service.access_key[0], "root-account")
        assert told["KeyId"] == key_id
    assert service.refused("UsageOfKey", Version=KEYSTEAD.version) == "MissingParameter"
    assert (
        service.refused("UsageOfKey", Version=KEYSTEAD.version, KeyId="alias/b") == "Forbidden.AliasNotFound"
    )


def test_the_use_by_another_account_is_told_to_the_owner(service: Service) -> None:
    key_id = service.key()
    stranger, _ = made(service)
    here = {"Effect": "Allow", "Action": "kms:*", "Resource": ["*"]}
    policy = {
        "Version": "1",
        "Statement": [
            {**here, "Principal": {"RAM": [f"acs:ram::{account}:*"]}}
            for account in (service.account, stranger)
        ],
    }
    service.ok("SetKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))
    arn = f"acs:kms:{service.region}:{service.account}:key/{key_id}"
    theirs = Console(service, account=stranger)
    assert service.console("Encrypt", theirs.token, KMS, KeyId=arn, Plaintext="x")[0] == 200
    (use,) = usage(Console(service), key_id)["Uses"]["Use"]
    assert (use["AccountId"], use["CallerType"], use["Action"]) == (stranger, "root-account", "Encrypt")
    status, members = asked(theirs, KeyId=arn)
    assert (status, members["Code"]) == (404, "Forbidden.KeyNotFound")


def test_the_latest_are_told_first_and_no_more_than_so_many(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.clock.advance(1)
    service.ok("Decrypt", CiphertextBlob=blob)
    service.clock.advance(1)
    service.ok("GenerateDataKey", KeyId=key_id)
    assert [one["Action"] for one in usage(Console(service), key_id)["Uses"]["Use"]] == [
        "GenerateDataKey",
        "Decrypt",
        "Encrypt",
    ]
    monkeypatch.setattr(key_uses, "USES", 2)
    told = usage(Console(service), key_id)
    assert (len(told["Uses"]["Use"]), told["TotalCount"]) == (2, 3)


def test_who_may_describe_a_key_may_see_its_uses() -> None:
    service = Service()
    key_id = service.key()
    arn = f"acs:kms:{service.region}:{service.account}:key/{key_id}"
    Ram(service).user("alice", allow("kms:DescribeKey", resource=arn))
    Ram(service).user("bob", allow("actiontrail:*", "keystead:*"))
    assert usage(Console(service, "alice"), key_id)["Uses"]["Use"] == []
    status, members = asked(Console(service, "bob"), KeyId=key_id)
    assert (status, members["Code"]) == (403, "Forbidden.NoPermission")
    status, members = service.operate("UsageOfKey", KeyId=key_id)
    assert (status, members["KeyId"]) == (200, key_id)
