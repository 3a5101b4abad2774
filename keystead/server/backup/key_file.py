"""The file of keys: the wrapping keys of backups that do not have them, so that a backup can be made to open no more.

It is small, one for all backups of a server, and replaced as a whole. The wrapping keys are in it as the database has them,
wrapped by the root key. When a generation is in neither, no backup opens what it wrapped.
"""

import base64
from collections.abc import Iterable
from pathlib import Path

import msgspec

from keystead.domain.accounts import WrappingKey
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.files.atomic_file import Whole

_FORM = "keystead wrapping keys 1"


class _Key(msgspec.Struct, frozen=True):
    generation: int
    root: str
    created: int
    wrapped: str


class _File(msgspec.Struct, frozen=True):
    form: str
    server: str
    keys: tuple[_Key, ...]


def read(path: Path, server: str) -> tuple[WrappingKey, ...]:
    """The wrapping keys in the file. OperatorError if it is missing, damaged, or of another server."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
        keys = [
            WrappingKey(
                generation=one.generation,
                root_fingerprint=one.root,
                blob=base64.b64decode(one.wrapped, validate=True),
                created=one.created,
            )
            for one in found.keys
        ]
    except OSError as error:
        raise OperatorError(
            f"cannot read the file of wrapping keys {path}: {error.strerror}",
            hint="it is where --keys, or the setting backup-keys, named it when the backup was made",
        ) from None
    except ValueError:  # msgspec's and base64's are such
        found, keys = _File("", "", ()), []
    if found.form != _FORM:
        raise OperatorError(
            f"{path} is no file of wrapping keys, or a damaged one", hint="take the copy that you keep of it"
        )
    if found.server != server:
        raise OperatorError(
            f"the file of wrapping keys {path} is of another server",
            hint="name the one that belongs to the server of the backup",
        )
    return tuple(keys)


def write(path: Path, server: str, keys: Iterable[WrappingKey], entropy: Entropy) -> None:
    """Replace the file, durably, or make it. OperatorError if that can't be, or it is another server's."""
    if path.exists():
        read(path, server)
    kept = tuple(
        _Key(one.generation, one.root_fingerprint, one.created, base64.b64encode(one.blob).decode())
        for one in sorted(keys, key=lambda one: one.generation)
    )
    with Whole(path, 0o600, entropy, replace=True) as file:
        file.write(msgspec.json.format(msgspec.json.encode(_File(_FORM, server, kept)), indent=2) + b"\n")
        file.finish()


def with_older(path: Path, server: str, keys: Iterable[WrappingKey]) -> list[WrappingKey]:
    """These, and what the file has beside them."""
    older = read(path, server) if path.exists() else ()
    both = {one.generation: one for one in (*older, *keys)}
    return [both[generation] for generation in sorted(both)]
