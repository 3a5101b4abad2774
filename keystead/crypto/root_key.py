"""Root keys: what wraps the wrapping keys; it comes from outside the database.

A provider offers wrap, unwrap and a fingerprint, never the key itself, so that a token or another KMS can be one.
"""

import base64
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from keystead import owners
from keystead.crypto.derivation import KEY_BYTES
from keystead.crypto.primitives.concealed import Concealed
from keystead.crypto.primitives.prf import KeyedHash, Prf
from keystead.crypto.sealing import seal, unseal
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.portable import sync, sync_directory

_LABEL = b"keystead/root/1"
_FINGERPRINT = b"keystead/root/fingerprint/1"
_HEADER = "keystead root key 1"
_MOST = 4096  # bytes that are read of a file


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


class SealingRootKey(Concealed):
    """A root key that seals with HMAC-SHA-512 under it, wherever it is: every row under a key of its own (see sealing)."""

    def __init__(self, keyed: KeyedHash, entropy: Entropy) -> None:
        self._keyed = keyed
        self._entropy = entropy
        # A PRF output under its own label: it says nothing of the key or of what the key wraps.
        self.fingerprint = keyed.digest(_FINGERPRINT)[:8].hex()

    def wrap(self, associated: bytes, plaintext: bytes) -> bytes:
        return seal(self._keyed, _LABEL, associated, plaintext, self._entropy)

    def unwrap(self, associated: bytes, wrapped: bytes) -> bytes:
        return unseal(self._keyed, _LABEL, associated, wrapped)


class SoftwareRootKey(SealingRootKey):
    """A root key held in this process's memory: 32 bytes."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        super().__init__(Prf("sha512", key), entropy)
        self._key = key

    def reveal(self) -> bytes:
        """The key itself: for what keeps it elsewhere, and for shares of it."""
        return self._key


def ephemeral(entropy: Entropy) -> SoftwareRootKey:
    """A new root key that is never written anywhere."""
    return SoftwareRootKey(entropy.take(KEY_BYTES), entropy)


def create_file(path: Path, entropy: Entropy, key: bytes | None = None) -> SoftwareRootKey:
    """Make a root key file, mode 0600, durable before it returns, of a new key or the 32 bytes given. Never replaces a file.

    OperatorError, and no file, if there is no room for it, or it can't be made there.
    """
    key = entropy.take(KEY_BYTES) if key is None else key
    root = SoftwareRootKey(key, entropy)
    text = f"{_HEADER}\n{base64.b64encode(key).decode()}\n{root.fingerprint}\n"
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = path.with_name(f"{path.name}.part")  # cut off, it is no root key file, and nothing is under it
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            sync(file.fileno())
        part.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        for one in (part, path):
            with suppress(OSError):
                one.unlink()
        raise OperatorError(
            f"cannot write the root key file {path}: {error.strerror}",
            hint=f"check the free space there; {owners.hint(path.parent)}",
        ) from None
    return root


def read_file(path: Path, entropy: Entropy) -> SoftwareRootKey:
    """The root key in a file. OperatorError if it is missing, a link, open to others, truncated or damaged."""
    with open(_checked(path), "rb") as file:
        return parse(file.read(_MOST), f"the root key file {path}", entropy)


def parse(content: bytes, what: str, entropy: Entropy) -> SoftwareRootKey:
    """The root key of which this is the content of a file; `what` names that in the OperatorError if it is none."""
    lines = content.decode("ascii", "replace").split("\n")
    root = None
    try:
        header, encoded, fingerprint, end = lines
        key = base64.b64decode(encoded, validate=True)
        if header == _HEADER and end == "" and len(key) == KEY_BYTES:
            root = SoftwareRootKey(key, entropy)
        if root is None or root.fingerprint != fingerprint:
            raise ValueError
    except ValueError:  # binascii's are, too
        raise OperatorError(
            f"{what} is damaged or truncated",
            hint="put it back from your backup; keystead never changes this file",
        ) from None
    return root


def _checked(path: Path) -> int:
    """A descriptor of a plain file that is its user's alone."""
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
    why, hint = "", "put the file itself there"
    if stat.S_ISDIR(status.st_mode):
        why = "is a directory"
    elif not stat.S_ISREG(status.st_mode):
        why = "is not a plain file"
    elif status.st_uid != os.geteuid():
        why, hint = "belongs to another user", owners.hint(path)
    elif status.st_mode & 0o077:
        why = f"is open to other users (mode {stat.S_IMODE(status.st_mode):04o})"
        hint = f"chmod 600 {path}"
    if why:
        os.close(descriptor)
        raise OperatorError(f"the root key file {path} {why}", hint=hint)
    return descriptor
