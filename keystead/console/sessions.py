"""The session of a person, as the service tells it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

# What the service asks for first, by the pages where it is done.
_FIRST = {"PasswordResetRequired": "password", "MFABindRequired": "mfa"}


class Session(NamedTuple):
    """Who is signed in. Times are ISO 8601 in UTC."""

    account: str
    user: str  # the name of a RAM user; empty: the account's owner
    user_id: str
    mfa: bool  # whether a code was given at signing in
    mfa_bound: bool  # whether there is an MFA device now
    how: str  # password or link
    session_id: str  # as the audit trail calls it
    created: str
    idle_end: str  # when it ends unless it is used
    expires: str
    confirmed_until: str
    pending: str  # what has to be done before anything else: "password", "mfa" or ""
    rules: Mapping[str, Any]  # for passwords: the account's password policy

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Session":
        """The session that GetSession tells of."""
        return cls(
            account=found["AccountId"],
            user=found["UserName"],
            user_id=found["UserId"],
            mfa=found["MfaPresent"],
            mfa_bound=found["MfaBound"],
            how=found["How"],
            session_id=found["SessionId"],
            created=found["CreateDate"],
            idle_end=found["IdleDate"],
            expires=found["ExpireDate"],
            confirmed_until=found["ConfirmedUntil"],
            pending=next((_FIRST[code] for code in found["Pending"]), ""),
            rules=found["PasswordPolicy"],
        )

    @property
    def owner(self) -> bool:
        return not self.user
