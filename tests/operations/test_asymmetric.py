import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keystead.api.http.message import Channel, HttpRequest
from keystead.domain.keys.algorithms import ASYMMETRIC, ENCRYPTIONS, SIGNATURES
from keystead.domain.keys.key import KeySpec
from tests.harness import Service, base64_of, version_of

DIGEST = base64_of(hashlib.sha256(b"message").digest())
LONGEST = {
    (KeySpec.RSA_2048, "RSAES_OAEP_SHA_256"): 190,
    (KeySpec.RSA_2048, "RSAES_OAEP_SHA_1"): 214,
    (KeySpec.RSA_3072, "RSAES_OAEP_SHA_256"): 318,
    (KeySpec.RSA_3072, "RSAES_OAEP_SHA_1"): 342,
    (KeySpec.RSA_4096, "RSAES_OAEP_SHA_256"): 446,
    (KeySpec.RSA_4096, "RSAES_OAEP_SHA_1"): 470,
    (KeySpec.EC_SM2, "SM2PKE"): 6047,
}
UNSUPPORTED = "Rejected.UnsupportedOperation"


@pytest.mark.parametrize(("spec", "algorithm"), list(LONGEST), ids=str)
def test_what_is_encrypted_opens_up_to_the_longest(spec: KeySpec, algorithm: str) -> None:
    service = Service()
    pair = {**version_of(service, service.key(KeySpec=spec)), "Algorithm": algorithm}
    longest, sealed = LONGEST[spec, algorithm], {"CiphertextBlob": ""}
    for length in (1, longest):
        text = base64_of(bytes(range(256)) * 24)[: 4 * (length // 3)] or "AA=="
        plaintext = base64.b64decode(text) + bytes(length - len(base64.b64decode(text)))
        sealed = service.ok("AsymmetricEncrypt", Plaintext=base64_of(plaintext), **pair)
        assert list(sealed) == ["KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"]
        opened = service.ok("AsymmetricDecrypt", CiphertextBlob=sealed["CiphertextBlob"], **pair)
        assert base64.b64decode(opened["Plaintext"]) == plaintext
    for wrong in (base64_of(bytes(longest + 1)), "", "x", "AB=="):
        code = service.refused("AsymmetricEncrypt", Plaintext=wrong, **pair)
        assert code == ("InvalidParameter" if wrong else "MissingParameter")
    for wrong in (base64_of(bytes(256)), sealed["CiphertextBlob"][:-8], "AA==", "?"):
        assert service.refused("AsymmetricDecrypt", CiphertextBlob=wrong, **pair) == "InvalidParameter"


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [(spec, name) for spec, names in SIGNATURES.items() for name in names],
    ids=str,
)
def test_a_signature_is_of_one_digest_and_one_version(spec: KeySpec, algorithm: str) -> None:
    service = Service()
    key_id = service.key(KeySpec=spec, KeyUsage="SIGN/VERIFY")
    pair = {**version_of(service, key_id), "Algorithm": algorithm}
    signed = service.ok("AsymmetricSign", Digest=DIGEST, **pair)
    assert list(signed) == ["KeyId", "KeyVersionId", "Value", "RequestId"]

    def holds(digest: str = DIGEST, value: str = signed["Value"], **other: str) -> bool:
        answer = service.ok("AsymmetricVerify", Digest=digest, Value=value, **{**pair, **other})
        assert isinstance(answer["Value"], bool)
        return bool(answer["Value"])

    assert holds()
    assert not holds(digest=base64_of(bytes(32)))
    raw = base64.b64decode(signed["Value"])
    assert not holds(value=base64_of(raw[:-1]))
    assert not holds(value=base64_of(raw[:-1] + bytes([raw[-1] ^ 1])))
    assert not holds(value=base64_of(raw + b"\0"))
    service.ok("CreateKeyVersion", KeyId=key_id)
    assert not holds(KeyVersionId=version_of(service, key_id)["KeyVersionId"])
    assert holds()
    for digest in (base64_of(bytes(31)), base64_of(bytes(33)), "x"):
        assert service.refused("AsymmetricSign", Digest=digest, **pair) == "InvalidParameter"
    others = {name for names in SIGNATURES.values() for name in names} - set(SIGNATURES[spec])
    for other in (*others, "none"):
        refused = service.refused("AsymmetricSign", Digest=DIGEST, **{**pair, "Algorithm": other})
        assert refused == "InvalidParameter"


@pytest.mark.parametrize("spec", sorted(ASYMMETRIC))
def test_the_public_key_is_a_pem(spec: KeySpec) -> None:
    service = Service()
    key_id = service.key(KeySpec=spec)
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert (metadata["KeySpec"], "PrimaryKeyVersion" in metadata) == (spec, False)
    pem = service.ok("GetPublicKey", **version_of(service, key_id))["PublicKey"]
    assert max(len(line) for line in pem.splitlines()) == 64
    if spec is not KeySpec.EC_SM2:
        public = serialization.load_pem_public_key(pem.encode())
        assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        assert public.key_size == (int(spec[4:]) if spec.startswith("RSA") else 256)


def test_a_key_is_used_for_what_it_is_for() -> None:
    service = Service()
    sealer, signer = (
        service.key(KeySpec="RSA_2048", KeyUsage=use) for use in ("ENCRYPT/DECRYPT", "SIGN/VERIFY")
    )
    symmetric, coder = service.key(), service.key(KeySpec="HMAC_SM3")
    for key_id in (sealer, symmetric, coder):
        pair = version_of(service, key_id)
        assert (
            service.refused("AsymmetricSign", Digest=DIGEST, Algorithm="RSA_PSS_SHA_256", **pair)
            == UNSUPPORTED
        )
    for key_id in (signer, symmetric, coder):
        pair = {**version_of(service, key_id), "Algorithm": "RSAES_OAEP_SHA_1"}
        assert service.refused("AsymmetricEncrypt", Plaintext="AA==", **pair) == UNSUPPORTED
        assert service.refused("AsymmetricDecrypt", CiphertextBlob="AA==", **pair) == UNSUPPORTED
    for key_id in (symmetric, coder):
        assert service.refused("GetPublicKey", **version_of(service, key_id)) == UNSUPPORTED
    for key_id in (sealer, signer, coder):
        assert service.refused("Encrypt", KeyId=key_id, Plaintext="x") == "UnsupportedOperation"
        assert service.refused("GenerateDataKey", KeyId=key_id) == "UnsupportedOperation"
        policy = {"EnableAutomaticRotation": "true", "RotationInterval": "7d"}
        assert service.refused("UpdateRotationPolicy", KeyId=key_id, **policy) == UNSUPPORTED
    assert service.refused("CreateKeyVersion", KeyId=coder) == UNSUPPORTED


def test_versions_of_others_and_none_are_refused() -> None:
    service = Service()
    one, two = (version_of(service, service.key(KeySpec="EC_P256")) for _ in range(2))
    assert service.refused("GetPublicKey", KeyId=one["KeyId"], KeyVersionId=two["KeyVersionId"]) == (
        "Forbidden.KeyVersionNotFound"
    )
    assert service.refused("GetPublicKey", KeyId=one["KeyId"]) == "MissingParameter"
    service.ok("DisableKey", KeyId=one["KeyId"])
    signing = {"Digest": DIGEST, "Algorithm": "ECDSA_SHA_256"}
    assert service.refused("AsymmetricSign", **one, **signing) == "Rejected.Disabled"
    assert service.refused("AsymmetricSign", **two, **signing, DryRun="true") == "DryRunOperationError"


def test_an_asymmetric_key_has_fifty_versions() -> None:
    service = Service()
    key_id = service.key(KeySpec="EC_P256")
    for _ in range(49):
        service.ok("CreateKeyVersion", KeyId=key_id)
    assert service.refused("CreateKeyVersion", KeyId=key_id) == "Rejected.LimitExceeded"
    assert service.ok("ListKeyVersions", KeyId=key_id)["TotalCount"] == 50
    pems = {
        service.ok("GetPublicKey", KeyId=key_id, KeyVersionId=row["KeyVersionId"])["PublicKey"]
        for row in service.ok("ListKeyVersions", KeyId=key_id, PageSize="100")["KeyVersions"]["KeyVersion"]
    }
    assert len(pems) == 50


@pytest.mark.parametrize("spec", sorted(ENCRYPTIONS))
def test_re_encrypt_takes_what_was_encrypted_under_a_public_key(spec: KeySpec) -> None:
    service = Service()
    pair = version_of(service, service.key(KeySpec=spec, KeyUsage="ENCRYPT/DECRYPT"))
    target, algorithm = service.key(), ENCRYPTIONS[spec][0]
    blob = service.ok("AsymmetricEncrypt", Plaintext="AAEC", Algorithm=algorithm, **pair)["CiphertextBlob"]
    source = {
        "CiphertextBlob": blob,
        "SourceKeyId": pair["KeyId"],
        "SourceKeyVersionId": pair["KeyVersionId"],
        "SourceEncryptionAlgorithm": algorithm,
        "DestinationKeyId": target,
    }
    sealed = service.ok("ReEncrypt", **source)
    assert service.ok("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == "AAEC"
    assert {f"acs:kms:cn-hangzhou:{service.account}:key/{key}" for key in (target, pair["KeyId"])} == set(
        json.loads(service.records[-2].resources)
    )
    for name, value, code in (
        ("SourceEncryptionAlgorithm", "", "MissingParameter"),
        ("SourceEncryptionAlgorithm", "none", "InvalidParameter"),
        ("SourceKeyVersionId", "", "MissingParameter"),
        ("SourceKeyVersionId", "none", "Forbidden.KeyVersionNotFound"),
        ("SourceKeyId", target, "InvalidParameter"),
        ("CiphertextBlob", "?", "InvalidParameter"),
        ("CiphertextBlob", base64_of(bytes(256)), "InvalidParameter"),
        ("DestinationKeyId", pair["KeyId"], "UnsupportedOperation"),
    ):
        assert service.refused("ReEncrypt", **{**source, name: value}) == code, name
    for about in (target, pair["KeyId"]):
        service.ok("DisableKey", KeyId=about)
        assert service.refused("ReEncrypt", **source) == "Rejected.Disabled"
        service.ok("EnableKey", KeyId=about)


def test_re_encrypt_checks_the_key_that_is_named_beside_a_ciphertext_that_names_its_own() -> None:
    service = Service()
    one, two = (version_of(service, service.key()) for _ in range(2))
    blob = service.ok("Encrypt", KeyId=one["KeyId"], Plaintext="x")["CiphertextBlob"]
    asked = {"CiphertextBlob": blob, "DestinationKeyId": two["KeyId"]}
    right = {"SourceKeyId": one["KeyId"], "SourceKeyVersionId": one["KeyVersionId"]}
    for named in (right, {"SourceKeyId": one["KeyId"]}, {"SourceKeyVersionId": one["KeyVersionId"]}):
        made = service.ok("ReEncrypt", **asked, **named)
        assert (made["KeyId"], made["KeyVersionId"]) == (one["KeyId"], one["KeyVersionId"])
    for wrong in (
        {**right, "SourceKeyId": two["KeyId"]},
        {**right, "SourceKeyVersionId": two["KeyVersionId"]},
        {"SourceKeyVersionId": two["KeyVersionId"]},
    ):
        assert service.refused("ReEncrypt", **asked, **wrong) == "InvalidParameter"


def test_slow_work_of_the_control_socket() -> None:
    """It has no nonce to hold."""
    service = Service()
    request = HttpRequest(
        method="POST",
        target="/?Action=CreateKey&Version=2016-01-20&KeySpec=EC_SM2",
        headers={},
        channel=Channel.CONTROL,
    )
    assert service.send(request).status == 200
