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
]

CURRENT = """
import json, os, re, sys
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
    given = {name: known.get(value, value) if isinstance(value, str) else value for name, value in parameters.items()}
    request = getattr(models, f"{action}Request", None)
    body = getattr(client, snake(action))(*[request().from_map(given)] if request else []).body.to_map()
    found = {"$KEY": body.get("KeyMetadata", {}).get("KeyId"), "$ARN": body.get("KeyMetadata", {}).get("Arn"),
             "$VERSION": body.get("KeyVersion", {}).get("KeyVersionId"), "$BLOB": body.get("CiphertextBlob")}
    known = {**{name: value for name, value in found.items() if value}, **known}
    answers.append([action, body])
print(json.dumps(answers))
"""

CLASSIC = """
import json, os, sys
from importlib import import_module
from aliyunsdkcore.client import AcsClient

client = AcsClient(os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou")
known, answers = {}, []
for action, parameters in json.load(open(sys.argv[1])):
    name = f"{action}Request"
    request = getattr(import_module(f"aliyunsdkkms.request.v20160120.{name}"), name)()
    request.set_accept_format("JSON")
    for parameter, value in parameters.items():
        value = known.get(value, value) if isinstance(value, str) else value
        getattr(request, f"set_{parameter}")(json.dumps(value) if isinstance(value, dict) else value)
    body = json.loads(client.do_action_with_exception(request))
    found = {"$KEY": body.get("KeyMetadata", {}).get("KeyId"), "$ARN": body.get("KeyMetadata", {}).get("Arn"),
             "$VERSION": body.get("KeyVersion", {}).get("KeyVersionId"), "$BLOB": body.get("CiphertextBlob")}
    known = {**{name: value for name, value in found.items() if value}, **known}
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
        "current": [sys.executable, "-W", "ignore", "-c", CURRENT],
        "classic": [sys.executable, "-W", "ignore", "-c", CLASSIC],
        "node": ["node", str(NODE / "every.js")],
    }[sdk]
    command = [*KEYSTEAD, "run", "--", *program, str(tmp_path / "calls.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    answers = json.loads(ended.stdout)
    # The Node SDK (1.2.0) knows the operations and members of its time.
    assert len(answers) == len(CALLS) if sdk != "node" else len(answers) == 11
    for action, members in answers:
        listed = listed_shape(VENDOR[action]["response"])
        expected = {name: kind for name, kind in listed.items() if name not in NOT_GIVEN.get(action, set())}
        found = shape(members)
        assert found.items() <= expected.items(), action
        assert sdk == "node" or found == expected, action
    opened = dict(answers)["Decrypt"]
    assert opened["Plaintext"] == "a b+c*~é"
