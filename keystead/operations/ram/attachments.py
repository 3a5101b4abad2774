"""Who has which policies: what is attached to users and groups."""

from keystead.access.decisions import PolicyType as TypeOfPolicy
from keystead.access.system_policies import SystemPolicy
from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import attachments, find_group, find_policy, find_user
from keystead.api.ram_types import GroupName, PolicyName, PolicyType, UserName
from keystead.api.wire_types import Empty, Reply, Request
from keystead.clock import iso8601
from keystead.domain.identities import ATTACHED, ATTACHED_SYSTEM, Attachment, Group, Kind, User
from keystead.domain.products import RAM
from keystead.errors import (
    AlreadyAttachedToGroup,
    AlreadyAttachedToUser,
    GroupNotFound,
    NotAttachedToGroup,
    NotAttachedToUser,
    RamPolicyNotFound,
    TooManyPoliciesOfGroup,
    TooManyPoliciesOfUser,
    UserNotFound,
)

_LIMITS = {TypeOfPolicy.CUSTOM: ATTACHED, TypeOfPolicy.SYSTEM: ATTACHED_SYSTEM}
_ALREADY = {Kind.USER: AlreadyAttachedToUser, Kind.GROUP: AlreadyAttachedToGroup}
_TOO_MANY = {Kind.USER: TooManyPoliciesOfUser, Kind.GROUP: TooManyPoliciesOfGroup}
_NOT = {Kind.USER: NotAttachedToUser, Kind.GROUP: NotAttachedToGroup}


def _attach(call: Call, kind: Kind, holder: str, policy_type: str, name: str) -> Empty:
    find_policy(call, policy_type, name)
    there = [one.policy for one in attachments(call, kind, holder) if one.policy_type == policy_type]
    if name in there:
        raise _ALREADY[kind](name=name)
    limit = _LIMITS[TypeOfPolicy(policy_type)]
    if len(there) >= limit:
        raise _TOO_MANY[kind](limit=limit)
    call.store.identities.add(
        Attachment(
            account=call.account,
            kind=kind,
            holder=holder,
            policy_type=policy_type,
            policy=name,
            attached=call.now,
        )
    )
    return Empty()


def _detach(call: Call, kind: Kind, holder: str, policy_type: str, name: str) -> Empty:
    find_policy(call, policy_type, name)
    for one in attachments(call, kind, holder):
        if (one.policy_type, one.policy) == (policy_type, name):
            call.store.identities.remove(one)
            return Empty()
    raise _NOT[kind](name=name)


class UserPolicyRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName
    user_name: UserName


class GroupPolicyRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName
    group_name: GroupName


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(UserNotFound, RamPolicyNotFound, AlreadyAttachedToUser, TooManyPoliciesOfUser),
)
def attach_policy_to_user(call: Call, request: UserPolicyRequest) -> Empty:
    """Give a user what a policy allows; it binds from the next call on."""
    user = find_user(call, request.user_name)
    return _attach(call, Kind.USER, user.user_id, request.policy_type, request.policy_name)


@operation(
    changes=True, confirmed=True, product=RAM, errors=(UserNotFound, RamPolicyNotFound, NotAttachedToUser)
)
def detach_policy_from_user(call: Call, request: UserPolicyRequest) -> Empty:
    """Take a policy from a user; once acknowledged, no later call is allowed by it."""
    user = find_user(call, request.user_name)
    return _detach(call, Kind.USER, user.user_id, request.policy_type, request.policy_name)


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(GroupNotFound, RamPolicyNotFound, AlreadyAttachedToGroup, TooManyPoliciesOfGroup),
)
def attach_policy_to_group(call: Call, request: GroupPolicyRequest) -> Empty:
    """Give all members of a group what a policy allows."""
    group = find_group(call, request.group_name)
    return _attach(call, Kind.GROUP, group.group_id, request.policy_type, request.policy_name)


@operation(
    changes=True, confirmed=True, product=RAM, errors=(GroupNotFound, RamPolicyNotFound, NotAttachedToGroup)
)
def detach_policy_from_group(call: Call, request: GroupPolicyRequest) -> Empty:
    """Take a policy from a group; once acknowledged, no later call of a member is allowed by it."""
    group = find_group(call, request.group_name)
    return _detach(call, Kind.GROUP, group.group_id, request.policy_type, request.policy_name)


class AttachedPolicy(Reply, frozen=True):
    policy_name: str
    policy_type: str
    description: str
    default_version: str
    attach_date: str


class AttachedPolicies(Reply, frozen=True):
    policy: list[AttachedPolicy]


class ListAttachedReply(Reply, frozen=True):
    policies: AttachedPolicies


def _list(call: Call, kind: Kind, holder: str) -> ListAttachedReply:
    rows = []
    for one in attachments(call, kind, holder):
        policy = find_policy(call, one.policy_type, one.policy)
        rows.append(
            AttachedPolicy(
                policy_name=one.policy,
                policy_type=one.policy_type,
                description=policy.description,
                default_version="v1" if isinstance(policy, SystemPolicy) else f"v{policy.current}",
                attach_date=iso8601(one.attached),
            )
        )
    return ListAttachedReply(policies=AttachedPolicies(policy=rows))


class ListPoliciesForUserRequest(Request, frozen=True):
    user_name: UserName


@operation(product=RAM, errors=(UserNotFound,))
def list_policies_for_user(call: Call, request: ListPoliciesForUserRequest) -> ListAttachedReply:
    """List the policies that are attached to a user itself; those of its groups are not among them."""
    return _list(call, Kind.USER, find_user(call, request.user_name).user_id)


class ListPoliciesForGroupRequest(Request, frozen=True):
    group_name: GroupName


@operation(product=RAM, errors=(GroupNotFound,))
def list_policies_for_group(call: Call, request: ListPoliciesForGroupRequest) -> ListAttachedReply:
    """List the policies that are attached to a group."""
    return _list(call, Kind.GROUP, find_group(call, request.group_name).group_id)


class ListEntitiesForPolicyRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName


class AttachedUser(Reply, frozen=True):
    user_id: str
    user_name: str
    display_name: str
    attach_date: str


class AttachedUsers(Reply, frozen=True):
    user: list[AttachedUser]


class AttachedGroup(Reply, frozen=True):
    group_name: str
    comments: str
    attach_date: str


class AttachedGroups(Reply, frozen=True):
    group: list[AttachedGroup]


class AttachedRole(Reply, frozen=True):
    role_id: str
    role_name: str
    arn: str
    description: str
    attach_date: str


class AttachedRoles(Reply, frozen=True):
    role: list[AttachedRole]  # there are none


class ListEntitiesForPolicyReply(Reply, frozen=True):
    users: AttachedUsers
    groups: AttachedGroups
    roles: AttachedRoles


@operation(product=RAM, errors=(RamPolicyNotFound,))
def list_entities_for_policy(call: Call, request: ListEntitiesForPolicyRequest) -> ListEntitiesForPolicyReply:
    """List the users and groups that a policy is attached to."""
    find_policy(call, request.policy_type, request.policy_name)
    named = (request.policy_type, request.policy_name)
    every = call.store.identities.all(Attachment, call.account)
    attached = {one.holder: one.attached for one in every if (one.policy_type, one.policy) == named}
    users = [
        AttachedUser(
            user_id=user.user_id,
            user_name=user.name,
            display_name=user.display_name,
            attach_date=iso8601(attached[user.user_id]),
        )
        for user in call.store.identities.all(User, call.account)
        if user.user_id in attached
    ]
    groups = [
        AttachedGroup(
            group_name=group.name,
            comments=group.comments,
            attach_date=iso8601(attached[group.group_id]),
        )
        for group in call.store.identities.all(Group, call.account)
        if group.group_id in attached
    ]
    return ListEntitiesForPolicyReply(
        users=AttachedUsers(user=users), groups=AttachedGroups(group=groups), roles=AttachedRoles(role=[])
    )
