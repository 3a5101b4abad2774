"""Accounts and their AccessKeys, as values."""

import enum
import re

import msgspec

from keystead.domain.keys.key import Wrapped

# The ids that this service and the vendor give: LTAI and 12 to 24 more, or STS. and a role's. No secret has this shape:
# those of AccessKeys are 30 letters and digits.
_ID = re.compile(r"\A(?:LTAI[0-9A-Za-z]{12,24}|STS\.[0-9A-Za-z]{16,40})\Z")


class AccessKeyStatus(enum.StrEnum):
    """Whether an AccessKey may sign, spelled as the vendor's Ram does."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"


class AccountStatus(enum.StrEnum):
    """Whether the calls of an account are answered."""

    ACTIVE = "Active"
    DISABLED = "Disabled"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, whom no other can see. `account_id` is 16 decimal digits; `created` is seconds since 1970; `name` is for its
    operator."""

    account_id: str
    created: int
    name: str = ""
    status: AccountStatus = AccountStatus.ACTIVE


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """What signs requests: an id and a wrapped secret. Not a cryptographic key of the service.

    `user_id` is of the RAM user that signs with it, "" for the account itself. `creator` is the principal that made it, ""
    where nobody asked for it or that was not noted. `last_used`, in seconds since 1970, is when a call was last admitted
    with it, or up to `LAST_USED_EVERY` seconds earlier; 0: never, or not since that is noted. `expires`, in seconds since
    1970, is when a temporary one is there no longer; 0: it is none.
    """

    access_key_id: str
    account: str
    status: AccessKeyStatus
    created: int
    secret: Wrapped
    description: str = ""
    creator: str = ""
    last_used: int = 0
    user_id: str = ""
    expires: int = 0

    def gone(self, now: float) -> bool:
        """Whether it was temporary, and its time is over."""
        return 0 < self.expires <= now


LAST_USED_EVERY = 300  # seconds; a write of its own for each call would cost more than the call


def claimed_id(text: str) -> str:
    """What may be shown of what somebody gave as an AccessKey id, and nobody knows: itself if it can only be one, else
    `none` or `malformed`. People paste secrets there."""
    if not text:
        return "none"
    return text if _ID.match(text) else "malformed"


class WrappingKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key between the root key and all material, by generation; wrapped by the root key of that fingerprint."""

    generation: int
    root_fingerprint: str
    blob: bytes
    created: int


class ServiceSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A key that the service needs for itself, by its name; wrapped by the root key of that fingerprint."""

    name: str
    root_fingerprint: str
    blob: bytes
    created: int


class RootKeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Which root key wraps all that, and where it is from; nothing of this is secret.

    `provider` is what the setting `root-key` said when it was taken into use, `parameters` JSON that this provider needs to
    find it again ("" for none), `since` seconds since 1970.
    """

    fingerprint: str
    provider: str
    parameters: str
    since: int
