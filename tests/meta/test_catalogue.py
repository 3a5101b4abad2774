"""The house rules of operations: what the catalogue declares is the vendor's, documented, tested, frozen and discreet."""

import ast
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from keystead.domain.products import KMS, RAM
from tests.harness import Service, base64_of, version_of
from tests.ram import Ram, allow, two_codes

ROOT = Path(__file__).parents[2]
VENDOR: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (ROOT / "tests" / "vectors" / "catalogue.json").read_text(encoding="utf-8")
)
HELD = (KMS, RAM)  # the products whose operations are held to the vendor's metadata
OURS = {
    product.name: {operation.action: operation for operation in CATALOGUE.of(product)} for product in HELD
}
EVERY = tuple(CATALOGUE)

# What the vendor lists and this version leaves out, so that every absence is deliberate.
NOT_OFFERED: dict[str, set[str]] = {
    "Kms": set(),
    "Ram": {
        # Roles, which are assumed by way of Sts.
        *("CreateRole", "GetRole", "UpdateRole", "DeleteRole", "ListRoles"),
        *("AttachPolicyToRole", "DetachPolicyFromRole", "ListPoliciesForRole"),
        # What an account is called, what its users may set by themselves, and what its refusals hide.
        *("SetAccountAlias", "GetAccountAlias", "ClearAccountAlias"),
        *("SetSecurityPreference", "GetSecurityPreference", "DecodeDiagnosticMessage"),
    },
}
NOT_TAKEN = {
    "SetDeletionProtection": {"KmsInstanceId"},
    "TagResource": {"CertificateId", "SecretName"},
    "UntagResource": {"CertificateId", "SecretName"},
}
NOT_GIVEN = {
    "AsymmetricDecrypt": {"CiphertextForRecipient"},
    "Decrypt": {"CiphertextForRecipient"},
    "GenerateDataKey": {"CiphertextForRecipient"},
    # There are no roles.
    "ListEntitiesForPolicy": {
        f"Roles.Role.{name}" for name in ("Arn", "AttachDate", "Description", "RoleId", "RoleName")
    },
}
# The vendor's metadata calls them required; its manual, its clients and the guide do not.
OPTIONAL = {
    ("CreateKey", "DKMSInstanceId"),
    ("CreateKey", "RotationInterval"),
    ("ImportKeyMaterial", "KeyMaterialExpireUnix"),
}
# Its metadata of Ram calls nothing required; by the manual these are not, and all else is.
OPTIONAL_OF_RAM = {
    *("Comments", "Description", "DisplayName", "Email", "MobilePhone", "Marker", "MaxItems"),
    *("NewComments", "NewDisplayName", "NewEmail", "NewGroupName", "NewMobilePhone", "NewUserName"),
    *("RotateStrategy", "SetAsDefault"),
    *("PasswordResetRequired", "MFABindRequired", ("UpdateLoginProfile", "Password")),
    *("MinimumPasswordLength", "RequireLowercaseCharacters", "RequireUppercaseCharacters", "RequireNumbers"),
    *("RequireSymbols", "HardExpiry", "MaxPasswordAge", "PasswordReusePrevention", "MaxLoginAttemps"),
    *((f"{verb}AccessKey", "UserName") for verb in ("Create", "Update", "Delete")),
    *(("ListAccessKeys", "UserName"), ("GetAccessKeyLastUsed", "UserName"), ("ListPolicies", "PolicyType")),
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


@pytest.mark.parametrize("product", sorted(OURS))
def test_the_catalogue_has_the_vendors_operations(product: str) -> None:
    assert NOT_OFFERED[product] < set(VENDOR[product]) or not NOT_OFFERED[product]
    assert set(OURS[product]) == set(VENDOR[product]) - NOT_OFFERED[product]


def required_by_the_vendor(product: str, action: str, name: str) -> bool:
    if product == RAM.name:
        return not {name, (action, name)} & OPTIONAL_OF_RAM
    return VENDOR[product][action]["request"][name].get("required", False) and (action, name) not in OPTIONAL


@pytest.mark.parametrize(("product", "action"), [(product, one) for product in OURS for one in OURS[product]])
def test_parameters_are_the_vendors(product: str, action: str) -> None:
    listed = VENDOR[product][action]["request"]
    fields = {field.name: field for field in OURS[product][action].fields}
    assert set(fields) == set(listed) - NOT_TAKEN.get(action, set())
    for name, field in fields.items():
        assert field.required == required_by_the_vendor(product, action, name), name
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


def users_and_policies(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of Ram once, successfully."""

    def ram(action: str, **parameters: str) -> tuple[str, dict[str, Any]]:
        return action, service.ok(action, "ram.aliyuncs.com", Version=RAM.version, **parameters)

    notes = {"Comments": "c"}
    user, group, policy = {"UserName": "u"}, {"GroupName": "g"}, {"PolicyName": "p"}
    custom = {**policy, "PolicyType": "Custom"}
    document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}'
    yield ram("CreateUser", **user, **notes, DisplayName="d", MobilePhone="86-1", Email="e@example.com")
    service.ok("CreateUser", Version=RAM.version, UserName="w")
    yield ram("UpdateUser", **user, NewDisplayName="e")
    yield ram("GetUser", **user)
    yield ram("ListUsers", MaxItems="1")
    yield ram("CreateGroup", **group, **notes)
    service.ok("CreateGroup", Version=RAM.version, GroupName="h")
    yield ram("UpdateGroup", **group, NewComments="d")
    yield ram("GetGroup", **group)
    yield ram("ListGroups", MaxItems="1")
    yield ram("AddUserToGroup", **user, **group)
    service.ok("AddUserToGroup", Version=RAM.version, UserName="w", **group)
    yield ram("ListGroupsForUser", **user)
    yield ram("ListUsersForGroup", **group, MaxItems="1")
    yield ram("CreatePolicy", **policy, PolicyDocument=document, Description="d")
    yield ram("UpdatePolicyDescription", **policy, NewDescription="e")
    yield ram("GetPolicy", **custom)
    yield ram("ListPolicies", MaxItems="1")
    yield ram("CreatePolicyVersion", **policy, PolicyDocument=document)
    yield ram("GetPolicyVersion", **custom, VersionId="v2")
    yield ram("ListPolicyVersions", **custom)
    yield ram("SetDefaultPolicyVersion", **policy, VersionId="v2")
    yield ram("DeletePolicyVersion", **policy, VersionId="v1")
    yield ram("AttachPolicyToUser", **custom, **user)
    yield ram("AttachPolicyToGroup", **custom, **group)
    yield ram("ListPoliciesForUser", **user)
    yield ram("ListPoliciesForGroup", **group)
    yield ram("ListEntitiesForPolicy", **custom)
    yield ram("DetachPolicyFromUser", **custom, **user)
    yield ram("DetachPolicyFromGroup", **custom, **group)
    yield ram("DeletePolicy", **policy)
    yield ram("RemoveUserFromGroup", **user, **group)
    service.ok("RemoveUserFromGroup", Version=RAM.version, UserName="w", **group)
    yield ram("DeleteGroup", **group)
    made = ram("CreateAccessKey", **user)
    yield made
    access_key = {**user, "UserAccessKeyId": made[1]["AccessKey"]["AccessKeyId"]}
    yield ram("ListAccessKeys", **user)
    yield ram("GetAccessKeyLastUsed", **access_key)
    yield ram("UpdateAccessKey", **access_key, Status="Inactive")
    yield ram("DeleteAccessKey", **access_key)
    yield from sign_in(service, ram)
    yield ram("DeleteUser", **user)


def sign_in(
    service: Service, ram: Callable[..., tuple[str, dict[str, Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of passwords and MFA devices; a user changes its own password."""
    user, first, second = {"UserName": "u"}, f"A1!{CANARY}", f"A2!{CANARY}"
    yield ram("SetPasswordPolicy", MinimumPasswordLength="9")
    yield ram("GetPasswordPolicy")
    yield ram("CreateLoginProfile", **user, Password=first)
    yield ram("GetLoginProfile", **user)
    pair = Ram(service).access_key_of("u")
    service.ok(
        "CreatePolicy", Version=RAM.version, PolicyName="own", PolicyDocument=json.dumps(allow("ram:*"))
    )
    own = {**user, "PolicyType": "Custom", "PolicyName": "own"}
    service.ok("AttachPolicyToUser", Version=RAM.version, **own)
    yield (
        "ChangePassword",
        Ram(service, pair).ok("ChangePassword", OldPassword=first, NewPassword=second) | {"RequestId": ""},
    )
    service.ok("DetachPolicyFromUser", Version=RAM.version, **own)
    service.ok("DeleteAccessKey", Version=RAM.version, **user, UserAccessKeyId=pair[0])
    yield ram("UpdateLoginProfile", **user, Password=first)
    made = ram("CreateVirtualMFADevice", VirtualMFADeviceName="phone")
    yield made
    serial = {"SerialNumber": made[1]["VirtualMFADevice"]["SerialNumber"]}
    yield ram("BindMFADevice", **user, **serial, **two_codes(made[1], service.clock.now()))
    yield ram("GetUserMFAInfo", **user)
    yield ram("ListVirtualMFADevices")
    yield ram("UnbindMFADevice", **user)
    yield ram("DeleteVirtualMFADevice", **serial)
    yield ram("DeleteLoginProfile", **user)


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


@pytest.mark.parametrize(("product", "played"), [("Kms", scenario), ("Ram", users_and_policies)])
def test_answers_have_the_vendors_members_and_types(
    product: str, played: Callable[[Service], Iterator[tuple[str, dict[str, Any]]]]
) -> None:
    answered = set()
    for action, members in played(Service()):
        listed = listed_shape(VENDOR[product][action]["response"])
        expected = {name: kind for name, kind in listed.items() if name not in NOT_GIVEN.get(action, set())}
        assert shape(members) == expected, action
        answered.add(action)
    # These refuse always: one as the vendor's does once the service is open, one for want of an enclave.
    assert answered == set(OURS[product]) - {"OpenKmsService", "GetChallenge"}


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.action)
def test_an_operation_is_documented_tested_and_frozen(operation: Operation) -> None:
    assert operation.summary.endswith("."), operation.summary
    family = operation.function.__module__.rpartition(".")[2]
    families = (family, f"{operation.product.name.lower()}_{family}", "states")
    tests = [ROOT / "tests" / "operations" / f"test_{name}.py" for name in families]
    written = [file.read_text(encoding="utf-8") for file in tests if file.exists()]
    assert any(f'"{operation.action}"' in text for text in written)
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
    assert len(service.records) >= len(OURS["Kms"]) + len(refused)
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
        ("ExtendTemporaryAccessKey", "AccessKeyId"),
        *((f"{verb}AccessKey", "UserAccessKeyId") for verb in ("Update", "Delete")),
        ("GetAccessKeyLastUsed", "UserAccessKeyId"),
        *((action, "Password") for action in ("CreateLoginProfile", "UpdateLoginProfile")),
        *(("ChangePassword", name) for name in ("OldPassword", "NewPassword")),
        *(("BindMFADevice", f"AuthenticationCode{number}") for number in (1, 2)),
        *(("CreateSession", name) for name in ("UserName", "Password", "Code")),
        *(("ConfirmSession", name) for name in ("Password", "Code")),
        ("RedeemSignInLink", "Token"),
        *((action, "PolicyDocument") for action in ("CreatePolicy", "CreatePolicyVersion", "SimulatePolicy")),
        *((action, "PublicKeyBlob") for action in ("ExportDataKey", "GenerateAndExportDataKey")),
    }
    for action, name in sensitive:
        for operation in (one for one in EVERY if one.action == action):
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
