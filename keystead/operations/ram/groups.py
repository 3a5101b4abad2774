"""Groups of RAM users: policies that are attached to a group are those of all its members."""

import msgspec

from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import attachments, find_group, find_user, named
from keystead.api.ram_types import (
    Comments,
    GroupName,
    MarkedRequest,
    NewComments,
    NewGroupName,
    UserName,
    marked,
)
from keystead.api.wire_types import Empty, Reply, Request
from keystead.clock import iso8601
from keystead.domain.identities import GROUPS, GROUPS_OF_USER, Group, Kind, Member, User
from keystead.domain.products import RAM
from keystead.errors import (
    AlreadyInGroup,
    GroupHasPolicies,
    GroupHasUsers,
    GroupNotFound,
    GroupTaken,
    NotInGroup,
    TooManyGroups,
    TooManyGroupsOfUser,
    UserNotFound,
)


class ShownGroup(Reply, frozen=True):
    group_id: str
    group_name: str
    comments: str
    create_date: str


class ListedGroup(ShownGroup, frozen=True):
    update_date: str


def _facts(group: Group) -> dict[str, str]:
    return {
        "group_id": group.group_id,
        "group_name": group.name,
        "comments": group.comments,
        "create_date": iso8601(group.created),
    }


def _listed(group: Group) -> ListedGroup:
    return ListedGroup(**_facts(group), update_date=iso8601(group.updated))


def _members(call: Call) -> tuple[Member, ...]:
    return call.store.identities.all(Member, call.account)


def _refuse_taken(call: Call, name: str) -> None:
    if named(call.store, Group, call.account, name) is not None:
        raise GroupTaken(name=name)


class CreateGroupRequest(Request, frozen=True):
    group_name: GroupName
    comments: Comments = ""


class CreateGroupReply(Reply, frozen=True):
    group: ShownGroup


@operation(changes=True, product=RAM, errors=(GroupTaken, TooManyGroups))
def create_group(call: Call, request: CreateGroupRequest) -> CreateGroupReply:
    """Make a group."""
    _refuse_taken(call, request.group_name)
    if len(call.store.identities.all(Group, call.account)) >= GROUPS:
        raise TooManyGroups(limit=GROUPS)
    group = Group(
        account=call.account,
        group_id=f"g-{call.entropy.take(8).hex()}",
        name=request.group_name,
        created=call.now,
        updated=call.now,
        comments=request.comments,
    )
    call.store.identities.add(group)
    return CreateGroupReply(group=ShownGroup(**_facts(group)))


class GetGroupRequest(Request, frozen=True):
    group_name: GroupName


class GetGroupReply(Reply, frozen=True):
    group: ListedGroup


@operation(product=RAM, errors=(GroupNotFound,))
def get_group(call: Call, request: GetGroupRequest) -> GetGroupReply:
    """Show a group."""
    return GetGroupReply(group=_listed(find_group(call, request.group_name)))


class UpdateGroupRequest(Request, frozen=True):
    group_name: GroupName
    new_group_name: NewGroupName = ""
    new_comments: NewComments = None


class UpdateGroupReply(Reply, frozen=True):
    group: ListedGroup


@operation(changes=True, confirmed=True, product=RAM, errors=(GroupNotFound, GroupTaken))
def update_group(call: Call, request: UpdateGroupRequest) -> UpdateGroupReply:
    """Change a group's name or comments; its members and policies stay."""
    group = find_group(call, request.group_name)
    if request.new_group_name not in ("", group.name):
        _refuse_taken(call, request.new_group_name)
    group = msgspec.structs.replace(
        group,
        name=request.new_group_name or group.name,
        comments=group.comments if request.new_comments is None else request.new_comments,
        updated=call.now,
    )
    call.store.identities.put(group)
    return UpdateGroupReply(group=_listed(group))


class DeleteGroupRequest(Request, frozen=True):
    group_name: GroupName


@operation(changes=True, confirmed=True, product=RAM, errors=(GroupNotFound, GroupHasUsers, GroupHasPolicies))
def delete_group(call: Call, request: DeleteGroupRequest) -> Empty:
    """Delete a group that has no member and no policy attached."""
    group = find_group(call, request.group_name)
    if any(one.group_id == group.group_id for one in _members(call)):
        raise GroupHasUsers
    if attachments(call, Kind.GROUP, group.group_id):
        raise GroupHasPolicies
    call.store.identities.remove(group)
    return Empty()


class ListGroupsRequest(MarkedRequest, frozen=True):
    pass


class ListedGroups(Reply, frozen=True):
    group: list[ListedGroup]


class ListGroupsReply(Reply, frozen=True):
    groups: ListedGroups
    is_truncated: bool
    marker: str = ""


@operation(product=RAM, container="group/*")
def list_groups(call: Call, request: ListGroupsRequest) -> ListGroupsReply:
    """List the groups of the account, by name."""
    every = call.store.identities.all(Group, call.account)
    groups, marker = marked(every, lambda group: group.name, request)
    rows = [_listed(group) for group in groups]
    return ListGroupsReply(groups=ListedGroups(group=rows), is_truncated=bool(marker), marker=marker)


class AddUserToGroupRequest(Request, frozen=True):
    user_name: UserName
    group_name: GroupName


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(UserNotFound, GroupNotFound, AlreadyInGroup, TooManyGroupsOfUser),
)
def add_user_to_group(call: Call, request: AddUserToGroupRequest) -> Empty:
    """Put a user into a group, whose policies it then has."""
    user, group = find_user(call, request.user_name), find_group(call, request.group_name)
    joined = [one.group_id for one in _members(call) if one.user_id == user.user_id]
    if group.group_id in joined:
        raise AlreadyInGroup(name=group.name)
    if len(joined) >= GROUPS_OF_USER:
        raise TooManyGroupsOfUser(limit=GROUPS_OF_USER)
    call.store.identities.add(
        Member(account=call.account, group_id=group.group_id, user_id=user.user_id, joined=call.now)
    )
    return Empty()


class RemoveUserFromGroupRequest(Request, frozen=True):
    user_name: UserName
    group_name: GroupName


@operation(changes=True, confirmed=True, product=RAM, errors=(UserNotFound, GroupNotFound, NotInGroup))
def remove_user_from_group(call: Call, request: RemoveUserFromGroupRequest) -> Empty:
    """Take a user out of a group."""
    user, group = find_user(call, request.user_name), find_group(call, request.group_name)
    for one in _members(call):
        if (one.user_id, one.group_id) == (user.user_id, group.group_id):
            call.store.identities.remove(one)
            return Empty()
    raise NotInGroup(name=group.name)


class ListGroupsForUserRequest(Request, frozen=True):
    user_name: UserName


class JoinedGroup(Reply, frozen=True):
    group_id: str
    group_name: str
    comments: str
    join_date: str


class JoinedGroups(Reply, frozen=True):
    group: list[JoinedGroup]


class ListGroupsForUserReply(Reply, frozen=True):
    groups: JoinedGroups


@operation(product=RAM, errors=(UserNotFound,))
def list_groups_for_user(call: Call, request: ListGroupsForUserRequest) -> ListGroupsForUserReply:
    """List the groups that a user is in."""
    user = find_user(call, request.user_name)
    groups = {group.group_id: group for group in call.store.identities.all(Group, call.account)}
    rows = [
        JoinedGroup(
            group_id=one.group_id,
            group_name=groups[one.group_id].name,
            comments=groups[one.group_id].comments,
            join_date=iso8601(one.joined),
        )
        for one in _members(call)
        if one.user_id == user.user_id
    ]
    return ListGroupsForUserReply(groups=JoinedGroups(group=rows))


class ListUsersForGroupRequest(MarkedRequest, frozen=True, kw_only=True):
    group_name: GroupName


class JoinedUser(Reply, frozen=True):
    user_name: str
    display_name: str
    join_date: str


class JoinedUsers(Reply, frozen=True):
    user: list[JoinedUser]


class ListUsersForGroupReply(Reply, frozen=True):
    users: JoinedUsers
    is_truncated: bool
    marker: str = ""


@operation(product=RAM, errors=(GroupNotFound,))
def list_users_for_group(call: Call, request: ListUsersForGroupRequest) -> ListUsersForGroupReply:
    """List the members of a group, by name."""
    group = find_group(call, request.group_name)
    users = {user.user_id: user for user in call.store.identities.all(User, call.account)}
    every = [one for one in _members(call) if one.group_id == group.group_id]
    members, marker = marked(every, lambda member: users[member.user_id].name, request)
    rows = [
        JoinedUser(
            user_name=users[one.user_id].name,
            display_name=users[one.user_id].display_name,
            join_date=iso8601(one.joined),
        )
        for one in members
    ]
    return ListUsersForGroupReply(users=JoinedUsers(user=rows), is_truncated=bool(marker), marker=marker)
