"""The vendor's table of key states and operations, cell by cell."""

import base64
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.api.operation import CATALOGUE, KMS_VERSION
from keystead.crypto import asymmetric
from keystead.domain.keys import KeySpec
from keystead.domain.lifecycle import KeyState, admit
from keystead.errors import KmsError
from tests.harness import Service, base64_of
from tests.live import Client, live

with (Path(__file__).parents[1] / "vectors" / "key_states.tsv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t"))
CELLS = [(row["action"], state, row[state]) for row in ROWS for state in KeyState]


@pytest.mark.parametrize(("action", "state", "expected"), CELLS)
def test_the_gate_of_an_operation_is_the_vendors_row(action: str, state: KeyState, expected: str) -> None:
    operation = CATALOGUE.find(KMS_VERSION, action)
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
    assert client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == state
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


def test_update_alias_looks_at_the_target_only() -> None:
    service = Service()
    doomed, target = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=doomed)
    service.ok("ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays="7")
    service.ok("UpdateAlias", AliasName="alias/a", KeyId=target)
