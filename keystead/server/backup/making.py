"""Making a backup of a data directory: one file, encrypted under the root key, which is not in it; which older ones go."""

import base64
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from keystead import __version__
from keystead.clock import Clock, iso8601
from keystead.crypto import backup_file
from keystead.crypto.root_key import RootKey
from keystead.crypto.wrapping import SEALS, Wrapping
from keystead.domain.accounts import WrappingKey
from keystead.entropy import Entropy
from keystead.errors import DoesNotOpen, OperatorError
from keystead.files.atomic_file import Whole
from keystead.portable import make_directory
from keystead.server.backup import aside, key_file, last_backup
from keystead.server.backup.manifest import Canary, Manifest, Source
from keystead.server.backup.proof import Proved, Tell, chains_of, no_tell, verify
from keystead.server.data.directory import DataDirectory
from keystead.store.contents import Contents, schema
from keystead.store.copying import copy, server_of, take_out_wrapping_keys
from keystead.store.reader import Verdict, open_reader

_TIME = r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z"
_FOLDER = re.compile(rf"\A{_TIME}\Z")  # as earlier versions made them
_NAMED = re.compile(rf"\A({_TIME})(?:\.keystead)?\Z")
_DATABASE = "keystead.db"
# What a folder has that is a backup of an earlier version, and what looking into it may leave.
_CONTENT = frozenset({_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", "ca.pem", "authority.json", "lock"})
_PIECE = 1 << 20
# Pieces of 64 KiB: a server on the same disk waits with its commits for no more than these.
_WRITTEN_BACK = 16


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made: its file, and what its audit log proved to be."""

    path: Path
    manifest: Manifest
    verdicts: tuple[Verdict, ...]
    proved: bool = False
    removed: tuple[Path, ...] = ()
    others: int = 0  # backups of other servers beside it, which neither count nor go
    strange: tuple[tuple[Path, str], ...] = ()  # what does not count either, and why


def back_up(
    directory: DataDirectory,
    to: Path,
    root: RootKey,
    clock: Clock,
    entropy: Entropy,
    *,
    folder: bool = False,
    keep: int | None = None,
    keys: Path | None = None,
    place: Path | None = None,
    prove: bool = False,
    tell: Tell = no_tell,
) -> Backup:
    """Make the file `to`; if that is a folder, or is meant as one, a file in it that is named by the time (UTC). A server
    may run meanwhile. Of the backups of the same server in the folder the newest `keep` stay.

    With `prove`, or if older ones are to go, it is proved before it has its name: one that does not open is DoesNotOpen, and
    is called otherwise (see `_unproved`), so that it never counts as one that does.

    With `keys`, the wrapping keys go to that file and not into the backup. `place` is where the copy of the database lies
    meanwhile: by default in the data directory.

    OperatorError says what is in the way; then there is no new backup, and the old ones are there still.
    """
    for one in (to, keys):
        if one is not None and one.resolve().is_relative_to(directory.path.resolve()):
            raise OperatorError(
                f"{one} is in the data directory itself, and would be lost with it",
                hint="choose a folder elsewhere, best on another disk",
            )
    open_reader(directory.database).close()  # what is wrong with it is said of it, and not of a copy
    now = clock.now()
    path, replaced = _path(to, folder or keep is not None, now)
    proved: Proved | None = None
    with Whole(path, 0o600, entropy, replace=replaced) as file:
        with aside.folder_in(place or directory.path, directory.database.stat().st_size) as beside:
            database = beside / _DATABASE
            copy(directory.database, database)
            with closing(Contents(database)) as contents:
                manifest, verdicts, wrapping_keys = _described(contents, root, entropy, now, keys is not None)
            if replaced:
                _check_replaceable(path, manifest.server)
            if keys is not None:
                take_out_wrapping_keys(database)
                # With those of older backups, until this one has its name: there is one that opens at any moment.
                key_file.write(
                    keys, manifest.server, key_file.with_older(keys, manifest.server, wrapping_keys), entropy
                )
            manifest = msgspec.structs.replace(manifest, bytes=database.stat().st_size)
            content = _deflated(database, manifest.bytes, tell)
            for number, piece in enumerate(
                backup_file.seal(content, msgspec.json.encode(manifest), root, entropy), 1
            ):
                file.write(piece)
                if number % _WRITTEN_BACK == 0:
                    file.write_back()
        if prove or keep is not None:
            try:
                proved = verify(
                    file.readable, root, clock, entropy,
                    keys=keys, place=place or directory.path, shown=path, tell=tell,
                )  # fmt: skip
            except DoesNotOpen as problem:
                unproved = _unproved(path, replaced)
                file.finish(instead=unproved)
                raise DoesNotOpen(
                    f"the new backup was not proved, and is {unproved}: {problem.message}",
                    hint="the older ones are what they were; keystead store verify says what is wrong with the store",
                ) from None
        file.finish()
    if keys is not None:
        key_file.write(keys, manifest.server, wrapping_keys, entropy)
    if proved is not None:
        last_backup.note(directory, proved, clock)
    made = Backup(path=path, manifest=manifest, verdicts=verdicts, proved=proved is not None)
    damaged = any(verdict.bad for verdict in verdicts)  # then the older ones are what is left
    return made if damaged or keep is None else _prune(made, keep)


def _path(to: Path, folder: bool, now: float) -> tuple[Path, bool]:
    """Where the backup is to be, and whether it may take the place of another."""
    if not folder and not to.is_dir():
        if not to.parent.is_dir():
            raise OperatorError(
                f"cannot make the backup {to}: there is no folder {to.parent}",
                hint="make it first; a backup goes into a folder that is there, or is a file in one",
            )
        if to.exists() and not to.is_file():
            raise OperatorError(
                f"{to} is no file", hint="a backup is made as a whole or not at all: name a file"
            )
        return to, True
    try:
        make_directory(to, 0o700)
    except OSError as error:
        raise OperatorError(
            f"cannot make the folder {to}: {error.strerror}", hint="check its owner and mode"
        ) from None
    name = re.sub("[-:Z]", "", iso8601(now)) + f".{int(now * 1000) % 1000:03d}Z"
    return to / f"{name}.keystead", False


def _unproved(path: Path, named: bool) -> Path:
    """What a backup is called that was not proved: it may be all there is of the latest. There is one of them at most, and
    its name in a folder, which is before all times, is none of those that are counted."""
    return path.with_name(f"{path.name}.unproved" if named else "0-unproved.keystead")


def _check_replaceable(path: Path, server: str) -> None:
    """OperatorError if there is something of this name that is no backup of the same server."""
    if not path.exists():
        return
    try:
        with Source(path, schema()) as source:
            if source.manifest.server == server:
                return
            what = "a backup of another server"
    except OperatorError:
        what = "no backup"
    raise OperatorError(
        f"{path} exists, and is {what}: it is not replaced", hint="choose another name, or remove it first"
    )


def _described(
    contents: Contents, root: RootKey, entropy: Entropy, now: float, apart: bool
) -> tuple[Manifest, tuple[Verdict, ...], tuple[WrappingKey, ...]]:
    """What the copy is. OperatorError if the root key is not its own."""
    wrapping, wrapping_keys = Wrapping(root, entropy), contents.wrapping_keys()
    wrapping.load(wrapping_keys, contents.secrets())
    verdicts = contents.verify()
    canaries = [
        Canary(one.generation, base64.b64encode(wrapping.canary(one.generation)).decode())
        for one in wrapping_keys
    ]
    manifest = Manifest(
        made=iso8601(now),
        program=__version__,
        schema=schema(),
        server=contents.server(),
        root=root.fingerprint,
        revision=contents.revision(wrapping.row_seals() if wrapping.has_own_key(SEALS) else None),
        bytes=0,
        chains=chains_of(verdicts),
        amounts=contents.amounts(),
        canaries=tuple(canaries),
        root_key=contents.keyring().root(),
        apart=apart,
    )
    return manifest, verdicts, wrapping_keys


def _deflated(database: Path, size: int, tell: Tell) -> Iterator[bytes]:
    """The file, compressed as far as that is quick."""
    deflating, done = zlib.compressobj(1), 0
    try:
        with database.open("rb") as file:
            while piece := file.read(_PIECE):
                yield deflating.compress(piece)
                done += len(piece)
                tell("writing", done, size)
    except OSError as error:
        raise OperatorError(
            f"cannot read the copy {database}: {error.strerror}", hint="name another disk with --aside"
        ) from None
    yield deflating.flush()


def _prune(made: Backup, keep: int) -> Backup:
    """Remove the server's backups that are older than the newest `keep`. The one that was made stays, even if the clock was
    put back and it looks old."""
    into, newest, server = made.path.parent, made.path.name, made.manifest.server
    own, strange, others = [newest], list[tuple[Path, str]](), 0
    for name in sorted(set(os.listdir(into)) - {newest}):
        if not _NAMED.match(name):
            continue
        found = _server_of(into / name)
        if found is None:
            strange.append((into / name, "it is named as a backup, and is not as one was made"))
        elif found != server:
            others += 1
        elif name > newest:  # made before, and by a clock that was ahead; or this one is behind
            strange.append((into / name, "it is dated in the future"))
        else:
            own.append(name)
    own.sort()
    removed = []
    for name in own[:-keep]:
        try:
            _remove(into / name)
            removed.append(into / name)
        except OSError as error:
            strange.append((into / name, f"it cannot be removed: {error.strerror}"))
    return msgspec.structs.replace(made, removed=tuple(removed), others=others, strange=tuple(strange))


def _server_of(backup: Path) -> str | None:
    """The server whose backup this is; None if it is none, or holds what no backup does."""
    if _FOLDER.match(backup.name):
        return server_of(backup / _DATABASE) if _holds(backup, _CONTENT) else None
    try:
        if backup.is_symlink() or not backup.is_file():
            return None
        with Source(backup, schema()) as source:
            return source.manifest.server
    except OperatorError:
        return None


def _holds(folder: Path, names: frozenset[str]) -> bool:
    """Whether it is a folder, and no link to one, with nothing but this in it."""
    try:
        return not folder.is_symlink() and set(os.listdir(folder)) <= names
    except OSError:
        return False


def _remove(backup: Path) -> None:
    """Remove one; a part of a folder never has its name."""
    if backup.is_file():
        backup.unlink()
        return
    part = backup.with_name(f".{backup.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    backup.rename(part)
    shutil.rmtree(part)
