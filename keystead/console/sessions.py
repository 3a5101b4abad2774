"""The session of a person, as the service tells it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Session(NamedTuple):
    """Who is signed in. Times are ISO 8601 in UTC."""

    account: str
    user: str  # the name of a RAM user; empty: the account's owner
    user_id: str
    mfa: bool  # whether it was signed in with a code, too
    session_id: str  # as the audit trail calls it
    expires: str
    confirmed_until: str
    pending: str  # what has to be done before anything else: "password", "mfa" or ""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> "Session":
        """The session that GetSession tells of."""
        found = reply["Session"]
        return cls(
            account=found["AccountId"],
            user=found["UserName"],
            user_id=found["UserId"],
            mfa=found["MFAPresent"],
            session_id=found["SessionId"],
            expires=found["ExpireDate"],
            confirmed_until=found["ConfirmedUntil"],
            pending=found["Pending"],
        )

    @property
    def owner(self) -> bool:
        return not self.user
