"""The caller of an operation: who it is, whatever the proof was."""

import enum

import msgspec


class CallerType(enum.StrEnum):
    """What kind of caller, spelled as the vendor's ActionTrail does, with two of our own."""

    ROOT = "root-account"
    OPERATOR = "operator"  # the control socket: the user who runs the server
    SERVICE = "service"  # the service itself, by a timer


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller. `principal` is the account id for the account itself, and for an operator the name of the
    operating system's user."""

    account: str
    type: CallerType
    principal: str
    access_key_id: str = ""
    session: str = ""
