"""Data keys: random keys for the caller's own encryption, returned with their ciphertext and never stored."""

import base64
import binascii
from typing import Annotated

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import (
    Boolean,
    Bytes,
    CiphertextBlob,
    Context,
    DataKeyBytes,
    ExportWrapping,
    KeyRef,
    Recipient,
    Reply,
    Request,
    WrappingSpec,
    choice,
)
from keystead.crypto.primitives import asymmetric
from keystead.crypto.vault import Sealed
from keystead.domain.keys.algorithms import EXPORTS, Use, wrapping
from keystead.domain.keys.key import KeySpec
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import InvalidParameter, UnsupportedOperation

DataKeySpec = Annotated[str, choice("AES_256", "AES_128")]
_LENGTHS = {"AES_256": 32, "AES_128": 16}


class DataKeyRequest(Request, frozen=True):
    """A request for a new data key."""

    key_id: KeyRef
    key_spec: DataKeySpec = "AES_256"
    number_of_bytes: DataKeyBytes = 0  # 0: not given; KeySpec decides
    encryption_context: Context = {}


class DataKeyReply(Reply, frozen=True):
    """An answer that begins with the new data key, encrypted, and what it was encrypted with."""

    key_id: str
    key_version_id: str
    ciphertext_blob: str


class GenerateDataKeyRequest(DataKeyRequest, frozen=True):
    recipient: Recipient = ""
    dry_run: Boolean = False


class GenerateDataKeyReply(DataKeyReply, frozen=True):
    plaintext: str


@key_operation(gate=Gate.USE, use=Use.SYMMETRIC)
def generate_data_key(call: KeyCall, request: GenerateDataKeyRequest) -> GenerateDataKeyReply:
    """Make a random data key: in the clear for immediate use, and encrypted under a key to be kept."""
    text, sealed = _make(call, request.key_spec, request.number_of_bytes, request.encryption_context)
    return GenerateDataKeyReply(
        key_id=call.key.key_id,
        key_version_id=sealed.version_id,
        ciphertext_blob=sealed.blob,
        plaintext=text,
    )


class GenerateDataKeyWithoutPlaintextRequest(DataKeyRequest, frozen=True):
    dry_run: Boolean = False


class GenerateDataKeyWithoutPlaintextReply(DataKeyReply, frozen=True):
    """Nothing but the data key, encrypted."""


@key_operation(gate=Gate.USE, use=Use.SYMMETRIC)
def generate_data_key_without_plaintext(
    call: KeyCall, request: GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextReply:
    """Make a random data key and return it encrypted only, for somebody else to decrypt later."""
    _, sealed = _make(call, request.key_spec, request.number_of_bytes, request.encryption_context)
    return GenerateDataKeyWithoutPlaintextReply(
        key_id=call.key.key_id, key_version_id=sealed.version_id, ciphertext_blob=sealed.blob
    )


class GenerateAndExportDataKeyRequest(Request, frozen=True):
    key_id: KeyRef
    public_key_blob: Bytes
    wrapping_key_spec: WrappingSpec
    wrapping_algorithm: ExportWrapping
    key_spec: DataKeySpec = "AES_256"
    number_of_bytes: DataKeyBytes = 0  # 0: not given; KeySpec decides
    encryption_context: Context = {}
    dry_run: Boolean = False


class GenerateAndExportDataKeyReply(DataKeyReply, frozen=True):
    exported_data_key: bytes


@key_operation(gate=Gate.USE, use=Use.SYMMETRIC, errors=(UnsupportedOperation,))
def generate_and_export_data_key(
    call: KeyCall, request: GenerateAndExportDataKeyRequest
) -> GenerateAndExportDataKeyReply:
    """Make a random data key, encrypted under a key to be kept and under a public key for somebody else."""
    wrapper = _wrapper(request)
    count = request.number_of_bytes or _LENGTHS[request.key_spec]
    if count > asymmetric.longest(wrapper[0], wrapper[1]):
        raise InvalidParameter(name="NumberOfBytes")
    text, exported = call.slow(call.vault.make_exported_key, count, *wrapper)
    sealed = call.vault.seal(call.version, request.encryption_context, text)
    return GenerateAndExportDataKeyReply(
        key_id=call.key.key_id,
        key_version_id=sealed.version_id,
        ciphertext_blob=sealed.blob,
        exported_data_key=exported,
    )


class ExportDataKeyRequest(Request, frozen=True):
    ciphertext_blob: CiphertextBlob
    public_key_blob: Bytes
    wrapping_key_spec: WrappingSpec
    wrapping_algorithm: ExportWrapping
    encryption_context: Context = {}
    dry_run: Boolean = False


class ExportDataKeyReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    exported_data_key: bytes


@key_operation(gate=Gate.USE, errors=(UnsupportedOperation,))
def export_data_key(call: KeyCall, request: ExportDataKeyRequest) -> ExportDataKeyReply:
    """Decrypt a data key and encrypt it under a public key, for somebody else to use."""
    wrapper = _wrapper(request)
    text = call.vault.open(call.version, request.encryption_context, call.blob)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(name="CiphertextBlob") from None  # a plaintext that is no data key
    if not 1 <= len(key) <= asymmetric.longest(wrapper[0], wrapper[1]):
        raise InvalidParameter(name="CiphertextBlob")
    exported = call.slow(asymmetric.encrypt, *wrapper, key)
    return ExportDataKeyReply(
        key_id=call.key.key_id,
        key_version_id=call.version.version_id,
        exported_data_key=exported,
    )


def _wrapper(
    request: GenerateAndExportDataKeyRequest | ExportDataKeyRequest,
) -> tuple[KeySpec, str, bytes]:
    """Spec, algorithm and public key to export a data key with."""
    spec = wrapping(request.wrapping_key_spec, request.wrapping_algorithm, EXPORTS)
    try:
        public = asymmetric.load_public(spec, request.public_key_blob)
    except ValueError:
        raise InvalidParameter(name="PublicKeyBlob") from None
    return spec, request.wrapping_algorithm, public


def _make(call: KeyCall, spec: str, count: int, context: dict[str, str]) -> tuple[str, Sealed]:
    # NumberOfBytes wins over KeySpec; without either it is 32 bytes (the vendor's GenerateDataKey page).
    return call.vault.make_data_key(call.version, context, count or _LENGTHS[spec])
