"""Checkpoints: the head of the audit records, signed, for whoever keeps it elsewhere."""

from keystead.api import checkpoints
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.domain.products import KEYSTEAD


class SignCheckpointRequest(Request, frozen=True):
    pass


class SignCheckpointReply(Reply, frozen=True):
    checkpoint: str
    public_key: str


@operation(product=KEYSTEAD)
def sign_checkpoint(call: Call, request: SignCheckpointRequest) -> SignCheckpointReply:
    """Sign the head of the server's audit records, as they were before this call."""
    _, note = checkpoints.sign(
        call.vault, call.chain, call.chains.cover(call.batch), call.home.account, call.now
    )
    return SignCheckpointReply(checkpoint=note, public_key=_public_key(call))


class GetCheckpointKeyRequest(Request, frozen=True):
    pass


class GetCheckpointKeyReply(Reply, frozen=True):
    public_key: str


@operation(product=KEYSTEAD)
def get_checkpoint_key(call: Call, request: GetCheckpointKeyRequest) -> GetCheckpointKeyReply:
    """Tell the public key that verifies checkpoints of the server's audit records."""
    return GetCheckpointKeyReply(public_key=_public_key(call))


def _public_key(call: Call) -> str:
    return str(checkpoints.signer_of(call.vault, call.chain, call.home.account).public)
