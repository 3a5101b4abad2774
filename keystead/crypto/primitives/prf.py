"""HMAC (RFC 2104) under a key that is used often: what depends on the key alone is hashed once.

The library's one-call HMAC begins anew each time, which for short messages is most of its cost.
"""

import hashlib
from typing import Literal, Protocol

from keystead.crypto.primitives.concealed import Concealed

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash(Protocol):
    """HMAC under one key, wherever that key is: in memory, or in a token."""

    def digest(self, message: bytes) -> bytes:
        """The code of a message, in full length."""
        ...


class Prf(Concealed):
    """HMAC with one key and hash. It is as secret as the key."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, algorithm: Literal["sha1", "sha256", "sha512"], key: bytes) -> None:
        # SHA-1 stands only inside HMAC-SHA1, which the vendor's clients use and which its collisions do not break.
        begun = hashlib.new(algorithm, usedforsecurity=False)
        if len(key) > begun.block_size:
            key = hashlib.new(algorithm, key, usedforsecurity=False).digest()
        block = key.ljust(begun.block_size, b"\0")
        self._outer = begun.copy()
        self._outer.update(block.translate(_OUTER))
        self._inner = begun
        self._inner.update(block.translate(_INNER))

    def digest(self, message: bytes) -> bytes:
        """The code of a message, in full length."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()
