"""What one key is made into for one message, and how what is bound to it is told apart (see sealing and envelope)."""

from keystead.crypto.primitives.prf import KeyedHash, Prf

KEY_BYTES = 32
SALT_BYTES = 32
COMMITMENT_BYTES = 32
IV_BYTES = 12
TAG_BYTES = 16
OVERHEAD = SALT_BYTES + COMMITMENT_BYTES + TAG_BYTES  # what sealing adds

_OUTPUT_BYTES = KEY_BYTES + COMMITMENT_BYTES + IV_BYTES
_OUTPUT_BITS = (_OUTPUT_BYTES * 8).to_bytes(4, "big")


def derive(key: bytes | KeyedHash, label: bytes, context: bytes) -> bytes:
    """76 bytes from SP 800-108r1 section 4.1, counter mode: PRF(key, i || label || 0x00 || context || L)."""
    prf = Prf("sha512", key) if isinstance(key, bytes) else key
    fixed = label + b"\0" + context + _OUTPUT_BITS
    first = prf.digest(b"\0\0\0\1" + fixed)
    second = prf.digest(b"\0\0\0\2" + fixed)
    return first + second[: _OUTPUT_BYTES - 64]


def prefixed(*parts: str | bytes) -> bytes:
    """The parts, each behind its 4-byte length: an injective encoding for associated data."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in encoded])
