"""The only reader of randomness."""

import hashlib
import os
from typing import Protocol


class Entropy(Protocol):
    """Random bytes fit for keys."""

    def take(self, count: int) -> bytes:
        """`count` unpredictable bytes."""
        ...


class SystemEntropy:
    """The kernel's generator."""

    def take(self, count: int) -> bytes:
        return os.urandom(count)


class SeededEntropy:
    """Reproducible bytes (SHAKE-256 over a seed and a counter); for tests and vectors, never for keys."""

    def __init__(self, seed: bytes = b"keystead") -> None:
        self._seed = seed
        self._counter = 0

    def take(self, count: int) -> bytes:
        self._counter += 1
        return hashlib.shake_256(self._seed + self._counter.to_bytes(8, "big")).digest(count)


def uuid4(entropy: Entropy) -> str:
    """A random UUID, lower case (RFC 9562 section 5.4)."""
    raw = entropy.take(16)
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[raw[8] >> 4 & 3]}{text[17:20]}-{text[20:]}"
