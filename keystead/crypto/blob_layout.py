"""The ciphertext blob: what Encrypt returns and Decrypt takes.

    offset  length  field
    0       36      UUID of the key version, lower-case ASCII (the shape of the vendor's blobs)
    36      1       format: 1
    37      1       suite: 1 = AES-256-GCM, 5 = AES-192-GCM, 6 = AES-128-GCM, 7 = SM4-GCM; each with
                    SP 800-108 HMAC-SHA-512, committing
    38      80 + n  salt 32, commitment 32, ciphertext n, tag 16 (see sealing)

Every format ever shipped is read for ever; `split` is the one place that decides which it is.
"""

import re
from typing import NamedTuple

from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.primitives.unopenable import Unopenable

FORMAT = 1
SUITES = frozenset({1, 5, 6, 7})
HEADER_BYTES = 38
# 8192 characters of base64 (6144 bytes) are the longest plaintext; nothing longer was ever made here.
MAXIMUM_PLAINTEXT = 8192
MAXIMUM_BYTES = HEADER_BYTES + OVERHEAD + MAXIMUM_PLAINTEXT

_UUID = re.compile(rb"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


class Blob(NamedTuple):
    """A well-formed ciphertext blob; whether it opens is not known yet."""

    version_id: str
    format: int
    suite: int
    sealed: bytes


def split(raw: bytes) -> Blob:
    """The parts of a blob; Unopenable for anything that was never made here."""
    # The lengths are checked before anything is sliced.
    if not HEADER_BYTES + OVERHEAD < len(raw) <= MAXIMUM_BYTES:
        raise Unopenable
    if raw[36] != FORMAT or raw[37] not in SUITES or not _UUID.match(raw[:36]):
        raise Unopenable
    return Blob(version_id=raw[:36].decode(), format=raw[36], suite=raw[37], sealed=raw[HEADER_BYTES:])
