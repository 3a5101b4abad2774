"""Dry runs of every operation that offers them, and which operations take an alias for a key."""

from typing import Any, get_args

import pytest

from keystead.api import wire_types
from keystead.api.operation import CATALOGUE
from keystead.domain.keys.key import KeyFilter
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.products import KMS
from tests.harness import Service
from tests.operations.test_states import KIND, external, put_into, wanted

# The operations with a DryRun parameter in the vendor's API metadata.
DRY = (
    "AsymmetricDecrypt",
    "AsymmetricEncrypt",
    "AsymmetricSign",
    "AsymmetricVerify",
    "Decrypt",
    "Encrypt",
    "ExportDataKey",
    "GenerateAndExportDataKey",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetPublicKey",
    "ReEncrypt",
    "VerifyMac",
)
# With each operation's kind of key, among them SM2, and with RSA: work that is done in the pool.
DRY_KINDS = [(action, KIND.get(action, {})) for action in DRY] + [
    (action, {"KeySpec": "RSA_2048"}) for action in ("AsymmetricEncrypt", "AsymmetricDecrypt", "GetPublicKey")
]
# The ciphertext names the key.
BY_BLOB = {"Decrypt", "ExportDataKey"}


def kept(service: Service) -> dict[str, Any]:
    """All that the store has of keys and aliases."""
    keys, place = service.store.keys, (service.account, service.region)
    found: dict[str, Any] = {"aliases": service.store.aliases.page(*place, 0, 1000)}
    for key_id in keys.page(*place, KeyFilter(), 0, 1000).items:
        versions = keys.versions(*place, key_id, 0, 1000).items
        found[key_id] = (keys.get(*place, key_id), versions, keys.tags(*place, key_id))
    return found


def test_the_operations_that_declare_a_dry_run() -> None:
    declared = {one.action for one in CATALOGUE if any(field.name == "DryRun" for field in one.fields)}
    assert declared == set(DRY)


UNDECLARED = sorted(one.action for one in CATALOGUE.of(KMS) if one.action not in DRY)


@pytest.mark.parametrize("action", UNDECLARED)
def test_a_dry_run_changes_nothing_whatever_operation_is_asked_for_it(action: str) -> None:
    service = Service()
    key_id = external(service) if action in OF_IMPORT else service.key()
    asked = wanted(service, action, key_id)
    if action == "CancelKeyDeletion":
        put_into(service, key_id, KeyState.PENDING_DELETION)
    before = kept(service)
    code = service.refused(action, **asked, DryRun="true")
    assert kept(service) == before
    assert service.refused(action, **asked, DryRun="perhaps") == "InvalidParameter"
    assert kept(service) == before
    # What it said is what the call itself does.
    status, _ = service.call(action, **asked, DryRun="false")
    assert code == ("DryRunOperationError" if status == 200 else "ValidationError")


def test_an_operators_dry_run_changes_nothing() -> None:
    service = Service()
    _, before = service.operate("ListAccessKeys")
    for action, asked in (
        ("CreateAccessKey", {}),
        ("UpdateAccessKey", {"AccessKeyId": service.access_key[0], "Status": "Inactive"}),
        ("DeleteAccessKey", {"AccessKeyId": service.access_key[0]}),
        ("RotateAuthority", {}),
        ("RetireAuthorities", {}),
        ("RotateWrappingKey", {}),
    ):
        _, members = service.operate(action, **asked, DryRun="true")
        assert members["Code"] == "DryRunOperationError", action
    _, after = service.operate("ListAccessKeys")
    assert {**after, "RequestId": ""} == {**before, "RequestId": ""}
    assert service.store.authorities.all() == ()
    assert len(service.store.keyring.all()) == 1
    service.key()  # the AccessKey signs as before


@pytest.mark.parametrize("text", ["true", "True"])
@pytest.mark.parametrize(("action", "kind"), DRY_KINDS, ids=str)
def test_a_dry_run_of_what_would_succeed(action: str, kind: dict[str, str], text: str) -> None:
    service = Service()
    asked = wanted(service, action, service.key(**kind))
    before = kept(service)
    status, members = service.call(action, **asked, DryRun=text)
    assert (status, members["Code"]) == (400, "DryRunOperationError")
    assert members.keys() == {"RequestId", "HostId", "Code", "Message", "Recommend", "HttpStatus"}
    assert (service.records[-1].action, service.records[-1].code) == (action, "DryRunOperationError")
    assert kept(service) == before
    service.ok(action, **asked, DryRun="false")


@pytest.mark.parametrize("action", DRY)
def test_a_dry_run_of_what_would_fail_tells_the_code(action: str) -> None:
    service = Service()
    key_id = service.key(**KIND.get(action, {}))
    asked = wanted(service, action, key_id)
    unknown = {"DestinationKeyId": "none"} if action == "ReEncrypt" else {"KeyId": "none"}
    code = "Forbidden.KeyNotFound"
    if action in BY_BLOB:
        unknown, code = {"CiphertextBlob": "AA=="}, "InvalidParameter"
    before = kept(service)
    for changes, expected in ((unknown, code), (dict.fromkeys(unknown, ""), "MissingParameter")):
        assert service.refused(action, **{**asked, **changes}) == expected
        status, members = service.call(action, **{**asked, **changes}, DryRun="true")
        assert (status, members["Code"]) == (400, "ValidationError")
        assert f" {expected}: " in members["Message"]
    put_into(service, key_id, KeyState.DISABLED)
    status, members = service.call(action, **asked, DryRun="true")
    assert (status, members["Code"]) == (400, "ValidationError")
    assert " Rejected.Disabled: " in members["Message"]
    service.ok("EnableKey", KeyId=key_id)
    assert kept(service) == before


@pytest.mark.parametrize("text", ["maybe", "1", "yes", " true"])
@pytest.mark.parametrize("action", DRY)
def test_a_dry_run_is_asked_for_with_true_or_false(action: str, text: str) -> None:
    service = Service()
    asked = wanted(service, action, service.key(**KIND.get(action, {})))
    status, members = service.call(action, **asked, DryRun=text)
    assert (status, members["Code"]) == (400, "InvalidParameter")
    assert members["Message"] == 'The specified parameter "DryRun" is not valid.'


def test_an_empty_dry_run_is_none_and_a_malformed_one_is_refused() -> None:
    service = Service()
    key_id = service.key(DryRun="")
    for action in ("Encrypt", "GenerateDataKey"):
        service.ok(action, **wanted(service, action, key_id), DryRun="")
    assert service.refused("DisableKey", KeyId=key_id, DryRun="maybe") == "InvalidParameter"
    assert service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


# --- an alias for a key

# Where the vendor's pages take an alias; those of the same kind that have no such page do as well: DescribeKeyVersion,
# GenerateAndExportDataKey, ReEncrypt, GenerateMac and VerifyMac.
TAKE_AN_ALIAS = {
    ("AsymmetricDecrypt", "KeyId"),
    ("AsymmetricEncrypt", "KeyId"),
    ("AsymmetricSign", "KeyId"),
    ("AsymmetricVerify", "KeyId"),
    ("CreateKeyVersion", "KeyId"),
    ("DescribeKey", "KeyId"),
    ("DescribeKeyVersion", "KeyId"),
    ("Encrypt", "KeyId"),
    ("GenerateAndExportDataKey", "KeyId"),
    ("GenerateDataKey", "KeyId"),
    ("GenerateDataKeyWithoutPlaintext", "KeyId"),
    ("GenerateMac", "KeyId"),
    ("GetPublicKey", "KeyId"),
    ("ListKeyVersions", "KeyId"),
    ("ReEncrypt", "DestinationKeyId"),
    ("VerifyMac", "KeyId"),
}
TAKE_NO_ALIAS = {
    ("CancelKeyDeletion", "KeyId"),
    ("CreateAlias", "KeyId"),
    ("DeleteKeyMaterial", "KeyId"),
    ("DisableKey", "KeyId"),
    ("EnableKey", "KeyId"),
    ("GetKeyPolicy", "KeyId"),
    ("GetParametersForImport", "KeyId"),
    ("ImportKeyMaterial", "KeyId"),
    ("ListAliasesByKeyId", "KeyId"),
    ("ListResourceTags", "KeyId"),
    ("ScheduleKeyDeletion", "KeyId"),
    ("SetDeletionProtection", "KeyId"),
    ("SetDeletionProtection", "ProtectedResourceArn"),
    ("SetKeyPolicy", "KeyId"),
    ("TagResource", "KeyId"),
    ("UntagResource", "KeyId"),
    ("UpdateAlias", "KeyId"),
    ("UpdateKeyDescription", "KeyId"),
    ("UpdateRotationPolicy", "KeyId"),
}
OF_IMPORT = {"GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"}


def fields_of(kind: object) -> set[tuple[str, str]]:
    """Operation and parameter, of all parameters of a type."""
    return {
        (operation.action, field.name)
        for operation in CATALOGUE.of(KMS)
        for field in operation.fields
        if field.param is get_args(kind)[1]
    }


def test_where_an_alias_is_taken() -> None:
    assert fields_of(wire_types.KeyRef) == TAKE_AN_ALIAS
    assert fields_of(wire_types.KeyIdRef) == TAKE_NO_ALIAS


@pytest.mark.parametrize(("action", "name"), sorted(TAKE_AN_ALIAS))
@pytest.mark.parametrize("arn", [False, True])
def test_an_alias_stands_for_its_key(action: str, name: str, arn: bool) -> None:
    service = Service()
    key_id = service.key(**KIND.get(action, {}))
    asked = wanted(service, action, key_id)
    assert asked[name] == key_id
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=key_id)
    prefix = f"acs:kms:{service.region}:{service.account}:" if arn else ""
    service.ok(action, **{**asked, name: f"{prefix}alias/mine"})
    assert f":key/{key_id}" in service.records[-1].resources
    assert service.refused(action, **{**asked, name: "alias/none"}) == "Forbidden.AliasNotFound"


@pytest.mark.parametrize(("action", "name"), sorted(TAKE_NO_ALIAS))
def test_an_alias_does_not_stand_for_its_key(action: str, name: str) -> None:
    service = Service()
    key_id = external(service) if action in OF_IMPORT else service.key()
    asked = wanted(service, action, key_id)
    if name == "ProtectedResourceArn":
        asked[name] = asked.pop("KeyId")
    assert asked[name] == key_id
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=key_id)
    if "Alias" in action:
        asked["AliasName"] = "alias/other" if action == "CreateAlias" else "alias/mine"
    if action == "CancelKeyDeletion":
        put_into(service, key_id, KeyState.PENDING_DELETION)
    before = kept(service)
    for alias in ("alias/mine", f"acs:kms:{service.region}:{service.account}:alias/mine"):
        assert service.refused(action, **{**asked, name: alias}) == "Unsupported.Alias"
    assert kept(service) == before
    service.ok(action, **asked)


def test_the_key_of_a_ciphertext_may_be_named_by_its_alias() -> None:
    service = Service()
    pair = wanted(service, "AsymmetricDecrypt", service.key(KeySpec="EC_SM2"))
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=pair["KeyId"])
    service.ok(
        "ReEncrypt",
        CiphertextBlob=pair["CiphertextBlob"],
        SourceKeyId="alias/mine",
        SourceKeyVersionId=pair["KeyVersionId"],
        SourceEncryptionAlgorithm=pair["Algorithm"],
        DestinationKeyId=service.key(),
    )
    assert fields_of(wire_types.SourceKeyRef) == {("ReEncrypt", "SourceKeyId")}
