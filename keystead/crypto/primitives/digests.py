"""Digests, of requests and of what SM2 signs."""

import hashlib
from typing import Literal

from cryptography.hazmat.primitives import hashes

Algorithm = Literal["sha1", "sha256", "sm3"]


def digest(algorithm: Algorithm, data: bytes) -> bytes:
    """The hash of `data`: SHA-1, SHA-256 (FIPS 180-4) or SM3 (GB/T 32905)."""
    if algorithm == "sm3":
        sm3 = hashes.Hash(hashes.SM3())
        sm3.update(data)
        return sm3.finalize()
    # SHA-1 stands only inside HMAC-SHA1, which the vendor's clients use and which its collisions do not break.
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()
