"""Backups of a data directory: all that is needed to go on elsewhere, but for the root key, without which none opens."""

import fcntl
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from keystead.clock import Clock, iso8601
from keystead.errors import OperatorError
from keystead.portable import sync_directory
from keystead.server.data.directory import DataDirectory
from keystead.store.copying import copy, server_of
from keystead.store.reader import Verdict, open_reader

_WHOLE = re.compile(r"\A[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\Z")
_PART = re.compile(r"\A\.([0-9]{8}T[0-9]{6}\.[0-9]{3}Z)\.part\Z")
_DATABASE = "keystead.db"
_LEFT_AFTER = 86_400  # seconds after which nobody goes on with a part
# What a backup has, and what looking into it may leave.
_CONTENT = frozenset({_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", "ca.pem", "authority.json", "lock"})


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made: its folder, and what its audit log proved to be."""

    folder: Path
    verdicts: tuple[Verdict, ...]
    removed: tuple[Path, ...] = ()
    others: int = 0  # backups of other servers beside it, which neither count nor go
    strange: tuple[tuple[Path, str], ...] = ()  # what does not count either, and why


def back_up(directory: DataDirectory, into: Path, keep: int | None, clock: Clock) -> Backup:
    """Make a new folder in `into`, named by the time (UTC), with the database and the certificate authority; whether a
    server runs on the directory or not. Of the backups of the same server there the newest `keep` stay.

    OperatorError says what is in the way; then there is no new backup, and the old ones are there still.
    """
    if into.resolve().is_relative_to(directory.path.resolve()):
        raise OperatorError(
            f"{into} is in the data directory itself, and would be lost with it",
            hint="choose a folder elsewhere, best on another disk",
        )
    open_reader(directory.database).close()  # what is wrong with it is said of it, and not of a copy
    now = clock.now()
    name = re.sub("[-:Z]", "", iso8601(now)) + f".{int(now * 1000) % 1000:03d}Z"
    folder, part = into / name, into / f".{name}.part"
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.exists():
            raise FileExistsError(17, "it exists already")
        part.mkdir(mode=0o700)
        held = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _hold(held)
    except OSError as error:
        raise OperatorError(
            f"cannot make the backup {folder}: {error.strerror}", hint="check the folder's owner and mode"
        ) from None
    try:
        copied = part / _DATABASE
        copy(directory.database, copied)
        for path in (directory.authority, directory.certificate):
            if path.exists():
                DataDirectory(part).write_bytes(
                    part / path.name, path.read_bytes(), path.stat().st_mode & 0o777
                )
        reader = open_reader(copied)
        try:
            verdicts = reader.verify()
        finally:
            reader.close()
        sync_directory(part)
        part.rename(folder)
        sync_directory(into)
    except OSError as error:
        raise OperatorError(
            f"cannot make the backup {folder}: {error.strerror}", hint="check the free space there"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(held)
    made = Backup(folder=folder, verdicts=verdicts)
    damaged = any(verdict.bad for verdict in verdicts)  # then the older ones are what is left
    return made if damaged or keep is None else _prune(made, keep, clock)


def _prune(made: Backup, keep: int, clock: Clock) -> Backup:
    """Remove the server's backups that are older than the newest `keep`, and parts of those that were killed. The one that
    was made stays, even if the clock was put back and it looks old."""
    into, newest = made.folder.parent, made.folder.name
    server = server_of(made.folder / _DATABASE)
    own, parts, strange, others = [newest], list[str](), list[tuple[Path, str]](), 0
    for name in sorted(set(os.listdir(into)) - {newest}):
        if not _WHOLE.match(name):
            parts += [name] if _PART.match(name) else []
        elif (found := _server_of(into / name)) is None:
            strange.append((into / name, "it is named as a backup, and is not as one was made"))
        elif found != server:
            others += 1
        elif name > newest:  # made before, and by a clock that was ahead; or this one is behind
            strange.append((into / name, "it is dated in the future"))
        else:
            own.append(name)
    own.sort()
    oldest = own[-keep:][0]
    removed = []
    for name in own[:-keep]:
        try:
            _remove(into / name)
            removed.append(into / name)
        except OSError as error:
            strange.append((into / name, f"it cannot be removed: {error.strerror}"))
    for name in parts:
        found_part = _PART.match(name)
        if found_part is not None and found_part[1] < oldest and _is_left(into / name, server, clock.now()):
            shutil.rmtree(into / name, ignore_errors=True)
            removed.append(into / name)
    return msgspec.structs.replace(made, removed=tuple(removed), others=others, strange=tuple(strange))


def _server_of(backup: Path) -> str | None:
    """The server whose backup this is; None if it is none, or holds what no backup does."""
    return server_of(backup / _DATABASE) if _holds(backup, _CONTENT) else None


def _holds(folder: Path, names: frozenset[str]) -> bool:
    """Whether it is a folder, and no link to one, with nothing but this in it."""
    try:
        return not folder.is_symlink() and set(os.listdir(folder)) <= names
    except OSError:
        return False


def _remove(backup: Path) -> None:
    """Remove one that is whole: a part of it never has its name."""
    part = backup.with_name(f".{backup.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    backup.rename(part)
    shutil.rmtree(part)


def _hold(descriptor: int) -> None:
    """Show others that a part is under way, for as long as this process lives."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_left(part: Path, server: str | None, now: float) -> bool:
    """Whether it is a part of a backup of this server, or of one that nobody can tell, whose process is gone."""
    if not _holds(part, _CONTENT | {f"{_DATABASE}-journal", "ca.pem.new", "authority.json.new"}):
        return False
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: its age must do
        if now - os.fstat(descriptor).st_mtime < _LEFT_AFTER:
            return False
    finally:
        os.close(descriptor)
    return server_of(part / _DATABASE) in (server, None)
