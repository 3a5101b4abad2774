"""Aliases: other names of a key, unique within an account and region."""

import re

import msgspec

PREFIX = "alias/"
RESERVED = "alias/acs"

# 1 to 255 characters after the prefix (the vendor's CreateAlias page); letters, digits, - _ / only.
_NAME = re.compile(r"\Aalias/[A-Za-z0-9_/\-]{1,255}\Z")


class Alias(msgspec.Struct, frozen=True, kw_only=True):
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
    return _NAME.match(name) is not None


def valid_name(name: str) -> bool:
    """Whether a user may give this name: well formed and not under the reserved prefix `alias/acs`."""
    return well_formed(name) and not name.startswith(RESERVED)
