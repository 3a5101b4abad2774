"""What a backup says of itself, and how one is read: the manifest, the head of its file, and what is wrong with either."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec

from keystead.crypto import backup_file
from keystead.crypto.root_key import RootKey
from keystead.crypto.sealing import Unopenable
from keystead.crypto.wrapping import Wrapping
from keystead.domain.accounts import RootKeyFacts
from keystead.errors import DoesNotOpen, OperatorError
from keystead.store.reader import RootKeyNeeded

_PIECE = 1 << 20


class Chain(msgspec.Struct, frozen=True):
    """The end of one chain of audit records: its id, and COUNT:HASH."""

    chain: str
    head: str


class Canary(msgspec.Struct, frozen=True):
    """A text that one generation of the wrapping key has sealed, in base64: it opens if the rows of the generation do."""

    generation: int
    sealed: str

    def opens(self, wrapping: Wrapping) -> bool:
        """Whether this is of the generation that is there."""
        return wrapping.opens_canary(self.generation, base64.b64decode(self.sealed))


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is. Anybody can read it, and nobody alter it."""

    made: str  # ISO 8601, UTC: when the copy began
    program: str  # the version that made it
    schema: int  # of the database
    server: str  # its id
    root: str  # the fingerprint of the root key that it needs
    revision: int
    bytes: int  # of the database
    chains: tuple[Chain, ...]
    amounts: dict[str, int]  # rows of each table
    canaries: tuple[Canary, ...]
    root_key: RootKeyFacts | None = None  # where that comes from, if that was noted
    apart: bool = False  # whether the wrapping keys are not in it, but in a file of keys


class Source:
    """A backup that is open: its manifest, and its content if the root key is at hand. A context manager."""

    def __init__(self, path: Path, newest_schema: int, shown: Path | None = None) -> None:
        """`shown` is what it is called, if it has not got its name yet. DoesNotOpen if it is cut off or damaged as far as it
        can be seen yet, OperatorError if it is none, can't be read, or a newer program made it."""
        read, path = path, shown or path
        self.path = path
        try:
            self._file = read.open("rb")
        except OSError as error:
            raise OperatorError(
                f"cannot read the backup {path}: {error.strerror}", hint="check the path, its owner and mode"
            ) from None
        try:
            self._head = backup_file.read_head(self._file)
            self.manifest = msgspec.json.decode(self._head.manifest, type=Manifest)
        except backup_file.NoBackup:
            self._file.close()
            raise OperatorError(
                f"{path} is no backup", hint="a backup is a file that keystead backup has made"
            ) from None
        except backup_file.NewerFormat:
            self._file.close()
            raise _newer(path, "a newer keystead") from None
        except (Unopenable, ValueError, OSError):  # msgspec's errors are ValueErrors
            self._file.close()
            raise self.damaged() from None
        if self.manifest.schema > newest_schema:
            self._file.close()
            raise _newer(path, f"keystead {self.manifest.program}")

    @property
    def needed(self) -> RootKeyNeeded:
        """The root key that it needs."""
        return RootKeyNeeded(fingerprint=self.manifest.root, facts=self.manifest.root_key)

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def content(self, root: RootKey) -> Iterator[bytes]:
        """What was sealed, piece by piece. OperatorError for another root key, DoesNotOpen as soon as something is not as
        it was made: what came before that is not the whole."""
        if root.fingerprint != self.manifest.root:
            raise OperatorError(
                f"the backup {self.path} needs the root key {self.manifest.root}, this one is {root.fingerprint}",
                hint="name the root key file of the server that made it, with --root-key",
            )
        try:
            yield from backup_file.unseal(iter(lambda: self._file.read(_PIECE), b""), self._head, root)
        except (Unopenable, OSError):
            raise self.damaged() from None

    def damaged(self) -> DoesNotOpen:
        """The error for what is not as it was made."""
        return DoesNotOpen(
            f"the backup {self.path} is cut off, damaged or altered",
            hint="take another copy of it, or another backup; keystead backup verify proves each one",
        )


def _newer(path: Path, program: str) -> OperatorError:
    return OperatorError(
        f"the backup {path} was made by {program}, which is newer than this one",
        hint="upgrade keystead on this machine, at least to that version",
    )
