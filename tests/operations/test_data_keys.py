import base64

import pytest

from keystead.crypto.primitives import asymmetric
from keystead.domain.keys.key import KeySpec
from tests.harness import Service, base64_of

OTHER = KeySpec.EC_P256


@pytest.mark.parametrize(
    ("parameters", "length"),
    [
        ({}, 32),
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": "1"}, 1),
        ({"NumberOfBytes": "1024", "KeySpec": "AES_128"}, 1024),
    ],
)
def test_a_data_key_comes_in_the_clear_and_sealed(parameters: dict[str, str], length: int) -> None:
    service = Service()
    key_id = service.key()
    made = service.ok("GenerateDataKey", KeyId=key_id, EncryptionContext='{"a":"b"}', **parameters)
    assert list(made) == ["KeyId", "KeyVersionId", "CiphertextBlob", "Plaintext", "RequestId"]
    assert len(base64.b64decode(made["Plaintext"])) == length
    opened = service.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext='{"a":"b"}')
    assert opened["Plaintext"] == made["Plaintext"]
    sealed = service.ok("GenerateDataKeyWithoutPlaintext", KeyId=key_id, **parameters)
    assert list(sealed) == ["KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"]
    opened = service.ok("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
    assert len(base64.b64decode(opened["Plaintext"])) == length


@pytest.mark.parametrize(
    "parameters",
    [{"NumberOfBytes": "0"}, {"NumberOfBytes": "1025"}, {"NumberOfBytes": "x"}, {"KeySpec": "AES_512"}],
)
def test_other_lengths_are_refused(parameters: dict[str, str]) -> None:
    service = Service()
    key_id = service.key()
    for action in ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"):
        assert service.refused(action, KeyId=key_id, **parameters) == "InvalidParameter"


def test_two_data_keys_differ() -> None:
    service = Service()
    key_id = service.key()
    assert len({service.ok("GenerateDataKey", KeyId=key_id)["Plaintext"] for _ in range(10)}) == 10


EXPORTS = [
    ("RSA_2048", "RSAES_OAEP_SHA_1", 214),
    ("RSA_2048", "RSAES_OAEP_SHA_256", 190),
    ("EC_SM2", "SM2PKE", 1024),
]


@pytest.mark.parametrize(("spec", "algorithm", "longest"), EXPORTS)
def test_a_data_key_is_exported_to_a_public_key(spec: str, algorithm: str, longest: int) -> None:
    service = Service()
    key_id = service.key()
    private = asymmetric.generate(KeySpec(spec), service.entropy)
    public = base64_of(asymmetric.public_key(KeySpec(spec), private))
    wrapping = {"PublicKeyBlob": public, "WrappingKeySpec": spec, "WrappingAlgorithm": algorithm}
    pem = asymmetric.pem(base64.b64decode(public)).encode()
    service.ok("GenerateAndExportDataKey", KeyId=key_id, **{**wrapping, "PublicKeyBlob": base64_of(pem)})
    context = {"EncryptionContext": '{"a": "b"}'}

    def opened(exported: str) -> str:
        key = asymmetric.decrypt(KeySpec(spec), algorithm, private, base64.b64decode(exported))
        return base64_of(key)

    for asked, length in (
        ({}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": "1"}, 1),
        ({"NumberOfBytes": str(longest)}, longest),
    ):
        made = service.ok("GenerateAndExportDataKey", KeyId=key_id, **wrapping, **context, **asked)
        plain = service.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"], **context)["Plaintext"]
        assert (opened(made["ExportedDataKey"]), len(base64.b64decode(plain))) == (plain, length)
        again = service.ok("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **wrapping, **context)
        assert (again["KeyId"], opened(again["ExportedDataKey"])) == (key_id, plain)
        blob = {"CiphertextBlob": made["CiphertextBlob"]}
        assert service.refused("ExportDataKey", **blob, **wrapping) == "InvalidParameter"
    if longest < 1024:
        long = {"NumberOfBytes": str(longest + 1)}
        assert (
            service.refused("GenerateAndExportDataKey", KeyId=key_id, **wrapping, **long)
            == "InvalidParameter"
        )
        sealed = service.ok("GenerateDataKeyWithoutPlaintext", KeyId=key_id, **long)["CiphertextBlob"]
        assert service.refused("ExportDataKey", CiphertextBlob=sealed, **wrapping) == "InvalidParameter"
    words = service.ok("Encrypt", KeyId=key_id, Plaintext="no data key")["CiphertextBlob"]
    assert service.refused("ExportDataKey", CiphertextBlob=words, **wrapping) == "InvalidParameter"
    for name, value in (
        ("PublicKeyBlob", base64_of(b"no key")),
        (
            "PublicKeyBlob",
            base64_of(asymmetric.public_key(OTHER, asymmetric.generate(OTHER, service.entropy))),
        ),
        ("PublicKeyBlob", "?"),
        ("WrappingKeySpec", "RSA_4096"),
        ("WrappingAlgorithm", "RSAES_PKCS1_V1_5"),  # for imports only
        ("WrappingAlgorithm", "SM2PKE" if spec == "RSA_2048" else "RSAES_OAEP_SHA_1"),
    ):
        wrong = {**wrapping, name: value}
        assert service.refused("GenerateAndExportDataKey", KeyId=key_id, **wrong) == "InvalidParameter", name
        assert service.refused("ExportDataKey", CiphertextBlob=words, **wrong) == "InvalidParameter", name
