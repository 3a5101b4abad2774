"""Aliases: other names of a key, unique within an account and region."""

from typing import NamedTuple

from keystead.forms import Form

PREFIX = "alias/"
RESERVED = "alias/acs"
# Services that have a key of their own in each account and region, by the code at the end of its alias: those that the
# vendor's page "Alibaba Cloud services that can be integrated with KMS", its other pages and its clients' defaults name.
SERVICES = frozenset(
    {
        "acm", "actiontrail", "cs", "dds", "ecs", "hbr", "kms", "kvstore", "log", "mse", "mts", "nas", "odps", "oos",
        "oss", "ots", "polardb", "rds", "vod",
    }
)  # fmt: skip

# 1 to 255 characters after the prefix (the vendor's CreateAlias page); letters, digits, - _ / only.
NAME = Form(r"alias/[A-Za-z0-9_/\-]{1,255}", "alias/ and then 1 to 255 letters, digits, hyphens, _ and /")


class Alias(NamedTuple):
    """A name (`alias/…`) and the key it stands for. `created` is seconds since 1970."""

    account: str
    region: str
    name: str
    key_id: str
    created: int


def is_alias(text: str) -> bool:
    """Whether this reference means an alias rather than a key id."""
    return text.startswith(PREFIX)


def well_formed(name: str) -> bool:
    """Whether an alias could have this name, reserved ones included."""
    return NAME.fits(name)


def valid_name(name: str) -> bool:
    """Whether a user may give this name: well formed and not under the reserved prefix `alias/acs`."""
    return well_formed(name) and not name.startswith(RESERVED)


def service_of(name: str) -> str:
    """The code of the service whose key has this alias; "" if it is none's."""
    reserved, _, code = name.rpartition("/")
    return code if reserved == RESERVED and code in SERVICES else ""
