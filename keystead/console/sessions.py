"""The session of a person, as the service tells it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_FIRST = (("PasswordResetRequired", "/account/password"), ("MFABindRequired", "/account/mfa"))


class Session(NamedTuple):
    """Who is signed in. Times are ISO 8601 in UTC."""

    account: str
    account_name: str
    user: str  # the name of a RAM user; empty: the account's owner
    user_id: str
    how: str  # "password" or "link"
    mfa: bool  # whether a code was given, too
    mfa_bound: bool  # whether the user has a device for codes now
    session_id: str  # as the audit trail calls it
    created: str
    idle_end: str
    expires: str
    confirmed_until: str
    pending: tuple[str, ...]  # codes of what is refused all else until it is done
    password_policy: Mapping[str, Any]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> "Session":
        """The session that GetSession tells of."""
        return cls(
            account=reply["AccountId"],
            account_name=reply["AccountName"],
            user=reply["UserName"],
            user_id=reply["UserId"],
            how=reply["How"],
            mfa=reply["MfaPresent"],
            mfa_bound=reply["MfaBound"],
            session_id=reply["SessionId"],
            created=reply["CreateDate"],
            idle_end=reply["IdleDate"],
            expires=reply["ExpireDate"],
            confirmed_until=reply["ConfirmedUntil"],
            pending=tuple(reply["Pending"]),
            password_policy=reply["PasswordPolicy"],
        )

    @property
    def owner(self) -> bool:
        return not self.user_id

    @property
    def first(self) -> str:
        """The page below the console's root where what is pending is done; empty: nothing is."""
        return next((page for code, page in _FIRST if code in self.pending), "")
