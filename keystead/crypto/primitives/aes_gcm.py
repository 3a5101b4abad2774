"""AES-256-GCM without associated data (FIPS 197, NIST SP 800-38D), as encrypted files are made with it.

The cryptography package does it. The client file has no compiled package in it, and takes it from OpenSSL.
"""

from keystead.crypto.primitives.unopenable import Unopenable

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ModuleNotFoundError:
    from keystead.crypto.primitives.openssl_gcm import AESGCM, InvalidTag  # type: ignore[assignment]


class AesGcm:
    """The cipher under one key of 32 bytes; a nonce of 12 bytes must never be used twice under it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes) -> bytes:
        """The ciphertext, with its 16-byte tag after it."""
        return self._cipher.encrypt(nonce, plaintext, None)

    def open(self, nonce: bytes, sealed: bytes) -> bytes:
        """The plaintext; Unopenable if that is not what `seal` made."""
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError):  # ValueError: shorter than a tag
            raise Unopenable from None
