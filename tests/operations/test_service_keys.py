"""Keys of the vendor's services, which nobody creates: `alias/acs/CODE` is there for whoever names it."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from keystead.api.authorization import Authorizer
from keystead.api.operation import CATALOGUE
from keystead.api.wire_types import KeyReference, Role
from keystead.crypto.primitives import asymmetric
from keystead.domain.keys import aliases
from keystead.domain.keys.key import KeyFilter, KeySpec
from keystead.domain.products import KMS
from keystead.errors import AliasUnsupported, NoPermission
from tests.harness import OnDisk, Service, base64_of
from tests.operations.test_states import SM2_WRAPPING, wanted

MSE = "alias/acs/mse"


def made(service: Service, region: str = "cn-hangzhou") -> int:
    """How many keys there are in a region."""
    return service.store.keys.page(service.account, region, KeyFilter(), 0, 1).total


def wrapping(service: Service) -> dict[str, str]:
    private = service.world.vault.generate(KeySpec.EC_SM2)
    return {**SM2_WRAPPING, "PublicKeyBlob": base64_of(asymmetric.public_key(KeySpec.EC_SM2, private))}


CALLS: dict[str, Callable[[Service], dict[str, str]]] = {
    "DescribeKey": lambda service: {},
    "Encrypt": lambda service: {"Plaintext": "x"},
    "GenerateDataKey": lambda service: {},
    "GenerateDataKeyWithoutPlaintext": lambda service: {},
    "GenerateAndExportDataKey": wrapping,
    "ListKeyVersions": lambda service: {},
}


@pytest.fixture
def service(any_service: Service) -> Service:
    return any_service


@pytest.mark.parametrize("action", CALLS)
def test_whichever_call_names_it_first_makes_it_and_none_makes_it_again(
    service: Service, action: str
) -> None:
    first = service.ok(action, KeyId=MSE, **CALLS[action](service))
    assert made(service) == 1
    metadata = service.ok("DescribeKey", KeyId=MSE)["KeyMetadata"]
    for member in ("Creator", "KeySpec", "KeyUsage", "Origin", "KeyState", "AutomaticRotation"):
        assert (
            metadata[member]
            == {
                "Creator": "MSE",
                "KeySpec": "Aliyun_AES_256",
                "KeyUsage": "ENCRYPT/DECRYPT",
                "Origin": "Aliyun_KMS",
                "KeyState": "Enabled",
                "AutomaticRotation": "Disabled",
            }[member]
        )
    assert first.get("KeyId", metadata["KeyId"]) == metadata["KeyId"]
    for again in CALLS:
        service.ok(again, KeyId=MSE, **CALLS[again](service))
    assert made(service) == 1
    (alias,) = service.ok("ListAliases")["Aliases"]["Alias"]
    assert (alias["AliasName"], alias["KeyId"]) == (MSE, metadata["KeyId"])


def test_calls_of_one_batch_share_the_one_that_is_made() -> None:
    service = Service()
    slow = wrapping(service)
    requests = [
        service.request("GenerateAndExportDataKey", {"KeyId": MSE, **slow}),
        service.request("Encrypt", {"KeyId": MSE, "Plaintext": "x"}),
        service.request("GenerateAndExportDataKey", {"KeyId": MSE, **slow}),
    ]
    ids = {json.loads(one.response.body)["KeyId"] for one in service.answer(*requests)}
    assert len(ids) == made(service) == 1


def test_it_is_the_same_after_a_restart(on_disk: OnDisk) -> None:
    service = on_disk
    blob = service.ok("Encrypt", KeyId=MSE, Plaintext="x")["CiphertextBlob"]
    service.store.close()
    service.directory.unlock()
    service.start()
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
    service.ok("Encrypt", KeyId=MSE, Plaintext="x")
    assert made(service) == 1
    assert service.refused("DisableKey", KeyId=service.ok("DescribeKey", KeyId=MSE)["KeyMetadata"]["KeyId"])


def test_each_service_account_and_region_has_its_own() -> None:
    service = Service()
    for code in sorted(aliases.SERVICES):
        metadata = service.ok("DescribeKey", KeyId=f"alias/acs/{code}")["KeyMetadata"]
        assert metadata["Creator"] == code.upper()
    assert made(service) == len(aliases.SERVICES)
    arn = f"acs:kms:cn-beijing:{service.account}:{MSE}"
    service.ok("Encrypt", KeyId=arn, Plaintext="x", RegionId="cn-beijing")
    assert made(service, "cn-beijing") == 1
    for elsewhere in (arn, arn.replace(service.account, "2000000000000002")):
        assert service.refused("Encrypt", KeyId=elsewhere, Plaintext="x") == "Forbidden.AliasNotFound"
    assert made(service) == len(aliases.SERVICES)


@pytest.mark.parametrize(
    "name",
    ["alias/acs/none", "alias/acs/MSE", "alias/acs/oss/default", "alias/acs", "alias/acs/", "alias/mse"],
)
def test_what_is_no_services_alias_is_not_found(name: str) -> None:
    service = Service()
    assert service.refused("Encrypt", KeyId=name, Plaintext="x") in (
        "Forbidden.AliasNotFound", "InvalidParameter",
    )  # fmt: skip
    assert made(service) == 0


def test_nobody_gives_the_name_to_a_key() -> None:
    service = Service()
    key_id = service.key()
    for action in ("CreateAlias", "UpdateAlias"):
        assert service.refused(action, AliasName=MSE, KeyId=key_id) == "InvalidParameter"
    service.ok("Encrypt", KeyId=MSE, Plaintext="x")
    assert service.refused("DeleteAlias", AliasName=MSE) == "InvalidParameter"


CHANGING = [
    one.action
    for one in CATALOGUE.of(KMS)
    if one.changes and any(field.param.role in (Role.KEY, Role.KEYS) for field in one.fields)
]
ALLOWED = "SetDeletionProtection"
# Those that the parameters of an ordinary call can't be had for: of other keys than a service's.
MORE = {
    "CreateAlias": {"AliasName": "alias/new"},
    "UpdateAlias": {"AliasName": "alias/mine"},
    "ImportKeyMaterial": {
        "EncryptedKeyMaterial": "AA==",
        "ImportToken": "AA==",
        "KeyMaterialExpireUnix": "0",
    },
    "DeleteKeyMaterial": {},
}


@pytest.mark.parametrize("action", CHANGING)
def test_users_change_nothing_of_it(service: Service, action: str) -> None:
    key_id = service.ok("DescribeKey", KeyId=MSE)["KeyMetadata"]["KeyId"]
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=service.key())
    asked = {"KeyId": key_id, **MORE[action]} if action in MORE else wanted(service, action, key_id)
    place = (service.account, "cn-hangzhou", key_id)
    before = service.store.keys.get(*place), service.store.keys.tags(*place)
    status, members = service.call(action, **asked)
    if action == ALLOWED:
        assert status == 200
        return
    assert (service.store.keys.get(*place), service.store.keys.tags(*place)) == before
    assert service.ok("ListAliasesByKeyId", KeyId=key_id)["TotalCount"] == 1
    if action == "CancelKeyDeletion":
        assert members["Code"] == "Rejected.StateModifiedFailed"  # as of any key that is not to be deleted
        return
    assert members["Code"] == "UnsupportedOperation"
    assert "service key" in members["Message"]


def test_a_call_that_is_refused_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    refusals = [
        ("AsymmetricSign", {"KeyVersionId": "v", "Algorithm": "SM2DSA", "Digest": base64_of(bytes(32))}),
        ("GetPublicKey", {"KeyVersionId": "v"}),
        ("CreateKeyVersion", {}),
        ("Encrypt", {"Plaintext": "x" * 9000}),
        ("Encrypt", {}),
    ]
    for action, more in refusals:
        assert service.refused(action, KeyId=MSE, **more)
    assert made(service) == 0

    def denied(*_: object) -> None:
        raise NoPermission(about="", detail=None)

    monkeypatch.setattr(Authorizer, "authorize", denied)
    assert service.refused("Encrypt", KeyId=MSE, Plaintext="x") == "Forbidden.NoPermission"
    assert made(service) == 0
    assert {one.action for one in service.records} & {"CreateServiceKey"} == set()
    assert all("key/" not in one.resources for one in service.records)
    assert service.world.vault._material == {}


def test_a_call_that_fails_when_the_key_is_there_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(service.world.vault, "seal", broken)
        assert service.refused("Encrypt", KeyId=MSE, Plaintext="x") == "InternalFailure"
    assert made(service) == 0
    assert service.ok("ListAliases")["TotalCount"] == 0
    service.ok("Encrypt", KeyId=MSE, Plaintext="x")
    assert made(service) == 1


@pytest.mark.parametrize("action", CALLS)
def test_a_dry_run_makes_none_and_answers_as_the_call_would(service: Service, action: str) -> None:
    asked = {"KeyId": MSE, **CALLS[action](service)}
    assert service.refused(action, **asked, DryRun="true") == "DryRunOperationError"
    assert made(service) == 0
    assert service.ok("ListAliases")["TotalCount"] == 0
    assert service.world.vault._material == {}
    service.ok(action, **asked)
    assert service.refused(action, **asked, DryRun="true") == "DryRunOperationError"
    assert made(service) == 1


def test_it_is_recorded_before_the_call_that_it_was_made_for() -> None:
    service = Service()
    status, members = service.call("Encrypt", KeyId=MSE, Plaintext="x")
    assert status == 200
    event, call = service.records
    assert (event.kind, event.action, event.caller_type, event.principal) == (
        "ServiceEvent", "CreateServiceKey", "service", "keystead",
    )  # fmt: skip
    assert json.loads(event.parameters) == {"AliasName": MSE, "RequestId": members["RequestId"]}
    assert call.action == "Encrypt"
    key_arn = f"acs:kms:cn-hangzhou:{service.account}:key/{members['KeyId']}"
    assert json.loads(event.resources) == [key_arn]
    assert json.loads(call.resources) == [f"acs:kms:cn-hangzhou:{service.account}:{MSE}", key_arn]


def test_by_a_setting_there_are_none_but_those_that_were_made() -> None:
    service = Service()
    blob = service.ok("Encrypt", KeyId=MSE, Plaintext="x")["CiphertextBlob"]
    service.pipeline.service_keys = False
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
    service.ok("Encrypt", KeyId=MSE, Plaintext="x")
    assert service.refused("Encrypt", KeyId="alias/acs/oss", Plaintext="x") == "Forbidden.AliasNotFound"
    assert made(service) == 1


def test_a_name_whose_key_is_about_to_go_is_nobodys() -> None:
    """As a seed may have given it to a key of its own, which a user then deleted."""
    service = Service()
    key_id = service.key()
    service.store.begin()
    service.store.aliases.add(
        aliases.Alias(account=service.account, region="cn-hangzhou", name=MSE, key_id=key_id, created=0)
    )
    service.store.commit()
    assert service.ok("DescribeKey", KeyId=MSE)["KeyMetadata"]["Creator"] == service.account
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(8 * 86_400)
    assert service.refused("Encrypt", KeyId=MSE, Plaintext="x") == "Forbidden.AliasNotFound"
    assert made(service) == 1


def test_a_ciphertext_can_be_moved_to_it_and_never_came_from_one_that_is_not_there() -> None:
    service = Service()
    blob = service.ok("Encrypt", KeyId=service.key(), Plaintext="x")["CiphertextBlob"]
    asked = {"CiphertextBlob": blob, "DestinationKeyId": MSE}
    assert service.refused("ReEncrypt", **asked, SourceKeyId="alias/acs/oss") == "Forbidden.AliasNotFound"
    assert made(service) == 1
    moved = service.ok("ReEncrypt", **asked)["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=moved)["Plaintext"] == "x"
    assert made(service) == 2


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ({}, ["user", "MSE", "OSS"]),
        ({"CreatorType": ["Service"]}, ["MSE", "OSS"]),
        ({"CreatorType": ["User"]}, ["user"]),
        ({"CreatorType": ["User", "Service"]}, ["user", "MSE", "OSS"]),
        ({"CreatorType": ["Nobody"]}, []),
        ({"Creator": ["OSS"]}, ["OSS"]),
        ({"Creator": ["oss"]}, []),
        ({"Creator": ["OSS", "ACCOUNT"]}, ["user", "OSS"]),
        ({"Creator": ["ACCOUNT"], "CreatorType": ["Service"]}, []),
        ({"AliasName": [MSE]}, ["MSE"]),
        ({"AliasName": [MSE], "CreatorType": ["User"]}, []),
    ],
)
def test_listings_tell_keys_of_services_from_those_of_users(
    service: Service, rows: dict[str, list[str]], found: list[str]
) -> None:
    ids = {"user": service.key()}
    for code in ("MSE", "OSS"):
        ids[code] = service.ok("Encrypt", KeyId=f"alias/acs/{code.lower()}", Plaintext="x")["KeyId"]
    values = {name: [one.replace("ACCOUNT", service.account) for one in some] for name, some in rows.items()}
    filters = json.dumps([{"Key": name, "Values": some} for name, some in values.items()])
    answer = service.ok("ListKeys", Filters=filters)
    assert [key["KeyId"] for key in answer["Keys"]["Key"]] == [ids[name] for name in found]
    assert answer["TotalCount"] == len(found)


@pytest.mark.parametrize("config", ["cipher-app", "cipher-kms-aes-128-app", "cipher-kms-aes-256-app"])
def test_as_nacos_does_it(config: str) -> None:
    """What Nacos' client sends for a configuration whose name begins with `cipher-`, with no key of its own set."""
    service = Service()
    # First, beside the rest, it protects the key that it will encrypt under.
    metadata = service.ok("DescribeKey", KeyId=MSE, Format="JSON")["KeyMetadata"]
    service.ok(
        "SetDeletionProtection",
        ProtectedResourceArn=metadata["Arn"],
        EnableDeletionProtection="true",
        DeletionProtectionDescription="key is used by nacos-client",
    )
    spec = config.removeprefix("cipher-kms-aes-").partition("-")[0]
    if spec == "cipher":
        blob = service.ok("Encrypt", KeyId=MSE, Plaintext="password: ä\n", Format="JSON")["CiphertextBlob"]
        assert service.ok("Decrypt", CiphertextBlob=blob, Format="JSON")["Plaintext"] == "password: ä\n"
    else:
        answer = service.ok("GenerateDataKey", KeyId=MSE, KeySpec=f"AES_{spec}", Format="JSON")
        opened = service.ok("Decrypt", CiphertextBlob=answer["CiphertextBlob"], Format="JSON")
        assert opened["Plaintext"] == answer["Plaintext"]
    assert service.ok("DescribeKey", KeyId=MSE)["KeyMetadata"]["DeletionProtection"] == "Enabled"


def test_the_operations_that_take_an_alias_are_those_that_find_it() -> None:
    """Whoever adds an operation that takes an alias adds it to what makes the key, or to what is refused before."""
    taking = set()
    for one in CATALOGUE.of(KMS):
        for field in one.fields:
            if field.param.role is Role.KEY:
                with suppress(AliasUnsupported):
                    assert field.param.parse(field.name, MSE) == KeyReference(alias=MSE)
                    taking.add(one.action)
    assert taking == {
        *CALLS, "ReEncrypt", "AsymmetricDecrypt", "AsymmetricEncrypt", "AsymmetricSign", "AsymmetricVerify",
        "CreateKeyVersion", "DescribeKeyVersion", "GenerateMac", "GetPublicKey", "VerifyMac",
    }  # fmt: skip
