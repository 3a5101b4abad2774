"""Ram against a service in memory: who there is in it, and what they may do."""

import base64
import hashlib
import hmac
import json
from typing import Any

from keystead.domain.products import RAM
from tests.harness import Members, Service

HOST = "ram.aliyuncs.com"


def codes_of(made: Members, now: float, *steps: int) -> list[str]:
    """The codes that the app shows for a device that was made, so many steps from now."""
    seed = made["VirtualMFADevice"]["Base32StringSeed"]
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    return [_code(key, int(now) // 30 + step) for step in steps]


def two_codes(made: Members, now: float) -> dict[str, str]:
    """What binds a device."""
    first, second = codes_of(made, now, -1, 0)
    return {"AuthenticationCode1": first, "AuthenticationCode2": second}


def _code(key: bytes, step: int) -> str:
    """RFC 6238, independently of the service's own code."""
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Ram:
    """The calls of the account itself, or of a user whose AccessKey is given."""

    def __init__(self, service: Service, access_key: tuple[str, str] | None = None) -> None:
        self.service = service
        self.access_key = access_key

    def call(self, action: str, **parameters: str) -> tuple[int, Members]:
        """Status and members of the answer."""
        asked = {"Version": RAM.version, **parameters}
        response = self.service.send(
            self.service.request(action, asked, host=HOST, access_key=self.access_key)
        )
        return response.status, json.loads(response.body)

    def ok(self, action: str, **parameters: str) -> Members:
        """The members of an answer that must be a success, without its RequestId."""
        status, members = self.call(action, **parameters)
        assert status == 200, members
        del members["RequestId"]
        return members

    def refused(self, action: str, **parameters: str) -> tuple[int, str]:
        """Status and code of an answer that must be a refusal."""
        status, members = self.call(action, **parameters)
        assert status == members["HttpStatus"] >= 400
        return status, str(members["Code"])

    def access_key_of(self, user: str) -> tuple[str, str]:
        """A new AccessKey of a user."""
        made = self.ok("CreateAccessKey", UserName=user)["AccessKey"]
        return made["AccessKeyId"], made["AccessKeySecret"]

    def user(self, name: str, *policies: Any) -> tuple[str, str]:
        """A new user with one policy for each document, and its AccessKey."""
        self.ok("CreateUser", UserName=name)
        for number, document in enumerate(policies):
            policy = f"{name}-{number}"
            self.ok("CreatePolicy", PolicyName=policy, PolicyDocument=json.dumps(document))
            self.ok("AttachPolicyToUser", PolicyType="Custom", PolicyName=policy, UserName=name)
        return self.access_key_of(name)


def allow(*actions: str, resource: str = "*") -> dict[str, object]:
    """A policy that allows some actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {"Version": "1", "Statement": [statement]}
