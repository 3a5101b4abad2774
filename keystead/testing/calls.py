"""The calls that a test's program made."""

from collections.abc import Mapping

# What every request carries to say how it is signed and answered.
_COMMON = frozenset(
    {
        "AccessKeyId", "Action", "Format", "RegionId", "SecurityToken", "Signature", "SignatureMethod", "SignatureNonce",
        "SignatureType", "SignatureVersion", "Timestamp", "Version",
    }
)  # fmt: skip


class Call(str):
    """One call: equal to the name of its action, with the rest as attributes.

    `parameters` are those of the operation, as they were sent; `status` and `code` (the refusal's, or "") are those of the
    answer; a call that was cut off has the status 0.
    """

    __slots__ = ("code", "parameters", "request_id", "status")

    parameters: Mapping[str, str]
    status: int
    code: str
    request_id: str

    def __new__(cls, action: str, parameters: Mapping[str, str]) -> "Call":
        """One that has no answer yet."""
        call = super().__new__(cls, action)
        call.parameters = {name: value for name, value in parameters.items() if name not in _COMMON}
        call.status, call.code, call.request_id = 0, "", ""
        return call


class Calls(list[Call]):
    """The calls since the test began, in the order in which they came."""

    def count(self, value: object, /) -> int:
        """How many were of this action."""
        return sum(call == value for call in self)
