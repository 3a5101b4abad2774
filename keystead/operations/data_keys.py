"""Data keys: random keys for the caller's own encryption, returned with their ciphertext and never stored."""

from typing import Annotated

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire import (
    Boolean,
    Context,
    DataKeyBytes,
    KeyRef,
    Reply,
    Request,
    Unsupported,
    choice,
)
from keystead.crypto.vault import Sealed
from keystead.domain.lifecycle import Gate

DataKeySpec = Annotated[str, choice("AES_256", "AES_128")]
_LENGTHS = {"AES_256": 32, "AES_128": 16}


class GenerateDataKeyRequest(Request, frozen=True):
    key_id: KeyRef
    key_spec: DataKeySpec = "AES_256"
    number_of_bytes: DataKeyBytes = 0  # 0: not given; KeySpec decides
    encryption_context: Context = {}
    recipient: Unsupported = ""
    dry_run: Boolean = False


class GenerateDataKeyReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str
    plaintext: str


@key_operation(gate=Gate.USE)
def generate_data_key(call: KeyCall, request: GenerateDataKeyRequest) -> GenerateDataKeyReply:
    """Make a random data key: in the clear for immediate use, and encrypted under a key to be kept."""
    text, sealed = _make(call, request.key_spec, request.number_of_bytes, request.encryption_context)
    return GenerateDataKeyReply(
        key_id=call.key.key_id,
        key_version_id=sealed.version_id,
        ciphertext_blob=sealed.blob,
        plaintext=text,
    )


class GenerateDataKeyWithoutPlaintextRequest(Request, frozen=True):
    key_id: KeyRef
    key_spec: DataKeySpec = "AES_256"
    number_of_bytes: DataKeyBytes = 0  # 0: not given; KeySpec decides
    encryption_context: Context = {}
    dry_run: Boolean = False


class GenerateDataKeyWithoutPlaintextReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str


@key_operation(gate=Gate.USE)
def generate_data_key_without_plaintext(
    call: KeyCall, request: GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextReply:
    """Make a random data key and return it encrypted only, for somebody else to decrypt later."""
    _, sealed = _make(call, request.key_spec, request.number_of_bytes, request.encryption_context)
    return GenerateDataKeyWithoutPlaintextReply(
        key_id=call.key.key_id, key_version_id=sealed.version_id, ciphertext_blob=sealed.blob
    )


def _make(call: KeyCall, spec: str, count: int, context: dict[str, str]) -> tuple[str, Sealed]:
    # NumberOfBytes wins over KeySpec; without either it is 32 bytes (the vendor's GenerateDataKey page).
    return call.vault.make_data_key(call.version, context, count or _LENGTHS[spec])
