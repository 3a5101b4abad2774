"""The password policy: the rules of an account for the passwords of its users."""

from typing import Annotated

from keystead.api.coerce import integer
from keystead.api.operation import Call, operation
from keystead.api.passwords import ShownPasswordPolicy, shown
from keystead.api.sign_in_rows import password_policy
from keystead.api.wire_types import Boolean, Param, Reply, Request
from keystead.domain.products import RAM
from keystead.domain.sign_in import LONGEST, OLDEST, REMEMBERED, RETRIES, SHORTEST, PasswordPolicy

Length = Annotated[int, Param("Integer", integer(SHORTEST, LONGEST, "characters"))]
Age = Annotated[int, Param("Integer", integer(0, OLDEST, "days; 0: it does not expire"))]
Reuse = Annotated[int, Param("Integer", integer(0, REMEMBERED, "passwords; 0: any may come again"))]
Retries = Annotated[
    int,
    Param("Integer", integer(0, RETRIES, "wrong passwords, then an hour's wait; 0: as the server has it")),
]


class SetPasswordPolicyRequest(Request, frozen=True):
    minimum_password_length: Length = SHORTEST
    require_lowercase_characters: Boolean = True
    require_uppercase_characters: Boolean = True
    require_numbers: Boolean = True
    require_symbols: Boolean = True
    hard_expiry: Boolean = False
    max_password_age: Age = 0
    password_reuse_prevention: Reuse = 0
    max_login_attemps: Retries = 0


class PasswordPolicyReply(Reply, frozen=True):
    password_policy: ShownPasswordPolicy


@operation(changes=True, product=RAM, confirmed=True)
def set_password_policy(call: Call, request: SetPasswordPolicyRequest) -> PasswordPolicyReply:
    """Set the whole password policy: what is not given is as in an account that has none. It binds new passwords."""
    policy = PasswordPolicy(
        account=call.account,
        min_length=request.minimum_password_length,
        lowercase=request.require_lowercase_characters,
        uppercase=request.require_uppercase_characters,
        numbers=request.require_numbers,
        symbols=request.require_symbols,
        hard_expiry=request.hard_expiry,
        max_age=request.max_password_age,
        reuse=request.password_reuse_prevention,
        max_attempts=request.max_login_attemps,
    )
    there = call.store.identities.all(PasswordPolicy, call.account)
    (call.store.identities.put if there else call.store.identities.add)(policy)
    return PasswordPolicyReply(password_policy=shown(policy))


class GetPasswordPolicyRequest(Request, frozen=True):
    pass


@operation(product=RAM)
def get_password_policy(call: Call, request: GetPasswordPolicyRequest) -> PasswordPolicyReply:
    """Show the password policy of the account."""
    return PasswordPolicyReply(password_policy=shown(password_policy(call.store, call.account)))
