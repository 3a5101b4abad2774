"""Root keys: what wraps the wrapping keys; it comes from outside the database.

A provider offers wrap, unwrap and a fingerprint, never the key itself, so that a token or another KMS can be one.
"""

import base64
import binascii
import hmac
import os
import stat
from pathlib import Path
from typing import Protocol

from keystead import owners
from keystead.crypto.derivation import KEY_BYTES
from keystead.crypto.material import Material
from keystead.crypto.sealing import seal, unseal
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.portable import sync, sync_directory

_LABEL = b"keystead/root/1"
_HEADER = "keystead root key 1"


class RootKey(Protocol):
    """A source of wrapping for the wrapping keys."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell root keys apart and reveal nothing of them."""
        ...

    def wrap(self, associated: bytes, plaintext: bytes) -> bytes: ...

    def unwrap(self, associated: bytes, wrapped: bytes) -> bytes:
        """The plaintext, or sealing.Unopenable."""
        ...


class SoftwareRootKey:
    """A root key held in this process's memory."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._key = Material(key)
        self._entropy = entropy
        self.fingerprint = _fingerprint(key)

    def wrap(self, associated: bytes, plaintext: bytes) -> bytes:
        return seal(self._key.prf, _LABEL, associated, plaintext, self._entropy)

    def unwrap(self, associated: bytes, wrapped: bytes) -> bytes:
        return unseal(self._key.prf, _LABEL, associated, wrapped)


def ephemeral(entropy: Entropy) -> SoftwareRootKey:
    """A new root key that is never written anywhere."""
    return SoftwareRootKey(entropy.take(KEY_BYTES), entropy)


def create_file(path: Path, entropy: Entropy) -> SoftwareRootKey:
    """Make a new root key file, mode 0600, durable before it returns. Never replaces a file.

    OperatorError, and no file, if there is no room for it.
    """
    key = entropy.take(KEY_BYTES)
    text = f"{_HEADER}\n{base64.b64encode(key).decode()}\n{_fingerprint(key)}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            sync(file.fileno())
        sync_directory(path.parent)
    except OSError as error:
        path.unlink()  # nothing is under it yet, and half of one would be taken for a damaged one
        raise OperatorError(
            f"cannot write the root key file {path}: {error.strerror}", hint="check the free space there"
        ) from None
    return SoftwareRootKey(key, entropy)


def read_file(path: Path, entropy: Entropy) -> SoftwareRootKey:
    """The root key in a file. OperatorError if it is missing, a link, open to others, truncated or damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OperatorError(
            f"the root key file {path} is missing",
            hint="put it back from your backup; without it nothing in this data directory can be opened",
        ) from None
    except OSError as error:
        raise OperatorError(
            f"cannot read the root key file {path}: {error.strerror}",
            hint="it must be a plain file that belongs to the user who runs keystead",
        ) from None
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        os.close(descriptor)
        raise OperatorError(f"the root key file {path} is a directory", hint="put the file itself there")
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(status.st_mode):
            raise OperatorError(
                f"the root key file {path} is not a plain file",
                hint="put the file itself there",
            )
        if status.st_uid != os.geteuid():
            raise OperatorError(
                f"the root key file {path} belongs to another user",
                hint=owners.hint(path),
            )
        if status.st_mode & 0o077:
            raise OperatorError(
                f"the root key file {path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})",
                hint=f"chmod 600 {path}",
            )
        lines = file.read(4096).decode("ascii", "replace").split("\n")
    key = b""
    try:
        header, encoded, fingerprint, end = lines
        key = base64.b64decode(encoded, validate=True)
        intact = (
            header == _HEADER and end == "" and len(key) == KEY_BYTES and _fingerprint(key) == fingerprint
        )
    except (ValueError, binascii.Error):
        intact = False
    if not intact:
        raise OperatorError(
            f"the root key file {path} is damaged or truncated",
            hint="put it back from your backup; keystead never changes this file",
        )
    return SoftwareRootKey(key, entropy)


def _fingerprint(key: bytes) -> str:
    # A PRF output under its own label: it says nothing of the key or of what the key wraps.
    return hmac.digest(key, b"keystead/root/fingerprint/1", "sha512")[:8].hex()
