"""Committing authenticated encryption: what every ciphertext of the service is made with.

    okm    = SP 800-108 counter mode KDF, HMAC-SHA-512, over label, salt and SHA-512(associated data); 76 bytes
           = message key 32 || commitment 32 || IV 12
    sealed = salt 32 || commitment 32 || AES-256-GCM(message key, IV, plaintext, associated data) || tag 16

Another suite (see suites) has its cipher in place of AES-256, and takes as many bytes of the message key as it needs; the
key that all is derived from is as long as that cipher's, so a key has the strength that its spec says.

Safety argument: each message has its own key, derived from 256 random bits of salt, so no (key, IV) pair recurs below
2^128 messages and the 2^32 limit of random IVs under one key (NIST SP 800-38D section 8.3) is never near. The
commitment is a PRF output over key, salt and associated data, so a ciphertext opens under one key and context only.
A key has one suite, by its spec, and the suite's number is in the associated data of blobs: no message key is ever used
with two ciphers.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag

from keystead.crypto.derivation import COMMITMENT_BYTES, OVERHEAD, SALT_BYTES, derive
from keystead.crypto.primitives.prf import KeyedHash
from keystead.crypto.primitives.suites import AES_256_GCM, Suite
from keystead.crypto.primitives.unopenable import Unopenable as Unopenable
from keystead.entropy import Entropy


def seal_with_salt(
    key: bytes | KeyedHash,
    label: bytes,
    associated: bytes,
    plaintext: bytes,
    salt: bytes,
    suite: Suite = AES_256_GCM,
) -> bytes:
    """The deterministic core of `seal`; a salt must never be used for two plaintexts."""
    okm = derive(key, label, salt + hashlib.sha512(associated).digest())
    body = suite.encrypt(okm[: suite.key_bytes], okm[64:], plaintext, associated)
    return salt + okm[32:64] + body


def seal(
    key: bytes | KeyedHash,
    label: bytes,
    associated: bytes,
    plaintext: bytes,
    entropy: Entropy,
    suite: Suite = AES_256_GCM,
) -> bytes:
    """`plaintext` sealed under a key of the suite's length, or HMAC-SHA-512 under one; 80 bytes longer. `label` separates
    uses of one key."""
    return seal_with_salt(key, label, associated, plaintext, entropy.take(SALT_BYTES), suite)


def unseal(
    key: bytes | KeyedHash, label: bytes, associated: bytes, sealed: bytes, suite: Suite = AES_256_GCM
) -> bytes:
    """The plaintext, or Unopenable."""
    if len(sealed) < OVERHEAD:
        raise Unopenable
    okm = derive(key, label, sealed[:SALT_BYTES] + hashlib.sha512(associated).digest())
    commitment = sealed[SALT_BYTES : SALT_BYTES + COMMITMENT_BYTES]
    if not hmac.compare_digest(commitment, okm[32:64]):
        raise Unopenable
    try:
        body = sealed[SALT_BYTES + COMMITMENT_BYTES :]
        return suite.decrypt(okm[: suite.key_bytes], okm[64:], body, associated)
    except InvalidTag:
        raise Unopenable from None
