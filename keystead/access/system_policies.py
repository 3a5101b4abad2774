"""The policies that the vendor provides, by name, as far as they are about what is served here."""

import json
from functools import cache
from typing import NamedTuple

from keystead.access.documents import Document, identity_document


class SystemPolicy(NamedTuple):
    """A policy that every account has and nobody changes."""

    name: str
    description: str
    text: str

    @property
    def document(self) -> Document:
        return _read(self.text)


@cache
def _read(text: str) -> Document:
    return identity_document(text)


def _allow(
    name: str, description: str, actions: list[str], resources: list[str] | None = None
) -> SystemPolicy:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources or ["*"]}
    return SystemPolicy(name, description, json.dumps({"Version": "1", "Statement": [statement]}, indent=2))


_CRYPTO_USE = (
    "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "AsymmetricEncrypt", "AsymmetricDecrypt",
    "AsymmetricSign", "AsymmetricVerify", "GetPublicKey", "GenerateMac", "VerifyMac",
)  # fmt: skip

SYSTEM_POLICIES: dict[str, SystemPolicy] = {
    policy.name: policy
    for policy in (
        _allow("AdministratorAccess", "Everything in the account.", ["*"]),
        _allow("AliyunRAMFullAccess", "All of Ram: users, groups, policies and AccessKeys.", ["ram:*"]),
        _allow("AliyunRAMReadOnlyAccess", "See users, groups and policies.", ["ram:Get*", "ram:List*"]),
        _allow("AliyunKMSFullAccess", "All of Kms.", ["kms:*"]),
        _allow(
            "AliyunKMSReadOnlyAccess",
            "See keys and aliases; no use of them.",
            ["kms:Describe*", "kms:List*", "kms:GetKeyPolicy", "kms:GetPublicKey"],
        ),
        _allow(
            "AliyunKMSCryptoAdminAccess",
            "Manage and use keys and aliases.",
            ["kms:*"],
            ["acs:kms:*:*:key*", "acs:kms:*:*:alias*"],
        ),
        _allow(
            "AliyunKMSCryptoUserAccess",
            "Use keys; no management.",
            [f"kms:{action}" for action in _CRYPTO_USE],
        ),
        _allow(
            "AliyunKMSSecretAdminAccess",
            "Manage and read secrets.",
            ["kms:*Secret*", "kms:GetRandomPassword"],
        ),
        _allow(
            "AliyunKMSSecretUserAccess",
            "Read secrets.",
            ["kms:GetSecretValue", "kms:DescribeSecret", "kms:ListSecretVersionIds"],
        ),
    )
}
