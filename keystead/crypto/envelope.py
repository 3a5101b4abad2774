"""The file format for what Encrypt itself can't take: a data key seals chunks, the KMS seals the data key.

    offset  length  field
    0       8       magic: 89 4B 53 46 0D 0A 1A 0A; never UTF-8 text, and a newline translation breaks it
    8       1       format: 1
    9       1       suite: 1 = AES-256-GCM in chunks, SP 800-108 HMAC-SHA-512, committing
    10      2       length of the parts, big-endian
    12      n       the parts, each behind its 4-byte length: the data key's CiphertextBlob, then the names of its context
    12+n    32      salt
    44+n    32      commitment
    76+n            chunks of 65,536 bytes of plaintext, the last of 0 to 65,536, each with its 16-byte tag after it

    okm   = SP 800-108 (see sealing) under the data key over salt and SHA-512(everything before the salt)
    nonce = IV xor (chunk number, 11 bytes || 1 for the last chunk, else 0)

Safety argument: this is the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár 2015, section 7). The key is
derived for one file from a data key made for it and 256 bits of salt, so a counter never repeats a nonce. A chunk opens
at its own number only, and the last one as the last only, so nothing can be cut off, put elsewhere or added; the last
chunk is empty only if the file is. The commitment binds key and header, the names of the context included.
"""

import hmac
from collections.abc import Iterator
from hashlib import sha512
from typing import NamedTuple, Protocol

from keystead.crypto.derivation import COMMITMENT_BYTES, SALT_BYTES, TAG_BYTES, derive, prefixed
from keystead.crypto.primitives.aes_gcm import AesGcm
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.entropy import Entropy

MAGIC = b"\x89KSF\r\n\x1a\n"
FORMAT = 1
SUITE_AES_256_GCM = 1
CHUNK_BYTES = 65_536

_FIXED_BYTES = len(MAGIC) + 4
_LABEL = b"keystead file"


class Readable(Protocol):
    """A file that gives as many bytes as it is asked for, and fewer at its end only."""

    def read(self, count: int, /) -> bytes: ...


class Header(NamedTuple):
    """What stands before the chunks, and may be read by anybody. `size` is its length in bytes."""

    data_key: str
    context_names: tuple[str, ...]
    associated: bytes
    salt: bytes
    commitment: bytes

    @property
    def size(self) -> int:
        return len(self.associated) + SALT_BYTES + COMMITMENT_BYTES


def plaintext_size(header: Header, file_size: int) -> int:
    """How many bytes a file of this size holds; Unopenable if no file has such a size."""
    body = file_size - header.size
    chunks = max(1, -(-body // (CHUNK_BYTES + TAG_BYTES)))
    size = body - chunks * TAG_BYTES
    if size < 0 or (size <= (chunks - 1) * CHUNK_BYTES and chunks > 1):
        raise Unopenable
    return size


def read_header(source: Readable) -> Header:
    """The header at the head of a file; Unopenable if it is not whole or not of this format."""
    fixed = source.read(_FIXED_BYTES)
    if len(fixed) < _FIXED_BYTES or not fixed.startswith(MAGIC):
        raise Unopenable
    if (fixed[8], fixed[9]) != (FORMAT, SUITE_AES_256_GCM):
        raise Unopenable
    length = int.from_bytes(fixed[10:], "big")
    parts = source.read(length)
    salt, commitment = source.read(SALT_BYTES), source.read(COMMITMENT_BYTES)
    if len(parts) < length or len(commitment) < COMMITMENT_BYTES:
        raise Unopenable
    data_key, *names = _split(parts)
    return Header(
        data_key=data_key,
        context_names=tuple(names),
        associated=fixed + parts,
        salt=salt,
        commitment=commitment,
    )


def _split(parts: bytes) -> list[str]:
    found = []
    rest = parts
    while rest:
        length = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + length:
            raise Unopenable
        try:
            found.append(rest[4 : 4 + length].decode())
        except UnicodeDecodeError:
            raise Unopenable from None
        rest = rest[4 + length :]
    if not found:
        raise Unopenable
    return found


def seal(
    source: Iterator[bytes], data_key: bytes, blob: str, context_names: tuple[str, ...], entropy: Entropy
) -> Iterator[bytes]:
    """The pieces of the file that holds `source`, the 32-byte data key's own ciphertext in its header.

    `source` gives pieces of any length; one chunk at a time is in memory. ValueError if names and blob are longer than
    the header can hold (65,535 bytes).
    """
    parts = prefixed(blob, *context_names)
    if len(parts) > 0xFFFF:
        raise ValueError("the names of the encryption context are too long for a header")
    associated = MAGIC + bytes((FORMAT, SUITE_AES_256_GCM)) + len(parts).to_bytes(2, "big") + parts
    salt = entropy.take(SALT_BYTES)
    okm = _okm(data_key, associated, salt)
    yield associated + salt + okm[32:64]
    cipher = AesGcm(okm[:32])
    for nonce, chunk in _numbered(okm[64:], _chunks(source, CHUNK_BYTES)):
        yield cipher.seal(nonce, chunk)


def unseal(source: Iterator[bytes], header: Header, data_key: bytes) -> Iterator[bytes]:
    """The plaintext, chunk by chunk; `source` gives what follows the header.

    Unopenable as soon as something is not as it was sealed. Every chunk given before that is authentic, but the end is
    missing: it must not be used as the whole.
    """
    okm = _okm(data_key, header.associated, header.salt)
    if not hmac.compare_digest(header.commitment, okm[32:64]):
        raise Unopenable
    cipher = AesGcm(okm[:32])
    first = True
    for nonce, chunk in _numbered(okm[64:], _chunks(source, CHUNK_BYTES + TAG_BYTES)):
        plaintext = cipher.open(nonce, chunk)
        if not plaintext and not first:
            raise Unopenable
        first = False
        yield plaintext


def _okm(data_key: bytes, associated: bytes, salt: bytes) -> bytes:
    return derive(data_key, _LABEL, salt + sha512(associated).digest())


def _numbered(iv: bytes, chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk with its nonce; the last is known for the last, since the one after it is asked for first."""
    base = int.from_bytes(iv, "big")
    number, waiting = 0, next(chunks)
    for chunk in chunks:
        yield (base ^ number << 8).to_bytes(len(iv), "big"), waiting
        number, waiting = number + 1, chunk
    yield (base ^ (number << 8 | 1)).to_bytes(len(iv), "big"), waiting


def _chunks(source: Iterator[bytes], length: int) -> Iterator[bytes]:
    """The same bytes in pieces of one length; the last may be shorter, and is the only one if there are none."""
    held = bytearray()
    for piece in source:
        held += piece
        while len(held) > length:
            yield bytes(held[:length])
            del held[:length]
    yield bytes(held)
