"""The file format of backups: a manifest that anybody may read, then an encrypted file whose data key the root key wraps.

    offset  length  field
    0       8       magic: 89 4B 53 42 0D 0A 1A 0A; never UTF-8 text, and a newline translation breaks it
    8       1       format: 1
    9       4       length of the manifest, big-endian
    13      n       the manifest
    13+n            an encrypted file (see envelope); in the place of a CiphertextBlob it has the data key, wrapped by the
                    root key, in base64

The data key is made for one backup. What it is wrapped with is bound to SHA-512 of all that stands before the encrypted
file, so neither a manifest nor a content opens with the other of another backup, or altered.
"""

import base64
from collections.abc import Iterator
from hashlib import sha512
from typing import NamedTuple

from keystead.crypto import envelope
from keystead.crypto.derivation import KEY_BYTES, prefixed
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.crypto.root_key import RootKey
from keystead.entropy import Entropy

MAGIC = b"\x89KSB\r\n\x1a\n"
FORMAT = 1
MANIFEST_BYTES = 1 << 20  # at most

_FIXED_BYTES = len(MAGIC) + 5


class NoBackup(Exception):
    """The file does not begin as a backup does."""


class NewerFormat(Exception):
    """A later version of this program has another format; it is the argument."""


class Head(NamedTuple):
    """What stands before the content. The manifest is not proved before the content is opened with it."""

    manifest: bytes
    header: envelope.Header
    preamble: bytes

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.preamble) + self.header.size


def seal(content: Iterator[bytes], manifest: bytes, root: RootKey, entropy: Entropy) -> Iterator[bytes]:
    """The pieces of the backup that holds `content`. ValueError if the manifest is too long."""
    if len(manifest) > MANIFEST_BYTES:
        raise ValueError("the manifest is too long")
    preamble = MAGIC + bytes((FORMAT,)) + len(manifest).to_bytes(4, "big") + manifest
    key = entropy.take(KEY_BYTES)
    wrapped = base64.b64encode(root.wrap(_facts(preamble), key)).decode()
    yield preamble
    yield from envelope.seal(content, key, wrapped, (), entropy)


def read_head(source: envelope.Readable) -> Head:
    """The head of a backup. NoBackup or NewerFormat for another file, Unopenable for one that is cut off or damaged."""
    fixed = source.read(_FIXED_BYTES)
    if not fixed.startswith(MAGIC):
        raise NoBackup
    if len(fixed) < _FIXED_BYTES:
        raise Unopenable
    if fixed[8] > FORMAT:
        raise NewerFormat(fixed[8])
    length = int.from_bytes(fixed[9:], "big")
    if fixed[8] != FORMAT or length > MANIFEST_BYTES:
        raise Unopenable
    manifest = source.read(length)
    if len(manifest) < length:
        raise Unopenable
    return Head(manifest, envelope.read_header(source), fixed + manifest)


def unseal(source: Iterator[bytes], head: Head, root: RootKey) -> Iterator[bytes]:
    """The content, piece by piece; `source` gives what follows the head. Unopenable as with `envelope.unseal`: what came
    before that is not the whole."""
    try:
        wrapped = base64.b64decode(head.header.data_key, validate=True)
    except ValueError:
        raise Unopenable from None
    yield from envelope.unseal(source, head.header, root.unwrap(_facts(head.preamble), wrapped))


def _facts(preamble: bytes) -> bytes:
    return prefixed("backup", sha512(preamble).digest())
