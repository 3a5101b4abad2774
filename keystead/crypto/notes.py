"""Signed notes (C2SP signed-note, type 0x01: Ed25519): a text with signatures that anybody can check."""

import base64
import binascii
import hashlib
import re

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_LONGEST = 100_000  # bytes of a note
_KEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/]+=*)")
_SIGNATURE = re.compile("\u2014 ([^+\\s]+) ([0-9A-Za-z+/]+=*)")


class NoteRefused(Exception):
    """What is wrong with a note, or a key, in words."""


class PublicKey(msgspec.Struct, frozen=True):
    """A key that verifies notes: its name and the 32 bytes of RFC 8032."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that stand for it in signatures."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        """As verifiers are given it."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"


def public_key(text: str) -> PublicKey:
    """The key that a text stands for. NoteRefused if it is none, or was altered."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise NoteRefused("is not the public key of checkpoints")
    raw = _decoded(found[3])
    key = PublicKey(found[1], raw[1:])
    if raw[:1] != _ED25519 or len(raw) != 33 or key.id.hex() != found[2]:
        raise NoteRefused("was altered: the parts of the key do not belong together")
    return key


class Signer:
    """Signs notes with one key. It shows nothing of it."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(name, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<Signer {self.public.name}>"

    def sign(self, text: str) -> str:
        """The text, which ends with a newline, as a note."""
        signature = base64.b64encode(self.public.id + self._key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.public.name} {signature}\n"


def opened(note: bytes, key: PublicKey) -> str:
    """The text of a note that the key signed. NoteRefused if it did not, or if the note is not whole."""
    try:
        whole = note.decode() if len(note) <= _LONGEST else ""
    except UnicodeDecodeError:
        whole = ""
    text, parted, signatures = whole.rpartition("\n\n")
    lines = signatures.split("\n")
    if not parted or not text or lines.pop() != "" or not lines:
        raise NoteRefused("is not a whole signed note: it was cut off, or is another file")
    found = [_SIGNATURE.fullmatch(line) for line in lines]
    by = [(one[1], _decoded(one[2])) for one in found if one is not None]
    if len(by) < len(lines):
        raise NoteRefused("was altered, or cut off: a line below the empty one is no signature")
    for name, value in by:
        if (name, value[:4]) == (key.name, key.id):
            try:
                Ed25519PublicKey.from_public_bytes(key.raw).verify(value[4:], f"{text}\n".encode())
            except (InvalidSignature, ValueError):
                raise NoteRefused("was altered: the signature is not of this text") from None
            return f"{text}\n"
    if any(name == key.name for name, _ in by):
        raise NoteRefused(f"was signed with another key of {key.name}")
    raise NoteRefused(f"was signed by {by[0][0]}, and this is the key of {key.name}")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
