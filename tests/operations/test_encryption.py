import base64
import json

import pytest

from keystead.api.http.message import HttpRequest
from tests.harness import Service, sign_v1

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\n-----END PRIVATE KEY-----\n"
INVALID_BLOB = 'The specified parameter "CiphertextBlob" is not valid.'


@pytest.mark.parametrize("plaintext", ["x", PEM, "密码 🔑", "aGVsbG8=", "\x00\x01", " \n", "a+b%2B&c=d"])
def test_what_is_encrypted_is_decrypted_byte_for_byte(plaintext: str) -> None:
    service = Service()
    key_id = service.key()
    encrypted = service.ok("Encrypt", KeyId=key_id, Plaintext=plaintext)
    assert list(encrypted) == ["KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"]
    assert encrypted["KeyId"] == key_id
    raw = base64.b64decode(encrypted["CiphertextBlob"])
    assert raw[:36].decode() == encrypted["KeyVersionId"]
    decrypted = service.ok("Decrypt", CiphertextBlob=encrypted["CiphertextBlob"])
    assert list(decrypted) == ["KeyId", "KeyVersionId", "Plaintext", "RequestId"]
    assert decrypted["Plaintext"] == plaintext
    assert decrypted["KeyVersionId"] == encrypted["KeyVersionId"]


def test_two_ciphertexts_of_one_plaintext_differ() -> None:
    service = Service()
    key_id = service.key()
    blobs = {service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"] for _ in range(10)}
    assert len(blobs) == 10


@pytest.mark.parametrize(
    ("plaintext", "accepted"),
    [
        ("x" * 6144, True),
        ("x" * 6145, False),
        ("é" * 3072, True),
        ("é" * 3073, False),
        (base64.b64encode(b"x" * 6144).decode(), True),
        (base64.b64encode(b"x" * 6145).decode(), False),
        (base64.b64encode(b"x" * 6144).decode() + "\n", False),
        ("", False),
    ],
)
def test_plaintext_is_at_most_6144_bytes(plaintext: str, accepted: bool) -> None:
    service = Service()
    status, members = service.call("Encrypt", KeyId=service.key(), Plaintext=plaintext)
    assert (status == 200) == accepted
    if accepted:
        assert service.ok("Decrypt", CiphertextBlob=members["CiphertextBlob"])["Plaintext"] == plaintext


def test_the_context_must_be_the_same_map() -> None:
    service = Service()
    blob = service.ok("Encrypt", KeyId=service.key(), Plaintext="x", EncryptionContext='{"a":"1","b":"é"}')
    for context in ('{"b": "\\u00e9", "a": "1"}', '{"a":"1","b":"é"}'):
        assert service.ok("Decrypt", CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=context)
    for context in ("", "{}", '{"a":"1"}', '{"a":"1","b":"e"}', '{"a1":"","b":"é"}'):
        status, members = service.call(
            "Decrypt", CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=context
        )
        assert (status, members["Code"], members["Message"]) == (400, "InvalidParameter", INVALID_BLOB)


def test_no_context_and_an_empty_one_are_the_same() -> None:
    service = Service()
    blob = service.ok("Encrypt", KeyId=service.key(), Plaintext="x", EncryptionContext="{}")["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"


def test_a_flattened_context_is_the_same_map() -> None:
    service = Service()
    key_id = service.key()
    flattened = {"EncryptionContext.a": "1", "EncryptionContext.b.c": "é"}
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x", **flattened)["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=blob, EncryptionContext='{"b.c":"é","a":"1"}')
    assert (
        service.refused("Encrypt", KeyId=key_id, Plaintext="x", EncryptionContext='{"a":"1"}', **flattened)
        == "InvalidParameter"
    )


@pytest.mark.parametrize(
    "context",
    ["[]", '"a"', '{"a":1}', '{"a":null}', '{"a":{}}', '{"a":"1","a":"2"}', "{", '{"a":"\\ud800"}', '{"\\ud800":"a"}',
     "NaN", "[" * 5000],
)  # fmt: skip
def test_a_context_that_is_not_a_map_of_strings_is_refused(context: str) -> None:
    service = Service()
    assert (
        service.refused("Encrypt", KeyId=service.key(), Plaintext="x", EncryptionContext=context)
        == "InvalidParameter"
    )


def test_context_is_at_most_8192_characters() -> None:
    service = Service()
    key_id = service.key()
    for length, status in ((8192, 200), (8193, 400)):
        context = json.dumps({"a": "x" * (length - 9)})
        assert len(context) == length
        assert service.call("Encrypt", KeyId=key_id, Plaintext="x", EncryptionContext=context)[0] == status


def test_every_ciphertext_that_does_not_open_gives_one_and_the_same_answer() -> None:
    service, other = Service(), Service(seed=b"other")
    key_id = service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    raw = bytearray(base64.b64decode(blob))
    foreign = other.ok(
        "Encrypt", KeyId=other.key(RegionId="cn-beijing"), RegionId="cn-beijing", Plaintext="x"
    )
    elsewhere = service.ok(
        "Encrypt", KeyId=service.key(RegionId="cn-beijing"), RegionId="cn-beijing", Plaintext="x"
    )
    damaged = [
        blob[:-4],
        "",
        "nonsense",
        blob + "\n",
        blob.replace(blob[80], "_", 1),
        foreign["CiphertextBlob"],
    ]
    damaged += [
        elsewhere["CiphertextBlob"],
        base64.b64encode(raw[:117]).decode(),
        base64.b64encode(raw + b"x").decode(),
    ]
    for place in range(0, len(raw), 3):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        damaged.append(base64.b64encode(flipped).decode())
    for one in damaged:
        if one == "":
            assert service.refused("Decrypt", CiphertextBlob=one) == "MissingParameter"
            continue
        status, members = service.call("Decrypt", CiphertextBlob=one)
        assert (status, members["Code"], members["Message"]) == (400, "InvalidParameter", INVALID_BLOB), one


def test_state_errors_only_for_a_version_of_this_account_and_region() -> None:
    service = Service()
    key_id = service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("DisableKey", KeyId=key_id)
    assert service.refused("Decrypt", CiphertextBlob=blob) == "Rejected.Disabled"
    assert service.refused("Decrypt", RegionId="cn-beijing", CiphertextBlob=blob) == "InvalidParameter"


def test_a_recipient_is_refused_rather_than_ignored() -> None:
    service = Service()
    key_id = service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    assert service.refused("Decrypt", CiphertextBlob=blob, Recipient="r") == "UnsupportedOperation"
    assert service.refused("GenerateDataKey", KeyId=key_id, Recipient="r") == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("parameters", "code", "status", "told"),
    [
        ({}, "DryRunOperationError", 400, "would have succeeded"),
        ({"Plaintext": ""}, "ValidationError", 400, 'MissingParameter: The parameter "Plaintext"'),
        ({"KeyId": "nowhere"}, "ValidationError", 400, "Forbidden.KeyNotFound"),
    ],
)
def test_a_dry_run_answers_what_would_have_happened(
    parameters: dict[str, str], code: str, status: int, told: str
) -> None:
    service = Service()
    asked = {"KeyId": service.key(), "Plaintext": "x", "DryRun": "True"} | parameters
    found, members = service.call("Encrypt", **asked)
    assert (found, members["Code"]) == (status, code)
    assert told in members["Message"]
    assert "CiphertextBlob" not in members
    assert service.records[-1].code == code


def test_dry_run_takes_a_boolean_only() -> None:
    service = Service()
    key_id = service.key()
    assert service.refused("Encrypt", KeyId=key_id, Plaintext="x", DryRun="maybe") == "InvalidParameter"
    assert service.ok("Encrypt", KeyId=key_id, Plaintext="x", DryRun="false")


def test_xml_carries_what_xml_can() -> None:
    service = Service()
    key_id = service.key()
    for plaintext, status in (("a\r\n<&>\t", 200), ("a\x00", 400)):
        blob = service.ok("Encrypt", KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
        response = service.send(service.request("Decrypt", {"CiphertextBlob": blob, "Format": "xml"}))
        assert response.status == status
        assert response.content_type == "text/xml;charset=utf-8"
        if status == 200:
            assert b"<Plaintext>a&#13;\n&lt;&amp;&gt;\t</Plaintext>" in response.body


def test_a_signature_of_another_account_finds_nothing() -> None:
    service = Service()
    signed = sign_v1({"Action": "ListKeys"}, ("LTAInobody", "x"), timestamp="2026-01-02T03:04:05Z", nonce="n")
    query = "&".join(f"{name}={value}" for name, value in signed.items() if name != "Signature")
    response = service.send(
        HttpRequest(method="POST", target=f"/?{query}&Signature=AAAA", headers={"host": "h"})
    )
    assert response.status == 404
    assert json.loads(response.body)["Code"] == "InvalidAccessKeyId.NotFound"


def test_re_encrypt_across_keys_and_contexts() -> None:
    service = Service()
    one, two = service.key(), service.key()
    old = service.ok("Encrypt", KeyId=one, Plaintext=PEM, EncryptionContext='{"a": "1"}')["CiphertextBlob"]
    made = service.ok(
        "ReEncrypt",
        CiphertextBlob=old,
        SourceEncryptionContext='{"a": "1"}',
        DestinationKeyId=two,
        DestinationEncryptionContext='{"b": "2"}',
    )
    assert list(made) == ["KeyId", "KeyVersionId", "CiphertextBlob", "RequestId"]
    assert made["KeyId"] == one
    opened = service.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext='{"b": "2"}')
    assert (opened["KeyId"], opened["Plaintext"]) == (two, PEM)
    assert service.refused("Decrypt", CiphertextBlob=made["CiphertextBlob"]) == "InvalidParameter"
    record = [record for record in service.records if record.action == "ReEncrypt"][-1]
    assert sorted(arn.rpartition("/")[2] for arn in json.loads(record.resources)) == sorted([one, two])
    assert "CiphertextBlob" not in record.parameters


def test_re_encrypt_to_the_same_key_and_a_data_key() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=key_id)
    made = service.ok("GenerateDataKey", KeyId=key_id)
    again = service.ok("ReEncrypt", CiphertextBlob=made["CiphertextBlob"], DestinationKeyId="alias/a")[
        "CiphertextBlob"
    ]
    assert again != made["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=again)["Plaintext"] == made["Plaintext"]


def test_re_encrypt_is_refused_for_either_key() -> None:
    service = Service()
    one, two = service.key(), service.key()
    blob = service.ok("Encrypt", KeyId=one, Plaintext="x")["CiphertextBlob"]
    again = {"CiphertextBlob": blob, "DestinationKeyId": two}
    assert service.refused("ReEncrypt", **again, SourceEncryptionContext='{"a": "1"}') == "InvalidParameter"
    for algorithm in ("none", "RSAES_OAEP_SHA_256"):
        assert (
            service.refused("ReEncrypt", **again, SourceEncryptionAlgorithm=algorithm) == "InvalidParameter"
        )
    assert service.refused("ReEncrypt", CiphertextBlob=blob[:-8], DestinationKeyId=two) == "InvalidParameter"
    assert (
        service.refused("ReEncrypt", CiphertextBlob=blob, DestinationKeyId="alias/none")
        == "Forbidden.AliasNotFound"
    )
    for about in (one, two):
        service.ok("DisableKey", KeyId=about)
        assert service.refused("ReEncrypt", **again) == "Rejected.Disabled"
        service.ok("EnableKey", KeyId=about)
    service.ok("ScheduleKeyDeletion", KeyId=one, PendingWindowInDays="7")
    assert service.refused("ReEncrypt", **again) == "Rejected.PendingDeletion"
    assert service.refused("ReEncrypt", **again, DryRun="true") == "ValidationError"


@pytest.mark.parametrize("spec", ["Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128", "Aliyun_SM4"])
def test_every_symmetric_spec_encrypts(spec: str) -> None:
    service = Service()
    created = service.ok("CreateKey", KeySpec=spec)["KeyMetadata"]
    assert created["KeySpec"] == spec
    key_id = created["KeyId"]
    sealed = service.ok("Encrypt", KeyId=key_id, Plaintext=PEM, EncryptionContext='{"a": "1"}')[
        "CiphertextBlob"
    ]
    opened = service.ok("Decrypt", CiphertextBlob=sealed, EncryptionContext='{"a": "1"}')
    assert opened["Plaintext"] == PEM
    assert service.refused("Decrypt", CiphertextBlob=sealed) == "InvalidParameter"
    made = service.ok("GenerateDataKey", KeyId=key_id)
    assert service.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    service.ok("CreateKeyVersion", KeyId=key_id)
    other = service.key(KeySpec="Aliyun_AES_256")
    again = {"CiphertextBlob": sealed, "DestinationKeyId": other, "SourceEncryptionContext": '{"a": "1"}'}
    moved = service.ok("ReEncrypt", **again)["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=moved)["Plaintext"] == PEM
    listed = service.ok("ListKeys", Filters=json.dumps([{"Key": "KeySpec", "Values": [spec]}]))
    assert key_id in {row["KeyId"] for row in listed["Keys"]["Key"]}
