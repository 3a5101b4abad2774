"""Who there is in an account beside its root: users and groups, the account's own policies, and what is attached to whom.

Names, lengths and numbers are the vendor's: its pages CreateUser, CreateGroup, CreatePolicy and "Limits".
"""

import enum

import msgspec

from keystead.forms import Form

NAME = Form(r"[A-Za-z0-9._-]{1,64}", "1 to 64 letters, digits, periods, hyphens and _")  # of a user
GROUP_NAME = Form(r"[A-Za-z0-9.-]{1,64}", "1 to 64 letters, digits, periods and hyphens")
POLICY_NAME = Form(r"[A-Za-z0-9-]{1,128}", "1 to 128 letters, digits and hyphens")

ACCESS_KEYS = 2  # of one user
GROUPS_OF_USER = 5
ATTACHED = 5  # custom policies of one user or group
ATTACHED_SYSTEM = 20  # system policies of one user or group
VERSIONS = 5  # of one policy
USERS = 1000  # of one account, as the next two
GROUPS = 50
POLICIES = 1500


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A RAM user. `user_id` is 18 decimal digits and stays; the name may change. Times are seconds since 1970."""

    account: str
    user_id: str
    name: str
    created: int
    updated: int
    display_name: str = ""
    mobile: str = ""
    email: str = ""
    comments: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of users, whose policies all its members have."""

    account: str
    group_id: str
    name: str
    created: int
    updated: int
    comments: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """That a user is in a group, since when."""

    account: str
    group_id: str
    user_id: str
    joined: int


class CustomPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of the account's own. Its versions are numbered from 1, and no number is given twice: `latest` is the highest
    that was; `current` is that which has a say."""

    account: str
    name: str
    created: int
    updated: int
    description: str = ""
    current: int = 1
    latest: int = 1


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a policy of the account's own. `document` is the text as it was given."""

    account: str
    policy: str
    number: int
    document: str
    created: int

    @property
    def version_id(self) -> str:
        """As it is called on the wire: v1, v2, …"""
        return f"v{self.number}"


class Kind(enum.StrEnum):
    """What a policy is attached to."""

    USER = "user"
    GROUP = "group"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """That a policy is attached to a user or group, by its id. `policy_type` is System or Custom."""

    account: str
    kind: Kind
    holder: str
    policy_type: str
    policy: str
    attached: int
