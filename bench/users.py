"""A RAM user with about as many statements as policies can give it, within the vendor's limits.

1,000 statements do not fit into five policies of 2,048 characters. They fit into five of the user's own and five of each of
five groups: 30 policies of 34 statements are 1,020. Two statements of each are about what is measured, one of them a denial
with a condition: on the address, the time or TLS.
"""

import json
from typing import Any

from bench.load import Signer
from bench.results import USER
from bench.servers import PLAINTEXT, Keystead, Subject, signed

STATEMENTS, POLICIES, GROUPS = 34, 5, 5
_RAM = "2015-05-01"
_CONDITIONS: tuple[dict[str, Any], ...] = (
    {"NotIpAddress": {"acs:SourceIp": "127.0.0.0/8"}},
    {"DateGreaterThan": {"acs:CurrentTime": "2099-01-01T00:00:00Z"}},
    {"Bool": {"acs:SecureTransport": "false"}},
)


def document(number: int) -> str:
    """The policy of this number."""
    allowed = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}
    denied = {
        "Effect": "Deny",
        "Action": "kms:*",
        "Resource": "*",
        "Condition": _CONDITIONS[number % len(_CONDITIONS)],
    }
    others = [
        {"Effect": "Allow", "Action": f"s{number}:A{other}", "Resource": "*"}
        for other in range(STATEMENTS - 2)
    ]
    return json.dumps({"Version": "1", "Statement": [*others, allowed, denied]}, separators=(",", ":"))


def user_subject(server: Keystead) -> Subject:
    """Encrypt, by the user."""

    def ram(action: str, **parameters: str) -> dict[str, Any]:
        return server.call(action, Version=_RAM, **parameters)

    ram("CreateUser", UserName="bench")
    holders = [("AttachPolicyToUser", {"UserName": "bench"})]
    for number in range(GROUPS):
        group = {"GroupName": f"group-{number}"}
        ram("CreateGroup", **group)
        ram("AddUserToGroup", UserName="bench", **group)
        holders.append(("AttachPolicyToGroup", group))
    for number, (attach, holder) in enumerate(one for one in holders for _ in range(POLICIES)):
        policy = {"PolicyName": f"policy-{number}"}
        ram("CreatePolicy", **policy, PolicyDocument=document(number))
        ram(attach, PolicyType="Custom", **policy, **holder)
    made = ram("CreateAccessKey", UserName="bench")["AccessKey"]
    key_id = server.call("CreateKey")["KeyMetadata"]["KeyId"]
    signer = Signer((made["AccessKeyId"], made["AccessKeySecret"]))
    traffic = signed(signer, "Encrypt", {"KeyId": key_id, "Plaintext": PLAINTEXT})
    return Subject(USER, server.url, server.pid, traffic)
