"""The key of the seals: codes of stored rows, and what is encrypted beside them.

code   = keyed BLAKE2b-512 (RFC 7693) over a row, personalized by its table's number
closed = salt 32 || counter 12 || AES-256-GCM(key of the salt, counter, content, name) || tag 16

Both keys come from the key of the seals by SP 800-108 (see derivation). Each process takes a salt of 256 random bits, and
counts: so no key and counter recur (NIST SP 800-38D section 8.2.1), and closing takes no random bits of its own.
"""

import hashlib
from functools import cache

from cryptography.exceptions import InvalidTag

from keystead.crypto.derivation import IV_BYTES, KEY_BYTES, SALT_BYTES, TAG_BYTES, derive
from keystead.crypto.primitives.concealed import Concealed
from keystead.crypto.primitives.suites import AES_256_GCM
from keystead.entropy import Entropy

_ROWS = b"keystead/seals/rows/1"
_CLOSED = b"keystead/seals/closed/1"
_CODE_KEY_BYTES = 64
_ANCHOR = 0xFFFF  # in the place of a table's number


class RowSeals(Concealed):
    """See keystead.store.seals.Sealer. Codes may be made on any thread."""

    __slots__ = ("_codes", "_count", "_key_of", "_salt")

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        code_key = derive(key, _ROWS, b"")[:_CODE_KEY_BYTES]
        self._codes = cache(
            lambda table: hashlib.blake2b(key=code_key, person=table.to_bytes(2, "big"), usedforsecurity=True)
        )
        self._key_of = cache(lambda salt: derive(key, _CLOSED, salt)[:KEY_BYTES])
        self._salt = entropy.take(SALT_BYTES)
        self._count = 0

    def code(self, table: int, row: bytes) -> bytes:
        """64 bytes that nobody without the key can make of this row of this table."""
        code = self._codes(table).copy()
        code.update(row)
        return code.digest()

    def code_of_anchor(self, text: bytes) -> bytes:
        """32 bytes that nobody without the key can make of what an anchor says."""
        return self.code(_ANCHOR, text)[:32]

    def close(self, name: str, content: bytes) -> bytes:
        """The content, encrypted and bound to a name; 60 bytes longer."""
        self._count += 1
        counter = self._count.to_bytes(IV_BYTES, "big")
        body = AES_256_GCM.encrypt(self._key_of(self._salt), counter, content, name.encode())
        return self._salt + counter + body

    def open(self, name: str, closed: bytes) -> bytes | None:
        """What was closed under this name; None for anything else."""
        if len(closed) < SALT_BYTES + IV_BYTES + TAG_BYTES:
            return None
        salt, counter, body = (
            closed[:SALT_BYTES],
            closed[SALT_BYTES:][:IV_BYTES],
            closed[SALT_BYTES + IV_BYTES :],
        )
        try:
            return AES_256_GCM.decrypt(self._key_of(salt), counter, body, name.encode())
        except InvalidTag:
            return None
