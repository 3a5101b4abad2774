"""Operations through the vendor's SDKs: each member of each answer, as the SDK parsed it, has the vendor's name and type."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live import KEYSTEAD
from tests.meta.test_catalogue import NOT_GIVEN, VENDOR, listed_shape, shape

NODE = Path(__file__).parent / "node"

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
]
# The classic SDK is older than these.
NODE_LACKS = {
    *("GenerateMac", "VerifyMac", "ReEncrypt", "TagResources", "ListTagResources", "UntagResources"),
    *("SetKeyPolicy", "GetKeyPolicy", "ExportDataKey", "GenerateAndExportDataKey"),
    *("SetDeletionProtection", "DescribeAccountKmsStatus"),
}
CLASSIC_LACKS = {"GenerateMac", "VerifyMac"}
# What an answer has only in another case than the one called here.
ELSEWHERE = {
    "CreateKey": {
        "KeyMetadata.PrimaryKeyVersion",
        *(f"KeyMetadata.{name}" for name in ("DKMSInstanceId", "RotationInterval", "NextRotationDate")),
    },
    "ListTagResources": {"NextToken"},
}

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
from alibabacloud_tea_openapi.models import Config

def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()

client = Client(Config(
    access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
    access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    region_id="cn-hangzhou"))
known, answers = {}, []
for action, parameters in json.load(open(sys.argv[1])):
    given = {name: fill(value) for name, value in parameters.items()}
    request = getattr(models, f"{action}Request", None)
    body = getattr(client, snake(action))(*[request().from_map(given)] if request else []).body.to_map()
    learn(body)
    answers.append([action, body])
print(json.dumps(answers))
"""

CLASSIC = """
import base64, json, os, sys
from importlib import import_module
from aliyunsdkcore.client import AcsClient

client = AcsClient(os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou")
known, answers = {}, []
for action, parameters in json.load(open(sys.argv[1])):
    name = f"{action}Request"
    if action in ("GenerateMac", "VerifyMac"):
        continue  # made before them
    request = getattr(import_module(f"aliyunsdkkms.request.v20160120.{name}"), name)()
    request.set_accept_format("JSON")
    for parameter, value in parameters.items():
        if parameter == "RegionId":
            continue  # the client sends its own
        value = fill(value)
        parameter += "s" if isinstance(value, list) else ""
        getattr(request, f"set_{parameter}")(json.dumps(value) if isinstance(value, dict) else value)
    body = json.loads(client.do_action_with_exception(request))
    learn(body)
    answers.append([action, body])
print(json.dumps(answers))
"""


@pytest.mark.interop
@pytest.mark.parametrize("sdk", ["current", "classic", "node"])
def test_every_answer_has_the_vendors_members(tmp_path: Path, sdk: str) -> None:
    if sdk == "node" and not (NODE / "node_modules").exists():
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")
    (tmp_path / "calls.json").write_text(json.dumps(CALLS), encoding="utf-8")
    program = {
        "current": [sys.executable, "-W", "ignore", "-c", COMMON + CURRENT],
        "classic": [sys.executable, "-W", "ignore", "-c", COMMON + CLASSIC],
        "node": ["node", str(NODE / "every.js")],
    }[sdk]
    command = [*KEYSTEAD, "run", "--", *program, str(tmp_path / "calls.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    answers = json.loads(ended.stdout)
    made = [action for action, _ in CALLS if sdk != "classic" or action not in CLASSIC_LACKS]
    # The Node SDK (1.2.0) knows the operations and members of its time.
    if sdk == "node":
        made = [action for action in made if action not in NODE_LACKS]
    assert [action for action, _ in answers] == made
    assert answers[0][1]["KeyMetadata"]["RotationInterval"] == "2592000s" or sdk == "node"
    for action, members in answers:
        listed = listed_shape(VENDOR[action]["response"])
        expected = {name: kind for name, kind in listed.items() if name not in NOT_GIVEN.get(action, set())}
        found = shape(members)
        assert found.items() <= expected.items(), action
        missing = expected.keys() - found.keys()
        assert sdk == "node" or missing <= ELSEWHERE.get(action, set()), action
    opened = dict(answers)["Decrypt"]
    assert opened["Plaintext"] == "a b+c*~é"
