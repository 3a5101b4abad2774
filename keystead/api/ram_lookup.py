"""What a call of Ram names, found in the caller's account, or refused."""

from keystead.access.decisions import PolicyType
from keystead.access.system_policies import SYSTEM_POLICIES, SystemPolicy
from keystead.api.operation import Call
from keystead.domain.identities import Attachment, CustomPolicy, Group, Kind, User
from keystead.errors import GroupNotFound, RamPolicyNotFound, UserNotFound


def find_user(call: Call, name: str, account: str = "") -> User:
    """The user of this name, in the caller's account unless another one is named."""
    for user in call.store.identities.all(User, account or call.account):
        if user.name == name:
            return user
    raise UserNotFound(name=name)


def find_group(call: Call, name: str) -> Group:
    """The group of this name."""
    for group in call.store.identities.all(Group, call.account):
        if group.name == name:
            return group
    raise GroupNotFound(name=name)


def find_custom_policy(call: Call, name: str) -> CustomPolicy:
    """The account's own policy of this name."""
    for policy in call.store.identities.all(CustomPolicy, call.account):
        if policy.name == name:
            return policy
    raise RamPolicyNotFound(name=name)


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
