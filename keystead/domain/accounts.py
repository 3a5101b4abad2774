"""Accounts and their AccessKeys, as values."""

import enum

import msgspec

from keystead.domain.keys.key import Wrapped


class AccessKeyStatus(enum.StrEnum):
    """Whether an AccessKey may sign, spelled as the vendor's Ram does."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant. `account_id` is 16 decimal digits; `created` is seconds since 1970."""

    account_id: str
    created: int


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """What signs requests: an id and a wrapped secret. Not a cryptographic key of the service."""

    access_key_id: str
    account: str
    status: AccessKeyStatus
    created: int
    secret: Wrapped


class WrappingKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key between the root key and all material, by generation; wrapped by the root key of that fingerprint."""

    generation: int
    root_fingerprint: str
    blob: bytes
    created: int
