"""RAM users: people and programs that use the account with AccessKeys of their own, and have the rights they are given."""

import msgspec

from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import attachments, find_user, named
from keystead.api.ram_types import (
    Comments,
    DisplayName,
    Email,
    MarkedRequest,
    MobilePhone,
    NewComments,
    NewDisplayName,
    NewEmail,
    NewMobilePhone,
    NewUserName,
    UserName,
    marked,
)
from keystead.api.sign_in_rows import device_of, profile_of
from keystead.api.wire_types import Empty, Reply, Request
from keystead.clock import iso8601
from keystead.domain.identities import USERS, Kind, Member, User
from keystead.domain.products import RAM
from keystead.errors import (
    TooManyUsers,
    UserHasAccessKeys,
    UserHasGroups,
    UserHasLoginProfile,
    UserHasMfaDevice,
    UserHasPolicies,
    UserNotFound,
    UserTaken,
)


class ShownUser(Reply, frozen=True):
    user_id: str
    user_name: str
    display_name: str
    mobile_phone: str
    email: str
    comments: str
    create_date: str


class ListedUser(ShownUser, frozen=True):
    update_date: str


class SeenUser(ListedUser, frozen=True):
    last_login_date: str


def _facts(user: User) -> dict[str, str]:
    return {
        "user_id": user.user_id,
        "user_name": user.name,
        "display_name": user.display_name,
        "mobile_phone": user.mobile,
        "email": user.email,
        "comments": user.comments,
        "create_date": iso8601(user.created),
    }


def _listed(user: User) -> ListedUser:
    return ListedUser(**_facts(user), update_date=iso8601(user.updated))


def _refuse_taken(call: Call, name: str) -> None:
    if named(call.store, User, call.account, name) is not None:
        raise UserTaken(name=name)


class CreateUserRequest(Request, frozen=True):
    user_name: UserName
    display_name: DisplayName = ""
    mobile_phone: MobilePhone = ""
    email: Email = ""
    comments: Comments = ""


class CreateUserReply(Reply, frozen=True):
    user: ShownUser


@operation(changes=True, product=RAM, errors=(TooManyUsers, UserTaken))
def create_user(call: Call, request: CreateUserRequest) -> CreateUserReply:
    """Make a user, who may do nothing until a policy is attached."""
    _refuse_taken(call, request.user_name)
    if len(call.store.identities.all(User, call.account)) >= USERS:
        raise TooManyUsers(limit=USERS)
    user = User(
        account=call.account,
        user_id=f"2{int.from_bytes(call.entropy.take(8), 'big') % 10**17:017}",
        name=request.user_name,
        created=call.now,
        updated=call.now,
        display_name=request.display_name,
        mobile=request.mobile_phone,
        email=request.email,
        comments=request.comments,
    )
    call.store.identities.add(user)
    return CreateUserReply(user=ShownUser(**_facts(user)))


class GetUserRequest(Request, frozen=True):
    user_name: UserName


class GetUserReply(Reply, frozen=True):
    user: SeenUser


@operation(product=RAM, errors=(UserNotFound,))
def get_user(call: Call, request: GetUserRequest) -> GetUserReply:
    """Show a user."""
    user = find_user(call, request.user_name)
    profile = profile_of(call.store, call.account, user.user_id)
    seen = "" if profile is None or not profile.last_login else iso8601(profile.last_login)
    return GetUserReply(
        user=SeenUser(**_facts(user), update_date=iso8601(user.updated), last_login_date=seen)
    )


class UpdateUserRequest(Request, frozen=True):
    user_name: UserName
    new_user_name: NewUserName = ""
    new_display_name: NewDisplayName = None
    new_mobile_phone: NewMobilePhone = None
    new_email: NewEmail = None
    new_comments: NewComments = None


class UpdateUserReply(Reply, frozen=True):
    user: ListedUser


@operation(changes=True, confirmed=True, product=RAM, errors=(UserNotFound, UserTaken))
def update_user(call: Call, request: UpdateUserRequest) -> UpdateUserReply:
    """Change a user's name or what is noted of it; its AccessKeys, groups and policies stay."""
    user = find_user(call, request.user_name)
    if request.new_user_name not in ("", user.name):
        _refuse_taken(call, request.new_user_name)

    def chosen(new: str | None, old: str) -> str:
        return old if new is None else new

    user = msgspec.structs.replace(
        user,
        name=request.new_user_name or user.name,
        display_name=chosen(request.new_display_name, user.display_name),
        mobile=chosen(request.new_mobile_phone, user.mobile),
        email=chosen(request.new_email, user.email),
        comments=chosen(request.new_comments, user.comments),
        updated=call.now,
    )
    call.store.identities.put(user)
    return UpdateUserReply(user=_listed(user))


class DeleteUserRequest(Request, frozen=True):
    user_name: UserName


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(
        UserNotFound,
        UserHasAccessKeys,
        UserHasGroups,
        UserHasLoginProfile,
        UserHasMfaDevice,
        UserHasPolicies,
    ),
)
def delete_user(call: Call, request: DeleteUserRequest) -> Empty:
    """Delete a user that has no login profile, MFA device, group, policy or AccessKey, but for temporary ones."""
    user = find_user(call, request.user_name)
    access_keys = [
        one for one in call.store.accounts.access_keys(call.account) if one.user_id == user.user_id
    ]
    if not all(one.expires for one in access_keys):
        raise UserHasAccessKeys
    if any(one.user_id == user.user_id for one in call.store.identities.all(Member, call.account)):
        raise UserHasGroups
    if attachments(call, Kind.USER, user.user_id):
        raise UserHasPolicies
    if profile_of(call.store, call.account, user.user_id) is not None:
        raise UserHasLoginProfile
    if device_of(call.store, call.account, user.user_id) is not None:
        raise UserHasMfaDevice
    for one in access_keys:
        call.store.accounts.remove_access_key(one.access_key_id)
        call.vault.forget_secret(one.access_key_id)
    call.store.identities.remove(user)
    return Empty()


class ListUsersRequest(MarkedRequest, frozen=True):
    pass


class ListedUsers(Reply, frozen=True):
    user: list[ListedUser]


class ListUsersReply(Reply, frozen=True):
    users: ListedUsers
    is_truncated: bool
    marker: str = ""


@operation(product=RAM, container="user/*")
def list_users(call: Call, request: ListUsersRequest) -> ListUsersReply:
    """List the users of the account, by name."""
    every = call.store.identities.all(User, call.account)
    users, marker = marked(every, lambda user: user.name, request)
    return ListUsersReply(
        users=ListedUsers(user=[_listed(user) for user in users]), is_truncated=bool(marker), marker=marker
    )
