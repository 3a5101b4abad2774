"""Encrypt, decrypt and re-encrypt small data online, under keys that never leave the service."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire import (
    Boolean,
    CiphertextBlob,
    Context,
    KeyRef,
    Plaintext,
    Reply,
    Request,
    SourceBlob,
    Unsupported,
)
from keystead.domain.lifecycle import Gate


class EncryptRequest(Request, frozen=True):
    key_id: KeyRef
    plaintext: Plaintext
    encryption_context: Context = {}
    dry_run: Boolean = False


class EncryptReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str


@key_operation(gate=Gate.USE)
def encrypt(call: KeyCall, request: EncryptRequest) -> EncryptReply:
    """Encrypt up to 6 KB under the primary version of a key."""
    sealed = call.vault.seal(call.version, request.encryption_context, request.plaintext)
    return EncryptReply(key_id=call.key.key_id, key_version_id=sealed.version_id, ciphertext_blob=sealed.blob)


class DecryptRequest(Request, frozen=True):
    ciphertext_blob: CiphertextBlob
    encryption_context: Context = {}
    recipient: Unsupported = ""
    dry_run: Boolean = False


class DecryptReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    plaintext: str


@key_operation(gate=Gate.USE)
def decrypt(call: KeyCall, request: DecryptRequest) -> DecryptReply:
    """Decrypt what Encrypt or GenerateDataKey returned; the ciphertext itself names its key."""
    plaintext = call.vault.open(call.version, request.encryption_context, call.blob)
    return DecryptReply(
        key_id=call.key.key_id, key_version_id=call.version.version_id, plaintext=plaintext.decode()
    )


class ReEncryptRequest(Request, frozen=True):
    ciphertext_blob: SourceBlob
    destination_key_id: KeyRef
    source_key_id: Unsupported = ""
    source_key_version_id: Unsupported = ""
    source_encryption_algorithm: Unsupported = ""
    source_encryption_context: Context = {}
    destination_encryption_context: Context = {}
    dry_run: Boolean = False


class ReEncryptReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str


@key_operation(gate=Gate.USE)
def re_encrypt(call: KeyCall, request: ReEncryptRequest) -> ReEncryptReply:
    """Decrypt a ciphertext and encrypt it anew, under another key, version or context; the plaintext stays inside."""
    assert call.source is not None
    plaintext = call.vault.open(call.source.version, request.source_encryption_context, call.source.blob)
    sealed = call.vault.seal(call.version, request.destination_encryption_context, plaintext)
    return ReEncryptReply(
        key_id=call.key.key_id, key_version_id=sealed.version_id, ciphertext_blob=sealed.blob
    )
