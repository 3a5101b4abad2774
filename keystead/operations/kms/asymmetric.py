"""Key pairs: encrypt and verify with the public key, decrypt and sign with the private one, which stays inside."""

from collections.abc import Callable
from typing import Any, TypeVar

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import (
    Boolean,
    Bytes,
    Digest,
    Encryption,
    KeyRef,
    Recipient,
    Reply,
    Request,
    Signature,
    VersionId,
)
from keystead.crypto.primitives.asymmetric import is_slow, longest, pem
from keystead.domain.keys.algorithms import ENCRYPTIONS, SIGNATURES, Use
from keystead.domain.keys.key import KeySpec
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import InvalidParameter, UnsupportedOperation

T = TypeVar("T")


def _compute(call: KeyCall, function: Callable[..., T], *values: Any, private: bool = False) -> T:
    """function(version, *values), in the pool if it is slow for the key's spec."""
    if is_slow(call.key.spec, private=private):
        return call.slow(function, call.version, *values)
    return function(call.version, *values)


def _need(algorithm: str, of: dict[KeySpec, tuple[str, ...]], spec: KeySpec) -> None:
    if algorithm not in of[spec]:
        raise InvalidParameter(name="Algorithm")


class KeyVersionRequest(Request, frozen=True):
    """A request about one version of a key pair."""

    key_id: KeyRef
    key_version_id: VersionId


class KeyVersionReply(Reply, frozen=True):
    """An answer that begins with the version of a key pair that it is from."""

    key_id: str
    key_version_id: str


def _version(call: KeyCall) -> dict[str, str]:
    """The members of a KeyVersionReply."""
    return {"key_id": call.key.key_id, "key_version_id": call.version.version_id}


class AsymmetricEncryptRequest(KeyVersionRequest, frozen=True):
    algorithm: Encryption
    plaintext: Bytes
    dry_run: Boolean = False


class AsymmetricEncryptReply(KeyVersionReply, frozen=True):
    ciphertext_blob: bytes


@key_operation(gate=Gate.USE, use=Use.ASYMMETRIC_ENCRYPTION, errors=(UnsupportedOperation,))
def asymmetric_encrypt(call: KeyCall, request: AsymmetricEncryptRequest) -> AsymmetricEncryptReply:
    """Encrypt a few bytes under a public key; whoever has that key can do the same without the service."""
    _need(request.algorithm, ENCRYPTIONS, call.key.spec)
    if len(request.plaintext) > longest(call.key.spec, request.algorithm):
        raise InvalidParameter(name="Plaintext")
    ciphertext = _compute(call, call.vault.encrypt, request.algorithm, request.plaintext)
    return AsymmetricEncryptReply(**_version(call), ciphertext_blob=ciphertext)


class AsymmetricDecryptRequest(KeyVersionRequest, frozen=True):
    algorithm: Encryption
    ciphertext_blob: Bytes
    recipient: Recipient = ""
    dry_run: Boolean = False


class AsymmetricDecryptReply(KeyVersionReply, frozen=True):
    plaintext: bytes


@key_operation(gate=Gate.USE, use=Use.ASYMMETRIC_ENCRYPTION, errors=(UnsupportedOperation,))
def asymmetric_decrypt(call: KeyCall, request: AsymmetricDecryptRequest) -> AsymmetricDecryptReply:
    """Decrypt what was encrypted under the public key of a key version."""
    _need(request.algorithm, ENCRYPTIONS, call.key.spec)
    plaintext = _compute(call, call.vault.decrypt, request.algorithm, request.ciphertext_blob, private=True)
    return AsymmetricDecryptReply(**_version(call), plaintext=plaintext)


class AsymmetricSignRequest(KeyVersionRequest, frozen=True):
    algorithm: Signature
    digest: Digest
    dry_run: Boolean = False


class AsymmetricSignReply(KeyVersionReply, frozen=True):
    value: bytes


@key_operation(gate=Gate.USE, use=Use.SIGNATURE, errors=(UnsupportedOperation,))
def asymmetric_sign(call: KeyCall, request: AsymmetricSignRequest) -> AsymmetricSignReply:
    """Sign the digest of a message with a private key."""
    _need(request.algorithm, SIGNATURES, call.key.spec)
    value = _compute(call, call.vault.sign, request.algorithm, request.digest, private=True)
    return AsymmetricSignReply(**_version(call), value=value)


class AsymmetricVerifyRequest(KeyVersionRequest, frozen=True):
    algorithm: Signature
    digest: Digest
    value: Bytes
    dry_run: Boolean = False


class AsymmetricVerifyReply(KeyVersionReply, frozen=True):
    value: bool


@key_operation(gate=Gate.USE, use=Use.SIGNATURE, errors=(UnsupportedOperation,))
def asymmetric_verify(call: KeyCall, request: AsymmetricVerifyRequest) -> AsymmetricVerifyReply:
    """Tell whether a signature is a key version's; one that is not gives `false`, not an error."""
    _need(request.algorithm, SIGNATURES, call.key.spec)
    value = _compute(call, call.vault.verify, request.algorithm, request.digest, request.value)
    return AsymmetricVerifyReply(**_version(call), value=value)


class GetPublicKeyRequest(KeyVersionRequest, frozen=True):
    dry_run: Boolean = False


class GetPublicKeyReply(KeyVersionReply, frozen=True):
    public_key: str


@key_operation(gate=Gate.USE, use=Use.PUBLIC_KEY)
def get_public_key(call: KeyCall, request: GetPublicKeyRequest) -> GetPublicKeyReply:
    """Give the public key of a key version as PEM, to encrypt to it or verify its signatures anywhere."""
    return GetPublicKeyReply(**_version(call), public_key=pem(_compute(call, call.vault.public_key)))
