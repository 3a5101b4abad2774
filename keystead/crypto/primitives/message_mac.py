"""Message authentication codes under keys of the service: HMAC (RFC 2104) with SHA-2 (RFC 4231) or SM3 (GB/T 32905)."""

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from keystead.domain.keys.key import KeySpec

_HASHES: dict[KeySpec, hashes.HashAlgorithm] = {
    KeySpec.HMAC_SHA_224: hashes.SHA224(),
    KeySpec.HMAC_SHA_256: hashes.SHA256(),
    KeySpec.HMAC_SHA_384: hashes.SHA384(),
    KeySpec.HMAC_SHA_512: hashes.SHA512(),
    KeySpec.HMAC_SM3: hashes.SM3(),
}
# RFC 2104 section 3: a key as long as the digest.
MAC_KEY_BYTES = {spec: algorithm.digest_size for spec, algorithm in _HASHES.items()}


def mac(spec: KeySpec, key: bytes, message: bytes) -> bytes:
    """HMAC (RFC 2104) of the message, in full length."""
    code = HMAC(key, _HASHES[spec])
    code.update(message)
    return code.finalize()


def same(one: bytes, other: bytes) -> bool:
    """Whether two codes are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)
