"""What a call of Ram names, found in the caller's account, or refused."""

from typing import TypeVar

from keystead.access.decisions import PolicyType
from keystead.access.system_policies import SYSTEM_POLICIES, SystemPolicy
from keystead.api.operation import Call
from keystead.domain.identities import Attachment, CustomPolicy, Group, Kind, User
from keystead.errors import GroupNotFound, RamPolicyNotFound, UserNotFound
from keystead.store.ports import Store

N = TypeVar("N", User, Group, CustomPolicy)


def named(store: Store, kind: type[N], account: str, name: str) -> N | None:
    """The user, group or policy of this name, or None."""
    return next((one for one in store.identities.all(kind, account) if one.name == name), None)


def find_user(call: Call, name: str, account: str = "") -> User:
    """The user of this name, in the caller's account unless another one is named."""
    user = named(call.store, User, account or call.account, name)
    if user is None:
        raise UserNotFound(name=name)
    return user


def find_group(call: Call, name: str) -> Group:
    """The group of this name."""
    group = named(call.store, Group, call.account, name)
    if group is None:
        raise GroupNotFound(name=name)
    return group


def find_custom_policy(call: Call, name: str) -> CustomPolicy:
    """The account's own policy of this name."""
    policy = named(call.store, CustomPolicy, call.account, name)
    if policy is None:
        raise RamPolicyNotFound(name=name)
    return policy


def find_policy(call: Call, policy_type: str, name: str) -> CustomPolicy | SystemPolicy:
    """The policy of this type and name."""
    if policy_type == PolicyType.CUSTOM:
        return find_custom_policy(call, name)
    found = SYSTEM_POLICIES.get(name)
    if found is None:
        raise RamPolicyNotFound(name=name)
    return found


def attachments(call: Call, kind: Kind, holder: str) -> list[Attachment]:
    """What is attached to a user or group, in the order in which it was."""
    every = call.store.identities.all(Attachment, call.account)
    return [one for one in every if (one.kind, one.holder) == (kind, holder)]
