"""Passwords as parameters, the rules for them as an answer, and how a user is given another one."""

import unicodedata
from typing import Annotated

import msgspec

from keystead.api.coerce import rule
from keystead.api.operation import Call
from keystead.api.sign_in_rows import end_sessions, password_policy
from keystead.api.wire_types import Param, Reply
from keystead.crypto import passwords
from keystead.domain.identities import User
from keystead.domain.sign_in import PASSWORD_CHARACTERS, LoginProfile, PasswordPolicy
from keystead.errors import (
    InvalidParameter,
    NewPasswordReused,
    NewPasswordTooWeak,
    PasswordReused,
    PasswordTooWeak,
)


@rule(f"at most {PASSWORD_CHARACTERS} characters, none of them a line break or another control character")
def _password(name: str, text: str) -> str:
    # What a file ends with, or a paste, is no part of what anybody can type into a page.
    if len(text) > PASSWORD_CHARACTERS or any(unicodedata.category(one) in ("Cc", "Cs") for one in text):
        raise InvalidParameter(name=name)
    return text


Password = Annotated[str, Param("String", _password, sensitive=True)]


class ShownPasswordPolicy(Reply, frozen=True):
    minimum_password_length: int
    require_lowercase_characters: bool
    require_uppercase_characters: bool
    require_numbers: bool
    require_symbols: bool
    hard_expiry: bool
    max_password_age: int
    password_reuse_prevention: int
    max_login_attemps: int  # spelled as the vendor does


def shown(policy: PasswordPolicy) -> ShownPasswordPolicy:
    """The rules of an account as the vendor's Ram has them."""
    return ShownPasswordPolicy(
        minimum_password_length=policy.min_length,
        require_lowercase_characters=policy.lowercase,
        require_uppercase_characters=policy.uppercase,
        require_numbers=policy.numbers,
        require_symbols=policy.symbols,
        hard_expiry=policy.hard_expiry,
        max_password_age=policy.max_age,
        password_reuse_prevention=policy.reuse,
        max_login_attemps=policy.max_attempts,
    )


def hash_of(call: Call, password: str, *, new: bool = False) -> str:
    """The hash of a password that complies with the rules of the account; else the refusal, of NewPassword if `new`."""
    _check(call, password, new=new)
    made = call.prove(passwords.make, call.entropy, password)
    assert isinstance(made, str)
    return made


def _check(call: Call, password: str, *, new: bool) -> None:
    lacks = password_policy(call.store, call.account).lacks(password)
    if lacks:
        raise (NewPasswordTooWeak if new else PasswordTooWeak)(reason=lacks)


def replace_password(
    call: Call, user: User, profile: LoginProfile, password: str, *, new: bool = False
) -> LoginProfile:
    """The login profile with another password, which complies with the rules; not kept yet. The user's other sessions end,
    and wrong passwords are counted anew."""
    policy = password_policy(call.store, call.account)
    _check(call, password, new=new)  # before what takes long: there may be many that must not come again
    hashes = profile.hashes(policy)
    if call.prove(passwords.any_matches, hashes, password):
        raise NewPasswordReused if new else PasswordReused
    encoded = hash_of(call, password, new=new)
    own = call.session if call.session is not None and call.session.user_id == user.user_id else None
    end_sessions(call.store, call.account, user.user_id, but=own)
    call.door.attempts.forget(call.account, user.name)
    return msgspec.structs.replace(profile.with_password(encoded, policy, call.now), reset_required=False)
