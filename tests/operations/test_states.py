"""The tables of key states and operations, cell by cell: the vendor's own, and that of the operations it does not list."""

import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.api.operation import CATALOGUE
from keystead.crypto.primitives import asymmetric
from keystead.domain.keys.key import KeySpec
from keystead.domain.keys.lifecycle import KeyState, admit
from keystead.domain.products import KMS
from keystead.errors import KmsError
from tests.harness import Service, base64_of, version_of
from tests.live import Client, live


def cells(name: str) -> list[tuple[str, KeyState, str]]:
    """Action, state and answer of each cell of a table."""
    with (Path(__file__).parents[1] / "vectors" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row["action"], state, row[state]) for row in rows for state in KeyState]


CELLS = cells("key_states.tsv")
OTHER_CELLS = cells("key_states_other.tsv")
WITHOUT_GATE = {"CreateKey", "ListKeys", "DeleteAlias", "ListAliases"}  # of the vendor's table

# Where an operation that succeeds leads from a state; every other one leaves the state as it is.
LEADS = {
    "EnableKey": {"Enabled": "Enabled", "Disabled": "Enabled"},
    "DisableKey": {"Enabled": "Disabled", "Disabled": "Disabled"},
    "ScheduleKeyDeletion": {
        "Enabled": "PendingDeletion",
        "Disabled": "PendingDeletion",
        "PendingImport": "PendingDeletion",
    },
    "CancelKeyDeletion": {"PendingDeletion": "Enabled"},
    "ImportKeyMaterial": {"Enabled": "Enabled", "Disabled": "Disabled", "PendingImport": "Enabled"},
    "DeleteKeyMaterial": {
        "Enabled": "PendingImport",
        "Disabled": "PendingImport",
        "PendingDeletion": "PendingDeletion",
        "PendingImport": "PendingImport",
    },
}


def leads(action: str, state: str) -> str:
    """The state after a success."""
    return LEADS[action][state] if action in LEADS else state


def test_every_operation_with_a_gate_is_in_one_of_the_tables() -> None:
    of_vendor, of_others = ({action for action, _, _ in table} for table in (CELLS, OTHER_CELLS))
    assert not of_vendor & of_others
    gated = {one.action for one in CATALOGUE.of(KMS) if one.gate is not None}
    assert of_vendor | of_others == gated | WITHOUT_GATE
    assert not gated & WITHOUT_GATE


@pytest.mark.parametrize(("action", "state", "expected"), [*CELLS, *OTHER_CELLS])
def test_the_gate_of_an_operation_is_its_row(action: str, state: KeyState, expected: str) -> None:
    operation = CATALOGUE.find(KMS.version, action)
    assert operation is not None
    found = "Success"
    try:
        if operation.gate is not None:
            admit(operation.gate, state)
    except KmsError as error:
        found = error.code
    assert found == expected


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with live(tmp_path_factory.mktemp("states") / "data") as server:
        yield server.client()


WRAPPING = {"WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256"}
EXTERNAL_ONLY = {"GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"}


def material(client: Client, key_id: str) -> dict[str, str]:
    """What ImportKeyMaterial wants."""
    given = client.ok("GetParametersForImport", KeyId=key_id, **WRAPPING)
    public = asymmetric.load_public(KeySpec.RSA_2048, base64.b64decode(given["PublicKey"]))
    sealed = asymmetric.encrypt(KeySpec.RSA_2048, WRAPPING["WrappingAlgorithm"], public, bytes(32))
    return {
        "KeyId": key_id,
        "EncryptedKeyMaterial": base64_of(sealed),
        "ImportToken": given["ImportToken"],
        "KeyMaterialExpireUnix": "0",
    }


# A key with material of the server's own never waits for it: of the tables' cells these are an external key's alone.
CELLS_OF_ORIGINS = [
    (origin, *cell)
    for origin in ("Aliyun_KMS", "EXTERNAL")
    for cell in CELLS
    if origin == "EXTERNAL" or not (cell[1] is KeyState.PENDING_IMPORT or cell[0] in EXTERNAL_ONLY)
]


@pytest.mark.parametrize(("origin", "action", "state", "expected"), CELLS_OF_ORIGINS)
def test_cell_through_the_wire(
    origin: str, action: str, state: KeyState, expected: str, client: Client
) -> None:
    external = origin == "EXTERNAL"
    key_id = client.ok("CreateKey", Origin=origin)["KeyMetadata"]["KeyId"]
    other = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok("CreateAlias", AliasName=f"alias/mine-{key_id}", KeyId=key_id)
    client.ok("CreateAlias", AliasName=f"alias/other-{key_id}", KeyId=other)
    imported = material(client, key_id) if external else {}
    if external:
        client.ok("ImportKeyMaterial", **imported)
    blob = client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    if state is KeyState.DISABLED:
        client.ok("DisableKey", KeyId=key_id)
    if state is KeyState.PENDING_DELETION:
        client.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    if state is KeyState.PENDING_IMPORT:
        client.ok("DeleteKeyMaterial", KeyId=key_id)
    before = client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert before["KeyState"] == state
    parameters = {
        "CreateKey": {},
        "ListKeys": {},
        "ListAliases": {},
        "Encrypt": {"KeyId": key_id, "Plaintext": "x"},
        "Decrypt": {"CiphertextBlob": blob},
        "ScheduleKeyDeletion": {"KeyId": key_id, "PendingWindowInDays": "7"},
        "CreateAlias": {"KeyId": key_id, "AliasName": f"alias/new-{key_id}"},
        "DeleteAlias": {"AliasName": f"alias/mine-{key_id}"},
        "UpdateAlias": {"KeyId": key_id, "AliasName": f"alias/other-{key_id}"},
        "GetParametersForImport": {"KeyId": key_id, **WRAPPING},
        "ImportKeyMaterial": imported,
    }.get(action, {"KeyId": key_id})
    status, members = client.call(action, **parameters)
    assert (status, members.get("Code", "Success")) == (200 if expected == "Success" else 409, expected)
    after = client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    if expected == "Success":
        assert after["KeyState"] == leads(action, state)
    else:
        assert after == before


def test_update_alias_looks_at_the_target_only() -> None:
    service = Service()
    doomed, target = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=doomed)
    service.ok("ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays="7")
    service.ok("UpdateAlias", AliasName="alias/a", KeyId=target)


# --- the operations that the vendor's table does not have

SEALER, SIGNER, CODER = {"KeySpec": "EC_SM2"}, {"KeySpec": "EC_P256"}, {"KeySpec": "HMAC_SHA_256"}
# The key that an operation is tried with, as CreateKey makes it; without one here it is a symmetric key.
KIND = {
    "AsymmetricEncrypt": SEALER,
    "AsymmetricDecrypt": SEALER,
    "AsymmetricSign": SIGNER,
    "AsymmetricVerify": SIGNER,
    "GetPublicKey": SIGNER,
    "GenerateMac": CODER,
    "VerifyMac": CODER,
}
NOT_EXTERNAL = {*KIND, "CreateKeyVersion", "UpdateRotationPolicy"}
ALGORITHMS = {
    "EC_SM2": "SM2PKE",
    "EC_P256": "ECDSA_SHA_256",
    "RSA_2048": "RSAES_OAEP_SHA_256",
}
SM2_WRAPPING = {"WrappingKeySpec": "EC_SM2", "WrappingAlgorithm": "SM2PKE"}
POLICY = {
    "Version": "1",
    "Statement": [
        {"Effect": "Allow", "Action": ["kms:*"], "Principal": {"RAM": ["acs:ram::*:*"]}, "Resource": ["*"]}
    ],
}


def external(service: Service, spec: str = "Aliyun_AES_256", length: int = 32) -> str:
    """A new key with material that was imported: zero bytes."""
    key_id = service.key(Origin="EXTERNAL", KeySpec=spec)
    service.ok("ImportKeyMaterial", **sm2_material(service, key_id, bytes(length)))
    return key_id


def sm2_material(service: Service, key_id: str, material: bytes) -> dict[str, str]:
    """What ImportKeyMaterial wants, wrapped by what is made fastest."""
    given = service.ok("GetParametersForImport", KeyId=key_id, **SM2_WRAPPING)
    public = asymmetric.load_public(KeySpec.EC_SM2, base64.b64decode(given["PublicKey"]))
    sealed = asymmetric.encrypt(KeySpec.EC_SM2, "SM2PKE", public, material)
    return {"KeyId": key_id, "EncryptedKeyMaterial": base64_of(sealed), "ImportToken": given["ImportToken"]}


def wanted(service: Service, action: str, key_id: str) -> dict[str, str]:
    """Parameters with which the operation succeeds on an enabled key of its kind."""
    about = {"KeyId": key_id}
    spec = service.ok("DescribeKey", **about)["KeyMetadata"]["KeySpec"]
    pair = {**version_of(service, key_id), "Algorithm": ALGORITHMS.get(spec, "")}
    signing = {**pair, "Digest": base64_of(bytes(32))}
    coding = {**about, "Algorithm": "HMAC_SHA_256", "Message": "AA=="}
    several = {"RegionId": service.region, "ResourceType": "key", "ResourceId.1": key_id}
    match action:
        case "Encrypt":
            return {**about, "Plaintext": "x"}
        case "Decrypt":
            return {"CiphertextBlob": service.ok("Encrypt", Plaintext="x", **about)["CiphertextBlob"]}
        case "ReEncrypt":
            blob = service.ok("Encrypt", KeyId=service.key(), Plaintext="x")["CiphertextBlob"]
            return {"CiphertextBlob": blob, "DestinationKeyId": key_id}
        case "AsymmetricEncrypt":
            return {**pair, "Plaintext": "AA=="}
        case "AsymmetricDecrypt":
            sealed = service.ok("AsymmetricEncrypt", Plaintext="AA==", **pair)
            return {**pair, "CiphertextBlob": sealed["CiphertextBlob"]}
        case "AsymmetricSign":
            return signing
        case "AsymmetricVerify":
            return {**signing, "Value": service.ok("AsymmetricSign", **signing)["Value"]}
        case "DescribeKeyVersion" | "GetPublicKey":
            return {**about, "KeyVersionId": pair["KeyVersionId"]}
        case "GenerateMac":
            return coding
        case "VerifyMac":
            return {**coding, "Mac": service.ok("GenerateMac", **coding)["Mac"]}
        case "ExportDataKey" | "GenerateAndExportDataKey":
            private = asymmetric.generate(KeySpec.EC_SM2, service.entropy)
            public = base64_of(asymmetric.public_key(KeySpec.EC_SM2, private))
            wrapping = {**SM2_WRAPPING, "PublicKeyBlob": public}
            if action == "GenerateAndExportDataKey":
                return {**about, **wrapping}
            return {
                **wrapping,
                "CiphertextBlob": service.ok("GenerateDataKeyWithoutPlaintext", **about)["CiphertextBlob"],
            }
        case "SetDeletionProtection":
            return {**about, "EnableDeletionProtection": "true"}
        case "SetKeyPolicy":
            return {**about, "Policy": json.dumps(POLICY)}
        case "TagResource":
            return {**about, "Tags": '[{"TagKey": "a", "TagValue": "b"}]'}
        case "UntagResource":
            return {**about, "TagKeys": '["a"]'}
        case "TagResources":
            return {**several, "Tag.1.Key": "a"}
        case "UntagResources":
            return {**several, "TagKey.1": "a"}
        case "UpdateKeyDescription":
            return {**about, "Description": "new"}
        case "UpdateRotationPolicy":
            return {**about, "EnableAutomaticRotation": "true", "RotationInterval": "7d"}
        case "ScheduleKeyDeletion":
            return {**about, "PendingWindowInDays": "7"}
        case "GetParametersForImport":
            return {**about, **SM2_WRAPPING}
        case "ImportKeyMaterial":
            return sm2_material(service, key_id, bytes(32))
        case _:
            return about


def put_into(service: Service, key_id: str, state: KeyState) -> None:
    """Bring an enabled key into the state."""
    match state:
        case KeyState.ENABLED:
            pass
        case KeyState.DISABLED:
            service.ok("DisableKey", KeyId=key_id)
        case KeyState.PENDING_DELETION:
            service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
        case KeyState.PENDING_IMPORT:
            service.ok("DeleteKeyMaterial", KeyId=key_id)


def check(service: Service, action: str, parameters: dict[str, str], key_id: str, expected: str) -> None:
    """The answer is the expected one; a refusal changes nothing, and a success leads to the state that it should."""
    before = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    tags = service.ok("ListResourceTags", KeyId=key_id)["Tags"]
    status, members = service.call(action, **parameters)
    assert (status, members.get("Code", "Success")) == (200 if expected == "Success" else 409, expected)
    after = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    if expected == "Success":
        assert after["KeyState"] == leads(action, before["KeyState"])
    else:
        assert (after, service.ok("ListResourceTags", KeyId=key_id)["Tags"]) == (before, tags)


@pytest.mark.parametrize(
    ("origin", "action", "state", "expected"),
    [
        (origin, *cell)
        for cell in OTHER_CELLS
        for origin in ("Aliyun_KMS", "EXTERNAL")
        if (cell[1] is not KeyState.PENDING_IMPORT if origin == "Aliyun_KMS" else cell[0] not in NOT_EXTERNAL)
    ],
)
def test_cell_of_another_operation(origin: str, action: str, state: KeyState, expected: str) -> None:
    service = Service()
    key_id = external(service) if origin == "EXTERNAL" else service.key(**KIND.get(action, {}))
    service.ok("TagResource", KeyId=key_id, Tags='[{"TagKey": "a"}, {"TagKey": "c"}]')
    parameters = wanted(service, action, key_id)
    put_into(service, key_id, state)
    check(service, action, parameters, key_id, expected)


@pytest.mark.parametrize(
    ("state", "expected"), [cell[1:] for cell in OTHER_CELLS if cell[0] == "ReEncrypt"], ids=str
)
def test_re_encrypt_looks_at_the_key_of_the_ciphertext_too(state: KeyState, expected: str) -> None:
    service = Service()
    key_id = external(service)
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    parameters = {"CiphertextBlob": blob, "DestinationKeyId": service.key()}
    put_into(service, key_id, state)
    check(service, "ReEncrypt", parameters, key_id, expected)


@pytest.mark.parametrize("action", ["TagResources", "UntagResources"])
def test_the_state_of_each_of_several_keys_counts(action: str) -> None:
    service = Service()
    one, doomed = service.key(), service.key()
    parameters = {**wanted(service, action, one), "ResourceId.2": doomed}
    put_into(service, doomed, KeyState.PENDING_DELETION)
    check(service, action, parameters, one, "Rejected.PendingDeletion")
