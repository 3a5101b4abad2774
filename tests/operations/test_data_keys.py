import base64

import pytest

from tests.harness import Service


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
