"""The house rules of operations: what the catalogue declares is the vendor's, documented, tested, frozen and discreet."""

import ast
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api import bind
from keystead.api.operation import CATALOGUE, Operation
from keystead.domain.audit import REVEALING
from keystead.domain.products import KMS
from tests.harness import Service, base64_of, version_of

ROOT = Path(__file__).parents[2]
VENDOR: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (ROOT / "tests" / "vectors" / "catalogue.json").read_text(encoding="utf-8")
)
OURS = {operation.action: operation for operation in CATALOGUE.of(KMS)}
EVERY = tuple(CATALOGUE)

# What the vendor lists and this version leaves out, so that every absence is deliberate.
NOT_TAKEN = {
    "SetDeletionProtection": {"KmsInstanceId"},
    "TagResource": {"CertificateId", "SecretName"},
    "UntagResource": {"CertificateId", "SecretName"},
}
NOT_GIVEN = {
    "AsymmetricDecrypt": {"CiphertextForRecipient"},
    "Decrypt": {"CiphertextForRecipient"},
    "GenerateDataKey": {"CiphertextForRecipient"},
}
# The vendor's metadata calls them required; its manual, its clients and the guide do not.
OPTIONAL = {
    ("CreateKey", "DKMSInstanceId"),
    ("CreateKey", "RotationInterval"),
    ("ImportKeyMaterial", "KeyMaterialExpireUnix"),
}
KINDS = {"string": "String", "integer": "Integer", "boolean": "Boolean", "map<string,any>": "Map"}
TYPES: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}
CANARY = "canary-7f3a"
STATEMENT = {
    "Effect": "Allow",
    "Action": ["kms:*"],
    "Principal": {"RAM": ["acs:ram::1000000000000001:*"]},
    "Resource": ["*"],
}


def test_the_catalogue_has_the_vendors_operations() -> None:
    assert set(OURS) == set(VENDOR)


@pytest.mark.parametrize("action", sorted(OURS))
def test_parameters_are_the_vendors(action: str) -> None:
    listed = VENDOR[action]["request"]
    fields = {field.name: field for field in OURS[action].fields}
    assert set(fields) == set(listed) - NOT_TAKEN.get(action, set())
    for name, field in fields.items():
        required = listed[name].get("required", False) and (action, name) not in OPTIONAL
        assert field.required == required, name
        # The clients declare DryRun as a string; it carries true or false.
        kind = listed[name]["type"]
        expected = "Array" if isinstance(kind, list) else KINDS[kind]
        assert field.param.kind == ("Boolean" if name == "DryRun" else expected), name


def scenario(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation once, successfully, with a canary in every sensitive field that takes one."""
    key = service.ok(
        "CreateKey", DKMSInstanceId="kst-1", EnableAutomaticRotation="true", RotationInterval="7d"
    )
    yield "CreateKey", key
    key_id = key["KeyMetadata"]["KeyId"]
    protection = {"EnableDeletionProtection": "true", "DeletionProtectionDescription": "d"}
    arn = key["KeyMetadata"]["Arn"]
    yield (
        "SetDeletionProtection",
        service.ok("SetDeletionProtection", ProtectedResourceArn=arn, **protection),
    )
    yield "DescribeKey", service.ok("DescribeKey", KeyId=key_id)
    service.ok("SetDeletionProtection", KeyId=key_id, EnableDeletionProtection="false")
    tags = '[{"TagKey": "a", "TagValue": "b"}]'
    yield "TagResource", service.ok("TagResource", KeyId=key_id, Tags=tags)
    yield "ListResourceTags", service.ok("ListResourceTags", KeyId=key_id)
    yield "UntagResource", service.ok("UntagResource", KeyId=key_id, TagKeys='["a"]')
    several = {"RegionId": service.region, "ResourceType": "key"}
    others = [service.key() for _ in range(51)]
    for number, other in enumerate(others):
        named = {**several, "ResourceId.1": other, "Tag.1.Key": "many"}
        made = service.ok("TagResources", **named)
        if number == 0:
            yield "TagResources", made
    yield "ListTagResources", service.ok("ListTagResources", **several, **{"Tag.1.Key": "many"})
    yield (
        "UntagResources",
        service.ok("UntagResources", **several, **{"ResourceId.1": others[0], "TagKey.1": "many"}),
    )
    yield "DescribeAccountKmsStatus", service.ok("DescribeAccountKmsStatus")
    yield "ListKeys", service.ok("ListKeys")
    yield "DisableKey", service.ok("DisableKey", KeyId=key_id)
    yield "EnableKey", service.ok("EnableKey", KeyId=key_id)
    yield "ScheduleKeyDeletion", service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    yield "CancelKeyDeletion", service.ok("CancelKeyDeletion", KeyId=key_id)
    yield "UpdateKeyDescription", service.ok("UpdateKeyDescription", KeyId=key_id, Description="d")
    yield "CreateAlias", service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    yield "UpdateAlias", service.ok("UpdateAlias", KeyId=key_id, AliasName="alias/a")
    yield "ListAliases", service.ok("ListAliases")
    yield "ListAliasesByKeyId", service.ok("ListAliasesByKeyId", KeyId=key_id)
    yield "DeleteAlias", service.ok("DeleteAlias", AliasName="alias/a")
    sealed = service.ok("Encrypt", KeyId=key_id, Plaintext=CANARY)
    yield "Encrypt", sealed
    yield "Decrypt", service.ok("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
    rotated = service.ok("CreateKeyVersion", KeyId=key_id)
    yield "CreateKeyVersion", rotated
    version_id = rotated["KeyVersion"]["KeyVersionId"]
    yield "DescribeKeyVersion", service.ok("DescribeKeyVersion", KeyId=key_id, KeyVersionId=version_id)
    yield "ListKeyVersions", service.ok("ListKeyVersions", KeyId=key_id)
    policy = {"EnableAutomaticRotation": "true", "RotationInterval": "30d"}
    yield "UpdateRotationPolicy", service.ok("UpdateRotationPolicy", KeyId=key_id, **policy)
    again = {"CiphertextBlob": sealed["CiphertextBlob"], "DestinationKeyId": key_id}
    yield "ReEncrypt", service.ok("ReEncrypt", **again)
    yield "GenerateDataKey", service.ok("GenerateDataKey", KeyId=key_id)
    yield (
        "GenerateDataKeyWithoutPlaintext",
        service.ok("GenerateDataKeyWithoutPlaintext", KeyId=key_id),
    )
    yield "DescribeRegions", service.ok("DescribeRegions")
    yield from pairs_and_codes(service)
    yield from bring_and_take(service)
    text = json.dumps({"Version": "1", "Statement": [STATEMENT]})
    yield "SetKeyPolicy", service.ok("SetKeyPolicy", KeyId=key_id, Policy=text)
    yield "GetKeyPolicy", service.ok("GetKeyPolicy", KeyId=key_id)


def pairs_and_codes(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of key pairs and of codes."""
    pair = version_of(service, service.key(KeySpec="RSA_2048"))
    yield "GetPublicKey", service.ok("GetPublicKey", **pair)
    oaep = {**pair, "Algorithm": "RSAES_OAEP_SHA_256"}
    sealed = service.ok("AsymmetricEncrypt", Plaintext=base64_of(CANARY.encode()), **oaep)
    yield "AsymmetricEncrypt", sealed
    yield (
        "AsymmetricDecrypt",
        service.ok("AsymmetricDecrypt", CiphertextBlob=sealed["CiphertextBlob"], **oaep),
    )
    signer = version_of(service, service.key(KeySpec="EC_P256"))
    signing = {**signer, "Algorithm": "ECDSA_SHA_256", "Digest": base64_of(bytes(32))}
    signed = service.ok("AsymmetricSign", **signing)
    yield "AsymmetricSign", signed
    yield "AsymmetricVerify", service.ok("AsymmetricVerify", Value=signed["Value"], **signing)
    coding = {
        "KeyId": service.key(KeySpec="HMAC_SHA_256"),
        "Algorithm": "HMAC_SHA_256",
        "Message": base64_of(CANARY.encode()),
    }
    coded = service.ok("GenerateMac", **coding)
    yield "GenerateMac", coded
    yield "VerifyMac", service.ok("VerifyMac", Mac=coded["Mac"], **coding)


def bring_and_take(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """Material in, data keys out."""
    key_id = service.key(Origin="EXTERNAL")
    wrapping = {"WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256"}
    given = service.ok("GetParametersForImport", KeyId=key_id, **wrapping)
    yield "GetParametersForImport", given
    public = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    material = {
        "EncryptedKeyMaterial": base64_of(public.encrypt(bytes(32), oaep)),
        "ImportToken": given["ImportToken"],
        "KeyMaterialExpireUnix": "0",
    }
    yield "ImportKeyMaterial", service.ok("ImportKeyMaterial", KeyId=key_id, **material)
    wrapping["PublicKeyBlob"] = given["PublicKey"]
    made = service.ok("GenerateAndExportDataKey", KeyId=key_id, **wrapping)
    yield "GenerateAndExportDataKey", made
    yield (
        "ExportDataKey",
        service.ok("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **wrapping),
    )
    yield "DeleteKeyMaterial", service.ok("DeleteKeyMaterial", KeyId=key_id)


def shape(value: object, path: str = "") -> dict[str, str]:
    """The leaves of an answer by path, each with its type; the rows of a list count as one."""
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return {
            place: kind
            for name, inner in value.items()
            for place, kind in shape(inner, f"{prefix}{name}").items()
        }
    if isinstance(value, list):
        assert value, path
        return {place: kind for row in value for place, kind in shape(row, path).items()}
    return {path: TYPES[type(value)]}


def listed_shape(value: object, path: str = "") -> dict[str, str]:
    """The same of the vendor's metadata, whose leaves are names of types."""
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return {
            place: kind
            for name, inner in value.items()
            for place, kind in listed_shape(inner, f"{prefix}{name}").items()
        }
    if isinstance(value, list):
        return listed_shape(value[0], path)
    assert isinstance(value, str)
    return {path: value}


def test_answers_have_the_vendors_members_and_types() -> None:
    answered = set()
    for action, members in scenario(Service()):
        listed = listed_shape(VENDOR[action]["response"])
        expected = {name: kind for name, kind in listed.items() if name not in NOT_GIVEN.get(action, set())}
        assert shape(members) == expected, action
        answered.add(action)
    # These refuse always: one as the vendor's does once the service is open, one for want of an enclave.
    assert answered == set(OURS) - {"OpenKmsService", "GetChallenge"}


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.action)
def test_an_operation_is_documented_tested_and_frozen(operation: Operation) -> None:
    assert operation.summary.endswith("."), operation.summary
    family = operation.function.__module__.rpartition(".")[2]
    tests = [ROOT / "tests" / "operations" / name for name in (f"test_{family}.py", "test_states.py")]
    assert tests[0].exists()
    assert any(f'"{operation.action}"' in file.read_text(encoding="utf-8") for file in tests)
    for kind in (operation.request, *structs(operation.reply)):
        assert kind.__struct_config__.frozen, kind
        assert all(field.param.limits for field in operation.fields)


def structs(kind: object) -> Iterator[type[msgspec.Struct]]:
    """A reply's type and those of its members."""
    info = msgspec.inspect.type_info(kind)
    waiting = [info]
    while waiting:
        found = waiting.pop()
        match found:
            case msgspec.inspect.StructType():
                yield found.cls
                waiting += [field.type for field in found.fields]
            case msgspec.inspect.ListType():
                waiting.append(found.item_type)
            case msgspec.inspect.UnionType():
                waiting += found.types
            case _:
                pass


def test_what_is_sensitive_is_in_no_record_and_no_repr() -> None:
    service = Service()
    key_id = service.key()
    made = service.ok("GenerateDataKey", KeyId=key_id)
    secrets = {CANARY, service.access_key[1], made["Plaintext"]}
    for _ in scenario(service):
        pass
    refused = [
        ("Encrypt", {"KeyId": "nowhere", "Plaintext": CANARY}),
        ("Encrypt", {"KeyId": key_id, "Plaintext": CANARY, "DryRun": "true"}),
        ("Encrypt", {"KeyId": key_id, "Plaintext": CANARY, "EncryptionContext": "["}),
        ("Decrypt", {"CiphertextBlob": CANARY}),
        ("Decrypt", {"CiphertextBlob": made["CiphertextBlob"], "Recipient": CANARY}),
        (
            "GenerateMac",
            {"KeyId": key_id, "Algorithm": "HMAC_SHA_256", "Message": base64_of(CANARY.encode())},
        ),
        ("Nonsense", {"Plaintext": CANARY, "SecretData": CANARY}),
        ("ListKeys", {"Plaintext": CANARY}),
    ]
    for action, parameters in refused:
        request = service.request(action, parameters)
        assert CANARY not in repr(request)
        service.send(request)
    _, created = service.operate("CreateAccessKey")
    secrets.add(created["AccessKey"]["AccessKeySecret"])
    told = "\n".join(str(record) for record in service.records)
    assert len(service.records) >= len(OURS) + len(refused)
    for secret in secrets:
        assert secret not in told


def test_sensitive_fields_show_in_no_repr_and_are_not_recordable() -> None:
    sensitive = {
        (operation.action, field.name)
        for operation in EVERY
        for field in operation.fields
        if field.param.sensitive
    }
    assert sensitive == {
        ("Encrypt", "Plaintext"),
        ("Decrypt", "Recipient"),
        ("GenerateDataKey", "Recipient"),
        # What was meant to be a policy may be anything.
        *((action, "Policy") for action in ("CreateKey", "SetKeyPolicy")),
        ("AsymmetricEncrypt", "Plaintext"),
        *(("AsymmetricDecrypt", name) for name in ("CiphertextBlob", "Recipient")),
        ("AsymmetricVerify", "Value"),
        ("GenerateMac", "Message"),
        *(("VerifyMac", name) for name in ("Message", "Mac")),
        *(("ImportKeyMaterial", name) for name in ("EncryptedKeyMaterial", "ImportToken")),
        # Where a secret may have been pasted.
        *((action, "AccessKeyId") for action in ("UpdateAccessKey", "DeleteAccessKey")),
        *((action, "PublicKeyBlob") for action in ("ExportDataKey", "GenerateAndExportDataKey")),
    }
    for action, name in sensitive:
        (operation,) = (one for one in EVERY if one.action == action)
        assert bind.recordable(operation, {name: CANARY}) == {}
    for operation in EVERY:
        values: dict[str, Any] = {field.attribute: CANARY for field in operation.fields}
        assert CANARY not in repr(operation.request(**values))


# --- patterns


def loose_patterns(source: str) -> list[str]:
    """Regular expressions that end at `$`, which also matches before a trailing line break; `\\Z` does not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            texts: list[ast.expr] = [one.value for one in node.keywords if one.arg == "pattern"]
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re":
                texts += node.args[:1]
            for text in texts:
                found += [
                    str(part.value)
                    for part in ast.walk(text)
                    if isinstance(part, ast.Constant) and ("$" in str(part.value))
                ]
    return found


def test_no_pattern_ends_at_a_dollar_sign() -> None:
    files = sorted((ROOT / "keystead").rglob("*.py"))
    assert len(files) > 50
    for file in files:
        assert loose_patterns(file.read_text(encoding="utf-8")) == [], file


@pytest.mark.parametrize(
    "planted",
    ["re.compile(r'a$')", "re.match(rb'a$', b'')", "msgspec.Meta(pattern='^a$')", "re.sub('a$', 'b')"],
)
def test_a_planted_dollar_sign_is_found(planted: str) -> None:
    assert loose_patterns(planted)


# --- a new operation


SHEEP = '''"""Sheep, for a test."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import KeyRef, PageSize, Reply, Request
from keystead.domain.keys.lifecycle import Gate


class CountSheepRequest(Request, frozen=True):
    key_id: KeyRef
    page_size: PageSize = 7


class CountSheepReply(Reply, frozen=True):
    sheep: int


@key_operation(gate=Gate.USE)
def count_sheep(call: KeyCall, request: CountSheepRequest) -> CountSheepReply:
    """Count sheep until everybody sleeps."""
    return CountSheepReply(sheep=request.page_size)
'''
DISPATCH = """
import json, keystead
from tests.harness import Service
service = Service()
key_id = service.key()
counted = service.ok("CountSheep", KeyId=key_id, PageSize="3")
service.ok("DisableKey", KeyId=key_id)
refused = service.refused("CountSheep", KeyId=key_id)
print(json.dumps([keystead.__file__, counted["Sheep"], refused, service.records[-1].action]))
"""


def test_a_new_operation_is_one_module_that_dispatch_command_line_and_docs_see(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "keystead", tmp_path / "keystead", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "keystead" / "operations" / "kms" / "sheep.py").write_text(SHEEP)
    shutil.copy(ROOT / "docs" / "generate.py", tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    where, counted, refused, recorded = json.loads(run("-c", DISPATCH))
    assert Path(where).is_relative_to(tmp_path)
    assert (counted, refused, recorded) == (3, "Rejected.Disabled", "CountSheep")
    assert "CountSheep                       Count sheep until everybody sleeps." in run(
        "-m", "keystead", "kms", "--help"
    )
    told = run("-m", "keystead", "kms", "CountSheep", "--help")
    assert "--KeyId" in told
    assert "1 to 100" in told
    page = run("-c", "import generate; print(generate.operations())")
    assert "## CountSheep\n\nCount sheep until everybody sleeps.\n" in page
    assert "Answers with `Sheep`, `RequestId`." in page


def test_what_gives_out_plaintext_or_material_is_known_to_the_audit() -> None:
    giving = {"Plaintext", "ExportedDataKey"}
    found = {
        operation.action
        for operation in CATALOGUE.of(KMS)
        if giving & {field.encode_name for field in msgspec.structs.fields(operation.reply)}
    }
    # ReEncrypt gives a ciphertext that others may be able to open.
    assert found | {"ReEncrypt"} == REVEALING
