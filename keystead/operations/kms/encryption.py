"""Encryption: of small data, online, under keys that never leave the service."""

import base64

from keystead.api.coerce import strict_bytes
from keystead.api.operation import KeyCall, Source, key_operation
from keystead.api.wire_types import (
    Boolean,
    CiphertextBlob,
    Context,
    Encryption,
    KeyRef,
    KeyReference,
    Plaintext,
    Recipient,
    Reply,
    Request,
    Role,
    SourceBlob,
    SourceKeyRef,
    SourceVersionId,
)
from keystead.domain.keys.algorithms import ENCRYPTIONS, Use, require
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import InvalidParameter, KeyVersionNotFound, MissingParameter, OperationUnsupported


class EncryptRequest(Request, frozen=True):
    key_id: KeyRef
    plaintext: Plaintext
    encryption_context: Context = {}
    dry_run: Boolean = False


class EncryptReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str


@key_operation(gate=Gate.USE, use=Use.SYMMETRIC)
def encrypt(call: KeyCall, request: EncryptRequest) -> EncryptReply:
    """Encrypt up to 6 KB under the primary version of a key."""
    sealed = call.vault.seal(call.version, request.encryption_context, request.plaintext)
    return EncryptReply(key_id=call.key.key_id, key_version_id=sealed.version_id, ciphertext_blob=sealed.blob)


class DecryptRequest(Request, frozen=True):
    ciphertext_blob: CiphertextBlob
    encryption_context: Context = {}
    recipient: Recipient = ""
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
    source_key_id: SourceKeyRef = KeyReference()
    source_key_version_id: SourceVersionId = ""
    source_encryption_algorithm: Encryption = ""
    source_encryption_context: Context = {}
    destination_encryption_context: Context = {}
    dry_run: Boolean = False


class ReEncryptReply(Reply, frozen=True):
    key_id: str
    key_version_id: str
    ciphertext_blob: str


@key_operation(
    gate=Gate.USE,
    use=Use.SYMMETRIC,
    actions={Role.SOURCE: "ReEncryptFrom", Role.KEY: "ReEncryptTo"},
    errors=(KeyVersionNotFound, MissingParameter, OperationUnsupported),
)
def re_encrypt(call: KeyCall, request: ReEncryptRequest) -> ReEncryptReply:
    """Decrypt a ciphertext and encrypt it anew, under another key, version or context; the plaintext stays inside.

    The answer names the key and version that it was decrypted with, as the vendor's does.
    """
    source = call.source
    assert source is not None
    plaintext = _source_plaintext(call, source, request)
    sealed = call.vault.seal(call.version, request.destination_encryption_context, plaintext)
    return ReEncryptReply(
        key_id=source.key.key_id, key_version_id=source.version.version_id, ciphertext_blob=sealed.blob
    )


def _source_plaintext(call: KeyCall, source: Source, request: ReEncryptRequest) -> bytes:
    if source.blob is not None:
        if request.source_encryption_algorithm:
            # Its author took the ciphertext for one of a key pair; what else they got wrong nobody can say.
            raise InvalidParameter(name="SourceEncryptionAlgorithm")
        return call.vault.open(source.version, request.source_encryption_context, source.blob)
    require(Use.ASYMMETRIC_ENCRYPTION, source.key)
    algorithm = request.source_encryption_algorithm
    if not algorithm:
        raise MissingParameter(name="SourceEncryptionAlgorithm")
    if algorithm not in ENCRYPTIONS[source.key.spec]:
        raise InvalidParameter(name="SourceEncryptionAlgorithm")
    ciphertext = strict_bytes.parse("CiphertextBlob", request.ciphertext_blob)
    plaintext = call.slow(call.vault.decrypt, source.version, algorithm, ciphertext)
    # As Encrypt is given the base64 of binary data, and Decrypt returns it.
    return base64.b64encode(plaintext)
