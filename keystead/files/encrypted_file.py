"""What an encrypted file is, and how it is made and opened.

Text of 1 to 6144 bytes becomes the CiphertextBlob of Encrypt and nothing else, as in the vendor's guide to online
encryption. All else becomes an envelope (see `keystead.crypto.envelope`), of any size, in constant memory.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from keystead.client.kms import Kms
from keystead.crypto import envelope
from keystead.crypto.blob_layout import MAXIMUM_BYTES
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.errors import DoesNotOpen, OperatorError

PLAINTEXT_BYTES = 6144
# The vendor's own blobs are of other lengths than ours; all begin with the UUID of the key version.
BLOB_CHARACTERS = 2 * MAXIMUM_BYTES
_BLOB = re.compile(rb"\A\s*([A-Za-z0-9+/]{72,}={0,2})\s*\Z")
_UUID = re.compile(rb"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_READ_BYTES = 1 << 20


class Ciphertext(NamedTuple):
    """An encrypted file, of which the head was read. `envelope` is None for the form of the guide."""

    blob: str
    envelope: envelope.Header | None

    @property
    def version_id(self) -> str:
        """The key version that sealed it, or its data key."""
        return blob_version(self.blob)


def blob_version(blob: str) -> str:
    """The UUID of the key version that a CiphertextBlob begins with."""
    return base64.b64decode(blob)[:36].decode()


def as_blob(content: bytes) -> str | None:
    """The CiphertextBlob that is all of `content` but for white space around it; None if it is none."""
    found = _BLOB.match(content) if len(content) <= BLOB_CHARACTERS else None
    if found is None:
        return None
    try:
        raw = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None
    return found[1].decode() if _UUID.match(raw) else None


def pieces(source: envelope.Readable) -> Iterator[bytes]:
    """What is left of a file, in pieces."""
    return iter(lambda: source.read(_READ_BYTES), b"")


def encrypt(kms: Kms, key: str, context: Mapping[str, str], source: envelope.Readable) -> Iterator[bytes]:
    """The encrypted file, piece by piece. OperatorError if it is one already."""
    head = source.read(BLOB_CHARACTERS + 1)
    if head.startswith(envelope.MAGIC) or as_blob(head) is not None:
        raise OperatorError("it is encrypted already", hint="keystead file inspect tells more of it")
    if 1 <= len(head) <= PLAINTEXT_BYTES and b"\0" not in head:
        try:
            text = head.decode()
        except UnicodeDecodeError:
            pass
        else:
            return iter([kms.encrypt(key, text, context).encode()])
    return sealed(kms, key, context, chain([head], pieces(source)))


def sealed(kms: Kms, key: str, context: Mapping[str, str], plaintext: Iterator[bytes]) -> Iterator[bytes]:
    """The envelope of a plaintext, piece by piece."""
    data_key, blob = kms.data_key(key, context)
    return envelope.seal(plaintext, data_key, blob, tuple(sorted(context)), kms.entropy)


def begins(content: bytes) -> bool:
    """Whether content begins as an encrypted file of any size does."""
    return content.startswith(envelope.MAGIC)


def read(source: envelope.Readable) -> Ciphertext:
    """Read what tells how to open a file. DoesNotOpen if it is no encrypted file, or one that is cut off."""
    head = source.read(len(envelope.MAGIC))
    if head == envelope.MAGIC:
        try:
            header = envelope.read_header(Again(head, source))
        except Unopenable:
            raise damaged() from None
        if (blob := as_blob(header.data_key.encode())) is None:
            raise damaged()
        return Ciphertext(blob=blob, envelope=header)
    if not head:
        raise DoesNotOpen("it is empty", hint="an encrypted file is never empty")
    if envelope.MAGIC.startswith(head):
        raise damaged()
    content = head + source.read(BLOB_CHARACTERS)
    blob = as_blob(content)
    if blob is None:
        hint = "keystead file encrypt makes one"
        if b"kms:" in content:
            hint = "values in it may be encrypted: --format tells its format; look whether it is well-formed"
        raise DoesNotOpen("it is not an encrypted file", hint=hint)
    return Ciphertext(blob=blob, envelope=None)


class Again:
    """A file from its beginning, of which the head was read already."""

    def __init__(self, head: bytes, source: envelope.Readable) -> None:
        self._head = head
        self._source = source

    def read(self, count: int, /) -> bytes:
        head, self._head = self._head[:count], self._head[count:]
        return head + self._source.read(count - len(head))


def decrypt(kms: Kms, context: Mapping[str, str], source: envelope.Readable) -> Iterator[bytes]:
    """The plaintext, piece by piece. DoesNotOpen where the file is not as it was made: what came before is not all."""
    found = read(source)
    if found.envelope is None:
        return iter([kms.decrypt(found.blob, context).text.encode()])
    check_names(found.envelope, context)
    return _opened(source, found.envelope, kms.open_data_key(found.blob, context))


def _opened(source: envelope.Readable, header: envelope.Header, data_key: bytes) -> Iterator[bytes]:
    try:
        yield from envelope.unseal(pieces(source), header, data_key)
    except Unopenable:
        raise damaged() from None


def check_names(header: envelope.Header, context: Mapping[str, str]) -> None:
    """DoesNotOpen unless the context has just the names that the file needs."""
    if set(context) != set(header.context_names):
        raise other_context(header.context_names)


def other_context(names: tuple[str, ...]) -> DoesNotOpen:
    """What is said where the context has not the names that a file needs."""
    needed = " ".join(f"--context {name}=…" for name in names)
    return DoesNotOpen(
        "it was encrypted with another encryption context",
        hint=f"give {needed}" if needed else "leave --context out",
    )


def damaged() -> DoesNotOpen:
    """What is said of a file that was changed or cut off."""
    return DoesNotOpen("it is damaged or cut off", hint="fetch it again from where it was made")
