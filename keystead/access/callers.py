"""The caller of an operation: who it is, whatever the proof was."""

import enum

import msgspec

from keystead.domain.arns import account_arn, ram_arn


class CallerType(enum.StrEnum):
    """What kind of caller, spelled as the vendor's ActionTrail does, with two of our own."""

    ROOT = "root-account"
    RAM_USER = "ram-user"
    OPERATOR = "operator"  # the control socket: the user who runs the server
    SERVICE = "service"  # the service itself, by a timer


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller.

    `principal` is the account id for the account itself, a RAM user's id, and for an operator the name of the operating
    system's user; `session` is the name that a RAM user has now.
    """

    account: str
    type: CallerType
    principal: str
    access_key_id: str = ""
    session: str = ""

    @property
    def arn(self) -> str:
        """The caller as a principal of policies."""
        if self.type is CallerType.RAM_USER:
            return ram_arn(self.account, "user", self.session)
        return account_arn(self.account)
