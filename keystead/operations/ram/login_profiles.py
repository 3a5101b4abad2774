"""Login profiles: that a RAM user may sign in to the console with a password, and the user's own change of it."""

from typing import Annotated

import msgspec

from keystead.access.callers import CallerType
from keystead.api import coerce
from keystead.api.operation import Call, operation
from keystead.api.passwords import Password, hash_of, replace_password
from keystead.api.ram_lookup import find_user
from keystead.api.ram_types import UserName
from keystead.api.sign_in_rows import end_sessions, forget_addresses, profile_of
from keystead.api.wire_types import Boolean, Empty, Param, Reply, Request
from keystead.clock import iso8601
from keystead.crypto import passwords
from keystead.domain.identities import User
from keystead.domain.products import RAM
from keystead.domain.sign_in import LoginProfile
from keystead.errors import (
    LoginProfileNotFound,
    LoginProfileTaken,
    NewPasswordReused,
    NewPasswordTooWeak,
    OldPasswordIncorrect,
    OnlyForUsers,
    PasswordReused,
    PasswordTooWeak,
    TooManyAttempts,
    UserNotFound,
)

NewBoolean = Annotated[bool | None, Param("Boolean", coerce.boolean)]


class ShownLoginProfile(Reply, frozen=True):
    user_name: str
    password_reset_required: bool
    mfa_bind_required: bool = msgspec.field(name="MFABindRequired")
    create_date: str


def _shown(user: User, profile: LoginProfile) -> ShownLoginProfile:
    return ShownLoginProfile(
        user_name=user.name,
        password_reset_required=profile.reset_required,
        mfa_bind_required=profile.mfa_bind_required,
        create_date=iso8601(profile.created),
    )


def _find(call: Call, user: User) -> LoginProfile:
    profile = profile_of(call.store, call.account, user.user_id)
    if profile is None:
        raise LoginProfileNotFound(name=user.name)
    return profile


class CreateLoginProfileRequest(Request, frozen=True):
    user_name: UserName
    password: Password
    password_reset_required: Boolean = False
    mfa_bind_required: Boolean = msgspec.field(default=False, name="MFABindRequired")


class CreateLoginProfileReply(Reply, frozen=True):
    login_profile: ShownLoginProfile


@operation(
    changes=True,
    product=RAM,
    confirmed=True,
    errors=(LoginProfileTaken, PasswordTooWeak, UserNotFound),
)
def create_login_profile(call: Call, request: CreateLoginProfileRequest) -> CreateLoginProfileReply:
    """Let a user sign in to the console with a password."""
    user = find_user(call, request.user_name)
    if profile_of(call.store, call.account, user.user_id) is not None:
        raise LoginProfileTaken(name=user.name)
    profile = LoginProfile(
        account=call.account,
        user_id=user.user_id,
        password=hash_of(call, request.password),
        created=call.now,
        changed=call.now,
        reset_required=request.password_reset_required,
        mfa_bind_required=request.mfa_bind_required,
    )
    call.door.attempts.forget(call.account, user.name)
    call.store.identities.add(profile)
    return CreateLoginProfileReply(login_profile=_shown(user, profile))


class GetLoginProfileRequest(Request, frozen=True):
    user_name: UserName


class GetLoginProfileReply(Reply, frozen=True):
    login_profile: ShownLoginProfile


@operation(product=RAM, errors=(LoginProfileNotFound, UserNotFound))
def get_login_profile(call: Call, request: GetLoginProfileRequest) -> GetLoginProfileReply:
    """Show a user's login profile."""
    user = find_user(call, request.user_name)
    return GetLoginProfileReply(login_profile=_shown(user, _find(call, user)))


class UpdateLoginProfileRequest(Request, frozen=True):
    user_name: UserName
    password: Password = ""
    password_reset_required: NewBoolean = None
    mfa_bind_required: NewBoolean = msgspec.field(default=None, name="MFABindRequired")


@operation(
    changes=True,
    product=RAM,
    confirmed=True,
    errors=(LoginProfileNotFound, PasswordReused, PasswordTooWeak, UserNotFound),
)
def update_login_profile(call: Call, request: UpdateLoginProfileRequest) -> Empty:
    """Give a user another password, which ends the user's sessions, or say what the user has to do at the next one."""
    user = find_user(call, request.user_name)
    profile = _find(call, user)
    reset, bind = request.password_reset_required, request.mfa_bind_required
    reset = profile.reset_required if reset is None else reset
    bind = profile.mfa_bind_required if bind is None else bind
    if request.password:
        profile = replace_password(call, user, profile, request.password)
    call.store.identities.put(msgspec.structs.replace(profile, reset_required=reset, mfa_bind_required=bind))
    return Empty()


class DeleteLoginProfileRequest(Request, frozen=True):
    user_name: UserName


@operation(changes=True, product=RAM, confirmed=True, errors=(LoginProfileNotFound, UserNotFound))
def delete_login_profile(call: Call, request: DeleteLoginProfileRequest) -> Empty:
    """Let a user sign in to the console no longer; the user's sessions end."""
    user = find_user(call, request.user_name)
    profile = _find(call, user)
    end_sessions(call.store, call.account, user.user_id)
    forget_addresses(call.store, call.account, user.user_id)
    call.store.identities.remove(profile)
    return Empty()


class ChangePasswordRequest(Request, frozen=True):
    old_password: Password
    new_password: Password


@operation(
    changes=True,
    product=RAM,
    container="user/{caller}",
    own=True,
    errors=(
        LoginProfileNotFound,
        NewPasswordReused,
        NewPasswordTooWeak,
        OldPasswordIncorrect,
        OnlyForUsers,
        TooManyAttempts,
    ),
)
def change_password(call: Call, request: ChangePasswordRequest) -> Empty:
    """Change one's own password; one's other sessions end."""
    if call.caller.type is not CallerType.RAM_USER:
        raise OnlyForUsers
    user = find_user(call, call.caller.session)
    profile = _find(call, user)
    limits = (call.door.limit_of(user, call.address),)
    call.door.attempts.refuse(limits, call.now)
    if not call.slow(passwords.matches, profile.password, request.old_password):
        call.door.attempts.failed(limits, call.now)
        raise OldPasswordIncorrect
    if request.new_password == request.old_password:
        raise NewPasswordReused
    call.store.identities.put(replace_password(call, user, profile, request.new_password, new=True))
    return Empty()
