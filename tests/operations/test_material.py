import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keystead.api.scheduled import expire_due
from keystead.crypto.primitives import sm2
from keystead.domain.keys.key import DAY
from tests.harness import Members, Service, base64_of

MATERIAL = bytes(range(32))
PADDINGS: dict[str, padding.AsymmetricPadding] = {
    "RSAES_PKCS1_V1_5": padding.PKCS1v15(),
    "RSAES_OAEP_SHA_1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "RSAES_OAEP_SHA_256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}
WRAPPINGS = [*(("RSA_2048", name) for name in PADDINGS), ("EC_SM2", "SM2PKE")]
OAEP = ("RSA_2048", "RSAES_OAEP_SHA_256")


def wrapped(given: Members, algorithm: str, material: bytes) -> str:
    der = base64.b64decode(given["PublicKey"])
    if algorithm == "SM2PKE":
        return base64_of(sm2.encrypt(sm2.load_public(der), material))
    public = serialization.load_der_public_key(der)
    assert isinstance(public, rsa.RSAPublicKey)
    return base64_of(public.encrypt(material, PADDINGS[algorithm]))


def parameters(
    service: Service,
    key_id: str,
    wrapping: tuple[str, str] = OAEP,
    material: bytes = MATERIAL,
    expires: int = 0,
) -> dict[str, str]:
    given = service.ok(
        "GetParametersForImport", KeyId=key_id, WrappingKeySpec=wrapping[0], WrappingAlgorithm=wrapping[1]
    )
    return {
        "KeyId": key_id,
        "EncryptedKeyMaterial": wrapped(given, wrapping[1], material),
        "ImportToken": given["ImportToken"],
        "KeyMaterialExpireUnix": str(expires),
    }


def state(service: Service, key_id: str) -> str:
    return str(service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"])


def pass_time(service: Service, seconds: float) -> None:
    service.clock.advance(seconds)
    service.store.begin()
    batch = service.pipeline.open_batch()
    assert not expire_due(service.pipeline, batch)
    batch.write()
    service.store.commit()


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=str)
def test_material_goes_in_out_and_in_again(wrapping: tuple[str, str]) -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    assert state(service, key_id) == "PendingImport"
    assert service.refused("Encrypt", KeyId=key_id, Plaintext="x") == "Rejected.PendingImport"
    service.ok("ImportKeyMaterial", **parameters(service, key_id, wrapping))
    assert state(service, key_id) == "Enabled"
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("ImportKeyMaterial", **parameters(service, key_id, wrapping))
    service.ok("DeleteKeyMaterial", KeyId=key_id)
    assert state(service, key_id) == "PendingImport"
    assert service.refused("Decrypt", CiphertextBlob=blob) == "Rejected.PendingImport"
    other = parameters(service, key_id, wrapping, bytes(32))
    assert service.refused("ImportKeyMaterial", **other) == "InvalidKeyMaterial"
    assert state(service, key_id) == "PendingImport"
    service.ok("ImportKeyMaterial", **parameters(service, key_id, wrapping))
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=str)
def test_material_of_another_length_or_wrapping_is_refused(wrapping: tuple[str, str]) -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    good = parameters(service, key_id, wrapping)
    for length in (1, 16, 31, 33):
        wrong = parameters(service, key_id, wrapping, bytes(length))
        assert service.refused("ImportKeyMaterial", **wrong) == "InvalidKeyMaterial"
    raw = base64.b64decode(good["EncryptedKeyMaterial"])
    for wrong_material in (raw[:-1], raw[:-1] + bytes([raw[-1] ^ 1]), b"x"):
        wrong = {**good, "EncryptedKeyMaterial": base64_of(wrong_material)}
        assert service.refused("ImportKeyMaterial", **wrong) == "InvalidKeyMaterial"
    assert state(service, key_id) == "PendingImport"
    service.ok("ImportKeyMaterial", **good)


def test_a_token_serves_one_key_for_a_day() -> None:
    service = Service()
    one, two = (service.key(Origin="EXTERNAL") for _ in range(2))
    of_one = parameters(service, one)
    given = service.ok(
        "GetParametersForImport", KeyId=one, WrappingKeySpec=OAEP[0], WrappingAlgorithm=OAEP[1]
    )
    assert list(given) == ["KeyId", "ImportToken", "PublicKey", "TokenExpireTime", "RequestId"]
    assert given["TokenExpireTime"] == "2026-01-03T03:04:05Z"
    assert service.refused("ImportKeyMaterial", **{**of_one, "KeyId": two}) == "InvalidImportToken"
    raw = base64.b64decode(of_one["ImportToken"])
    for wrong in (raw[:-1] + bytes([raw[-1] ^ 1]), b"\xff" * 4 + raw[4:], b"x"):
        refused = service.refused("ImportKeyMaterial", **{**of_one, "ImportToken": base64_of(wrong)})
        assert refused == "InvalidImportToken"
    service.clock.advance(DAY - 1)
    service.ok("ImportKeyMaterial", **of_one)
    service.ok("ImportKeyMaterial", **of_one)
    service.clock.advance(1)
    assert service.refused("ImportKeyMaterial", **of_one) == "ExpiredImportToken"


def test_material_expires() -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    now = int(service.clock.now())
    for moment in (now, now - 1, -1):
        assert service.refused("ImportKeyMaterial", **parameters(service, key_id, expires=moment)) == (
            "InvalidParameter"
        )
    service.ok("ImportKeyMaterial", **parameters(service, key_id, expires=now + 10))
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["MaterialExpireTime"] == "2026-01-02T03:04:15Z"
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    pass_time(service, 9)
    assert state(service, key_id) == "Enabled"
    service.clock.advance(1)
    # From that second on, whether the service has got to it yet or not.
    assert state(service, key_id) == "PendingImport"
    assert service.refused("Decrypt", CiphertextBlob=blob) == "Rejected.PendingImport"
    assert service.refused("EnableKey", KeyId=key_id) == "Rejected.StateModifiedFailed"
    pass_time(service, 0)
    assert state(service, key_id) == "PendingImport"
    assert service.records[-2].action == "ExpireKeyMaterial"
    assert [record.action for record in service.records].count("ExpireKeyMaterial") == 1
    assert service.refused("Decrypt", CiphertextBlob=blob) == "Rejected.PendingImport"
    never = parameters(service, key_id)
    del never["KeyMaterialExpireUnix"]  # as the vendor's guide has it
    service.ok("ImportKeyMaterial", **never)
    assert service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["MaterialExpireTime"] == ""
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"


@pytest.mark.parametrize("swept", [False, True])
def test_what_follows_expiry_does_not_depend_on_when_it_is_carried_out(swept: bool) -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    now = int(service.clock.now())
    service.ok("ImportKeyMaterial", **parameters(service, key_id, expires=now + 10))
    service.ok("DisableKey", KeyId=key_id)
    if swept:
        pass_time(service, 10)
    else:
        service.clock.advance(10)
    service.ok("ImportKeyMaterial", **parameters(service, key_id))
    assert state(service, key_id) == "Enabled"


def test_states_of_keys_without_material() -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    assert (
        service.refused("ImportKeyMaterial", **parameters(service, key_id)) == "Rejected.StateModifiedFailed"
    )
    service.ok("CancelKeyDeletion", KeyId=key_id)
    assert state(service, key_id) == "PendingImport"
    service.ok("ImportKeyMaterial", **parameters(service, key_id))
    service.ok("DisableKey", KeyId=key_id)
    service.ok("ImportKeyMaterial", **parameters(service, key_id))
    assert state(service, key_id) == "Disabled"
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.ok("DeleteKeyMaterial", KeyId=key_id)
    assert state(service, key_id) == "PendingDeletion"
    service.ok("CancelKeyDeletion", KeyId=key_id)
    assert state(service, key_id) == "PendingImport"


def test_only_external_keys_take_material() -> None:
    service = Service()
    own, key_id = service.key(), service.key(Origin="EXTERNAL", KeySpec="Aliyun_SM4")
    given = {"WrappingKeySpec": OAEP[0], "WrappingAlgorithm": OAEP[1]}
    assert service.refused("GetParametersForImport", KeyId=own, **given) == "Unsupported.Origin"
    assert service.refused("DeleteKeyMaterial", KeyId=own) == "Unsupported.Origin"
    refused = service.refused("ImportKeyMaterial", **{**parameters(service, key_id), "KeyId": own})
    assert refused == "Unsupported.Origin"
    for spec, algorithm in (("EC_SM2", OAEP[1]), ("RSA_2048", "SM2PKE"), ("RSA_4096", OAEP[1])):
        wrong = {"WrappingKeySpec": spec, "WrappingAlgorithm": algorithm}
        assert service.refused("GetParametersForImport", KeyId=key_id, **wrong) == "InvalidParameter"
    service.ok("ImportKeyMaterial", **parameters(service, key_id, material=bytes(16)))
    assert service.refused("CreateKeyVersion", KeyId=key_id) == "Rejected.UnsupportedOperation"
    policy = {"EnableAutomaticRotation": "true", "RotationInterval": "7d"}
    assert service.refused("UpdateRotationPolicy", KeyId=key_id, **policy) == "Rejected.UnsupportedOperation"


def test_an_import_that_was_undone_is_never_used() -> None:
    """Else the key would encrypt with material that nobody has."""
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    first, second = (parameters(service, key_id, material=bytes([number]) * 32) for number in (1, 2))
    service.store.begin()
    batch = service.pipeline.open_batch()
    for action, asked in (("ImportKeyMaterial", first), ("Encrypt", {"KeyId": key_id, "Plaintext": "x"})):
        request = service.request(action, asked)
        assert service.pipeline.answer_now(batch, request).response.status == 200
    service.store.rollback()
    service.ok("ImportKeyMaterial", **second)
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("DeleteKeyMaterial", KeyId=key_id)
    service.ok("ImportKeyMaterial", **second)
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
