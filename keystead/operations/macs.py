"""Message authentication codes: who has the code and may verify it knows that the message is unchanged."""

from typing import Annotated

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire import Boolean, Bytes, KeyRef, Reply, Request, choice
from keystead.crypto.message_mac import same
from keystead.domain.algorithms import MACS, Use
from keystead.domain.lifecycle import Gate
from keystead.errors import InvalidParameter

Algorithm = Annotated[str, choice(*MACS)]


def _need(algorithm: str, call: KeyCall) -> None:
    if algorithm != call.key.spec:
        raise InvalidParameter(name="Algorithm")


class GenerateMacRequest(Request, frozen=True):
    key_id: KeyRef
    message: Bytes
    algorithm: Algorithm
    dry_run: Boolean = False


class GenerateMacReply(Reply, frozen=True):
    key_id: str
    algorithm: str
    mac: bytes


@key_operation(gate=Gate.USE, use=Use.MAC)
def generate_mac(call: KeyCall, request: GenerateMacRequest) -> GenerateMacReply:
    """Make the code of a message of up to 6 KB."""
    _need(request.algorithm, call)
    code = call.vault.mac(call.version, request.message)
    return GenerateMacReply(key_id=call.key.key_id, algorithm=request.algorithm, mac=code)


class VerifyMacRequest(Request, frozen=True):
    key_id: KeyRef
    message: Bytes
    algorithm: Algorithm
    mac: Bytes
    dry_run: Boolean = False


class VerifyMacReply(Reply, frozen=True):
    key_id: str
    algorithm: str
    value: bool


@key_operation(gate=Gate.USE, use=Use.MAC)
def verify_mac(call: KeyCall, request: VerifyMacRequest) -> VerifyMacReply:
    """Tell whether a code is this key's of this message; one that is not gives `false`, not an error."""
    _need(request.algorithm, call)
    return VerifyMacReply(
        key_id=call.key.key_id,
        algorithm=request.algorithm,
        value=same(call.vault.mac(call.version, request.message), request.mac),
    )
