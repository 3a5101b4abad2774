"""Message authentication codes: who has the code and may verify it knows that the message is unchanged."""

from typing import Annotated

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import Boolean, Bytes, KeyRef, Reply, Request, choice
from keystead.crypto.primitives.message_mac import same
from keystead.domain.keys.algorithms import MACS, Use
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import InvalidParameter

Algorithm = Annotated[str, choice(*MACS)]


class MacRequest(Request, frozen=True):
    """A request about a message and its code."""

    key_id: KeyRef
    message: Bytes
    algorithm: Algorithm


class MacReply(Reply, frozen=True):
    """An answer that begins with what the code was made with."""

    key_id: str
    algorithm: str


def _code(call: KeyCall, request: MacRequest) -> bytes:
    if request.algorithm != call.key.spec:
        raise InvalidParameter(name="Algorithm")
    return call.vault.mac(call.version, request.message)


class GenerateMacRequest(MacRequest, frozen=True):
    dry_run: Boolean = False


class GenerateMacReply(MacReply, frozen=True):
    mac: bytes


@key_operation(gate=Gate.USE, use=Use.MAC)
def generate_mac(call: KeyCall, request: GenerateMacRequest) -> GenerateMacReply:
    """Make the code of a message of up to 6 KB."""
    code = _code(call, request)
    return GenerateMacReply(key_id=call.key.key_id, algorithm=request.algorithm, mac=code)


class VerifyMacRequest(MacRequest, frozen=True):
    mac: Bytes
    dry_run: Boolean = False


class VerifyMacReply(MacReply, frozen=True):
    value: bool


@key_operation(gate=Gate.USE, use=Use.MAC)
def verify_mac(call: KeyCall, request: VerifyMacRequest) -> VerifyMacReply:
    """Tell whether a code is this key's of this message; one that is not gives `false`, not an error."""
    value = same(_code(call, request), request.mac)
    return VerifyMacReply(key_id=call.key.key_id, algorithm=request.algorithm, value=value)
