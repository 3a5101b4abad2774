"""Alibaba Cloud resource names: `acs:kms:<region>:<account>:key/<id>` and `…:alias/<name>`, and those of AccessKeys."""

from functools import lru_cache

import msgspec


class Arn(msgspec.Struct, frozen=True):
    """One resource of the service. `resource` is `key/<id>`, `alias/<name>`, or the bare `key` or `alias` for all."""

    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"acs:kms:{self.region}:{self.account}:{self.resource}"


def account_arn(account: str) -> str:
    """The account itself, which the vendor calls its root."""
    return f"acs:ram::{account}:root"


def ram_arn(account: str, kind: str, name: str) -> str:
    """What Ram keeps: a `user`, `group` or `policy`. Ram has no regions."""
    return f"acs:ram::{account}:{kind}/{name}"


def key_arn(account: str, region: str, key_id: str) -> str:
    return f"acs:kms:{region}:{account}:key/{key_id}"


def alias_arn(account: str, region: str, name: str) -> str:
    """`name` includes its prefix `alias/`."""
    return f"acs:kms:{region}:{account}:{name}"


def access_key_arn(account: str, access_key_id: str) -> str:
    """AccessKeys belong to Ram, which has no regions."""
    return ram_arn(account, "accesskey", access_key_id)


@lru_cache(1024)  # each call's resources are looked at once more, and keys in use come again
def parse(text: str) -> Arn | None:
    """The resource that an ARN of this service names, or None if it is not one."""
    parts = text.split(":", 4)
    if len(parts) != 5 or parts[:2] != ["acs", "kms"] or not all(parts[2:]):
        return None
    return Arn(region=parts[2], account=parts[3], resource=parts[4])
