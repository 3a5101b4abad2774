"""Operations through the vendor's SDKs: each member of each answer, as the SDK parsed it, has the vendor's name and type."""

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE
from keystead.domain.products import KMS
from keystead.errors import AlreadyOpened, AttestationUnsupported, KeyNotFound, KmsError
from tests.interop import matrix
from tests.meta.test_catalogue import NOT_GIVEN, VENDOR, listed_shape, shape

NODE = Path(__file__).parent / "node"
REQUEST_ID = re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

TAGS = '[{"TagKey": "a", "TagValue": "b"}]'
STATEMENT = {"Effect": "Allow", "Action": "kms:*", "Principal": {"RAM": "acs:ram::*:root"}, "Resource": "*"}
POLICY = json.dumps({"Version": "1", "Statement": [STATEMENT]})
PAIR = {"KeyId": "$NEWKEY", "KeyVersionId": "$LISTED"}
SEALING = {**PAIR, "Algorithm": "RSAES_OAEP_SHA_256"}
SIGNING = {**PAIR, "Algorithm": "ECDSA_SHA_256", "Digest": "A" * 43 + "="}
CODING = {"KeyId": "$NEWKEY", "Algorithm": "HMAC_SHA_256", "Message": "AAEC"}
WRAPPING = {"WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("CreateKey", {"EnableAutomaticRotation": True, "RotationInterval": "30d", "DKMSInstanceId": "kst-1"}),
    ("DescribeRegions", {}),
    ("ListKeys", {"PageNumber": 1, "PageSize": 10}),
    ("UpdateKeyDescription", {"KeyId": "$KEY", "Description": "a b+c*~é"}),
    ("CreateAlias", {"KeyId": "$KEY", "AliasName": "alias/a"}),
    ("UpdateAlias", {"KeyId": "$KEY", "AliasName": "alias/a"}),
    ("ListAliases", {"PageNumber": 1, "PageSize": 10}),
    ("ListAliasesByKeyId", {"KeyId": "$KEY", "PageNumber": 1, "PageSize": 10}),
    ("DeleteAlias", {"AliasName": "alias/a"}),
    ("DisableKey", {"KeyId": "$KEY"}),
    ("EnableKey", {"KeyId": "$KEY"}),
    ("CreateKeyVersion", {"KeyId": "$KEY"}),
    ("DescribeKeyVersion", {"KeyId": "$KEY", "KeyVersionId": "$VERSION"}),
    ("ListKeyVersions", {"KeyId": "$KEY", "PageNumber": 1, "PageSize": 10}),
    ("UpdateRotationPolicy", {"KeyId": "$KEY", "EnableAutomaticRotation": True, "RotationInterval": "7d"}),
    ("Encrypt", {"KeyId": "$KEY", "Plaintext": "a b+c*~é", "EncryptionContext": {"app": "é"}}),
    ("Decrypt", {"CiphertextBlob": "$BLOB", "EncryptionContext": {"app": "é"}}),
    (
        "ReEncrypt",
        {
            "CiphertextBlob": "$BLOB",
            "SourceEncryptionContext": {"app": "é"},
            "DestinationKeyId": "$KEY",
            "DestinationEncryptionContext": {"app": "other"},
        },
    ),
    ("GenerateDataKey", {"KeyId": "$KEY", "KeySpec": "AES_128", "EncryptionContext": {"app": "é"}}),
    ("GenerateDataKeyWithoutPlaintext", {"KeyId": "$KEY", "NumberOfBytes": 64}),
    ("TagResource", {"KeyId": "$KEY", "Tags": TAGS}),
    ("ListResourceTags", {"KeyId": "$KEY"}),
    ("UntagResource", {"KeyId": "$KEY", "TagKeys": '["a"]'}),
    (
        "SetDeletionProtection",
        {
            "ProtectedResourceArn": "$ARN",
            "EnableDeletionProtection": True,
            "DeletionProtectionDescription": "d",
        },
    ),
    ("DescribeKey", {"KeyId": "$KEY"}),
    ("DescribeAccountKmsStatus", {}),
    (
        "TagResources",
        {
            "RegionId": "cn-hangzhou",
            "ResourceType": "key",
            "ResourceId": ["$KEY"],
            "Tag": [{"Key": "a", "Value": "b"}],
        },
    ),
    (
        "ListTagResources",
        {"RegionId": "cn-hangzhou", "ResourceType": "key", "Tag": [{"Key": "many", "Value": "x"}]},
    ),
    ("ListTagResources", {"RegionId": "cn-hangzhou", "ResourceType": "key", "ResourceId": ["$KEY"]}),
    (
        "UntagResources",
        {"RegionId": "cn-hangzhou", "ResourceType": "key", "ResourceId": ["$KEY"], "TagKey": ["a"]},
    ),
    ("SetKeyPolicy", {"KeyId": "$KEY", "Policy": POLICY, "PolicyName": "default"}),
    ("GetKeyPolicy", {"KeyId": "$KEY"}),
    ("CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT/DECRYPT"}),
    ("ListKeyVersions", {"KeyId": "$NEWKEY"}),
    ("GetPublicKey", {"KeyId": "$NEWKEY", "KeyVersionId": "$LISTED"}),
    ("AsymmetricEncrypt", {**SEALING, "Plaintext": "AAEC"}),
    ("AsymmetricDecrypt", {**SEALING, "CiphertextBlob": "$NEWBLOB"}),
    ("CreateKey", {"KeySpec": "EC_P256", "KeyUsage": "SIGN/VERIFY"}),
    ("ListKeyVersions", {"KeyId": "$NEWKEY"}),
    ("AsymmetricSign", SIGNING),
    ("AsymmetricVerify", {**SIGNING, "Value": "$VALUE"}),
    ("CreateKey", {"KeySpec": "HMAC_SHA_256", "KeyUsage": "GENERATE/VERIFY_MAC"}),
    ("GenerateMac", CODING),
    ("VerifyMac", {**CODING, "Mac": "$MAC"}),
    ("CreateKey", {"Origin": "EXTERNAL"}),
    ("GetParametersForImport", {"KeyId": "$NEWKEY", **WRAPPING}),
    (
        "ImportKeyMaterial",
        {
            "KeyId": "$NEWKEY",
            "ImportToken": "$TOKEN",
            "EncryptedKeyMaterial": "$MATERIAL",
            "KeyMaterialExpireUnix": 0,
        },
    ),
    ("GenerateAndExportDataKey", {"KeyId": "$NEWKEY", "PublicKeyBlob": "$PUBLIC", **WRAPPING}),
    ("ExportDataKey", {"CiphertextBlob": "$NEWBLOB", "PublicKeyBlob": "$PUBLIC", **WRAPPING}),
    ("DeleteKeyMaterial", {"KeyId": "$NEWKEY"}),
    ("ScheduleKeyDeletion", {"KeyId": "$NEWKEY", "PendingWindowInDays": 7}),
    ("CancelKeyDeletion", {"KeyId": "$NEWKEY"}),
]
REFUSED: list[tuple[str, dict[str, Any], type[KmsError]]] = [
    ("OpenKmsService", {}, AlreadyOpened),
    ("GetChallenge", {}, AttestationUnsupported),
    ("DescribeKey", {"KeyId": "nowhere"}, KeyNotFound),
]
# The first answer of each operation has every member; a later one, in another case, may lack these.
LATER_LACKS = {
    "CreateKey": {
        "KeyMetadata.PrimaryKeyVersion",
        *(f"KeyMetadata.{name}" for name in ("DKMSInstanceId", "RotationInterval", "NextRotationDate")),
    },
    "ListTagResources": {"NextToken"},
}
# More keys with one tag than a page of ListTagResources holds.
SEED = "".join(
    f'[[key]]\nid = "many-{number:02}"\norigin = "EXTERNAL"\nstate = "PendingImport"\ntags = {{ many = "x" }}\n'
    for number in range(51)
)

COMMON = """
def wrapped(public):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    key = serialization.load_der_public_key(base64.b64decode(public))
    return base64.b64encode(key.encrypt(bytes(32), oaep)).decode()

def fill(value):
    if isinstance(value, list):
        return [fill(one) for one in value]
    if value == "$MATERIAL":
        return wrapped(known["$PUBLIC"])
    return known.get(value, value) if isinstance(value, str) else value

def learn(body):
    key, listed = body.get("KeyMetadata", {}), body.get("KeyVersions", {}).get("KeyVersion")
    for name, value in (("$KEY", key.get("KeyId")), ("$ARN", key.get("Arn")), ("$BLOB", body.get("CiphertextBlob")),
                        ("$VERSION", body.get("KeyVersion", {}).get("KeyVersionId"))):
        if value:
            known.setdefault(name, value)
    for name, value in (("$NEWKEY", key.get("KeyId")), ("$NEWBLOB", body.get("CiphertextBlob")), ("$MAC", body.get("Mac")),
                        ("$LISTED", listed[0]["KeyVersionId"] if listed else None), ("$VALUE", body.get("Value")),
                        ("$TOKEN", body.get("ImportToken")), ("$PUBLIC", body.get("PublicKey"))):
        if value:
            known[name] = value
"""

CURRENT = """
import base64, json, os, re, sys
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config
from darabonba.exceptions import UnretryableException

def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()

runs = []
for scheme in (
    {},
    {"signature_algorithm": "ACS3-HMAC-SM3"},
    {"signature_algorithm": "v2"},
    {"signature_version": "v4"},
    {"signature_version": "v4", "signature_algorithm": "ACS4-HMAC-SM3"},
):
    client = Client(Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        region_id="cn-hangzhou", **scheme))
    known, lacks, answers, refusals = {}, [], [], []
    for action, parameters in json.load(open(sys.argv[1])):
        if not hasattr(client, snake(action)):
            lacks.append(action)
            continue
        given = {name: fill(value) for name, value in parameters.items()}
        request = getattr(models, f"{action}Request", None)
        try:
            body = getattr(client, snake(action))(*[request().from_map(given)] if request else []).body.to_map()
        except AlibabaCloudException as error:
            refusals.append([action, error.code, error.status_code, error.data["Message"], error.request_id])
            continue
        except UnretryableException as error:  # how the SDK passes on what it parsed when it signs by v4
            told = error.inner_exception.data
            refusals.append([action, *(told[name] for name in ("Code", "HttpStatus", "Message", "RequestId"))])
            continue
        learn(body)
        answers.append([action, body])
    runs.append([lacks, answers, refusals])
print(json.dumps(runs))
"""

CLASSIC = """
import base64, json, os, pkgutil, sys
from importlib import import_module
import aliyunsdkkms.request.v20160120 as requests
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient

modules = {module.name for module in pkgutil.iter_modules(requests.__path__)}
client = AcsClient(os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou")
known, lacks, answers, refusals = {}, [], [], []
for action, parameters in json.load(open(sys.argv[1])):
    name = f"{action}Request"
    if name not in modules:
        lacks.append(action)
        continue
    request = getattr(import_module(f"aliyunsdkkms.request.v20160120.{name}"), name)()
    request.set_accept_format("JSON")
    for parameter, value in parameters.items():
        if parameter == "RegionId":
            continue  # the client sends its own
        value = fill(value)
        parameter += "s" if isinstance(value, list) else ""
        getattr(request, f"set_{parameter}")(json.dumps(value) if isinstance(value, dict) else value)
    try:
        body = json.loads(client.do_action_with_exception(request))
    except ServerException as error:
        refusals.append([action, error.get_error_code(), error.get_http_status(), error.get_error_msg(), error.get_request_id()])
        continue
    learn(body)
    answers.append([action, body])
print(json.dumps([[lacks, answers, refusals]]))
"""


def faults(answers: list[list[Any]]) -> list[tuple[str, set[str]]]:
    """The members that are missing, unknown or of another type, by the operation of each answer."""
    found: list[tuple[str, set[str]]] = []
    seen: set[str] = set()
    for action, members, *declared in answers:
        listed = listed_shape(VENDOR["Kms"][action]["response"])
        expected = {name: kind for name, kind in listed.items() if name not in NOT_GIVEN.get(action, set())}
        wrong: set[str] = set()
        if declared:
            # An SDK with types of its own is older than some members, and of one mind with the vendor on all others.
            own = dict(declared[0])
            wrong |= {name for name, _ in own.items() - listed.items()}
            expected = {name: kind for name, kind in expected.items() if name in own}
        given = shape(members)
        wrong |= {name for name, _ in given.items() - expected.items()}
        wrong |= (
            expected.keys() - given.keys() - (LATER_LACKS.get(action, set()) if action in seen else set())
        )
        seen.add(action)
        if wrong:
            found.append((action, wrong))
    return found


def test_every_operation_is_called() -> None:
    called = {action for action, _ in CALLS} | {action for action, _, _ in REFUSED}
    assert called == {operation.action for operation in CATALOGUE.of(KMS)}


# A program for each SDK that has all operations; it prints, for each way to sign, what the SDK lacks, the answers as it
# parsed them, and the refusals.
SDKS = {
    "alibabacloud_kms20160120": [sys.executable, "-W", "ignore", "-c", COMMON + CURRENT],
    "aliyun-python-sdk-kms": [sys.executable, "-W", "ignore", "-c", COMMON + CLASSIC],
    "@alicloud/kms20160120": ["node", str(NODE / "every.js")],
}


@pytest.mark.interop
@pytest.mark.parametrize("sdk", SDKS)
def test_every_answer_has_the_vendors_members_matrix(tmp_path: Path, sdk: str) -> None:
    if sdk.startswith("@") and not (NODE / "node_modules").exists():
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")
    calls = [*CALLS, *((action, parameters) for action, parameters, _ in REFUSED)]
    (tmp_path / "calls.json").write_text(json.dumps(calls), encoding="utf-8")
    (tmp_path / "seed.toml").write_text(SEED, encoding="utf-8")
    command = [*SDKS[sdk], str(tmp_path / "calls.json")]
    ran = matrix.observe(tmp_path, *command, serve=("--seed", str(tmp_path / "seed.toml")))
    for lacks, answers, refusals in json.loads(ran.stdout):
        # What an SDK lacks is newer than it.
        assert sdk != "alibabacloud_kms20160120" or not lacks
        wanted = [(action, error) for action, _, error in REFUSED if action not in lacks]
        assert [one[:4] for one in refusals] == [
            [action, error.code, error.status, error.message] for action, error in wanted
        ]
        assert all(REQUEST_ID.match(one[4]) for one in refusals)
        assert [answer[0] for answer in answers] == [action for action, _ in CALLS if action not in lacks]
        assert answers[0][1]["KeyMetadata"]["RotationInterval"] == "2592000s"
        assert faults(answers) == []
        opened = {action: members for action, members, *_ in answers}["Decrypt"]
        assert opened["Plaintext"] == "a b+c*~é"
    package = NODE / "node_modules" / sdk / "package.json"
    version = json.loads(package.read_text())["version"] if package.exists() else metadata.version(sdk)
    matrix.check(matrix.rows(sdk, version, ran.calls))


def test_a_planted_fault_is_found() -> None:
    listed = listed_shape(VENDOR["Kms"]["ListAliases"]["response"])
    row = {"AliasArn": "x", "AliasName": "x", "KeyId": "x"}
    good = {"Aliases": {"Alias": [row]}, "PageNumber": 1, "PageSize": 1, "RequestId": "x", "TotalCount": 1}
    own = [[name, kind] for name, kind in listed.items() if name != "PageSize"]
    assert faults([["ListAliases", good]]) == []
    older = {name: value for name, value in good.items() if name != "PageSize"}
    assert faults([["ListAliases", older, own]]) == []
    planted: list[tuple[list[Any], set[str]]] = [
        (["ListAliases", older], {"PageSize"}),
        (["ListAliases", good, own], {"PageSize"}),
        (["ListAliases", {**good, "PageSize": "1"}], {"PageSize"}),
        (["ListAliases", {**good, "Aliases": {"Alias": [{**row, "New": "x"}]}}], {"Aliases.Alias.New"}),
        (["ListAliases", older, [*own[:-1], ["TotalCount", "string"]]], {"TotalCount"}),
    ]
    for answer, wrong in planted:
        assert faults([answer]) == [("ListAliases", wrong)]
    complete = dict.fromkeys(("ResourceId", "ResourceType", "TagKey", "TagValue"), "x")
    tags = {"TagResources": {"TagResource": [complete]}, "RequestId": "x"}
    more = {**tags, "NextToken": "x"}
    assert faults([["ListTagResources", more], ["ListTagResources", tags]]) == []
    assert faults([["ListTagResources", tags], ["ListTagResources", more]]) == [
        ("ListTagResources", {"NextToken"})
    ]
