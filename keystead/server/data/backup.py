"""Backups of a data directory: all that is needed to go on elsewhere, but for the root key, without which none opens."""

import os
import re
import shutil
from pathlib import Path

import msgspec

from keystead.clock import Clock, iso8601
from keystead.errors import OperatorError
from keystead.portable import sync_directory
from keystead.server.data.directory import DataDirectory
from keystead.store.copying import copy
from keystead.store.reader import Verdict, open_reader

_WHOLE = re.compile(r"\A[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\Z")
_NAME = re.compile(r"\A\.?([0-9]{8}T[0-9]{6}\.[0-9]{3}Z)(?:\.part)?\Z")


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made: its folder, and what its audit log proved to be."""

    folder: Path
    verdicts: tuple[Verdict, ...]
    removed: tuple[Path, ...]


def back_up(directory: DataDirectory, into: Path, keep: int | None, clock: Clock) -> Backup:
    """Make a new folder in `into`, named by the time (UTC), with the database and the certificate authority; whether a
    server runs on the directory or not. Of all the backups there the newest `keep` stay.

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
    except OSError as error:
        raise OperatorError(
            f"cannot make the backup {folder}: {error.strerror}", hint="check the folder's owner and mode"
        ) from None
    try:
        copied = part / directory.database.name
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
    damaged = any(verdict.bad for verdict in verdicts)  # then the older ones are what is left
    return Backup(folder=folder, verdicts=verdicts, removed=() if damaged else _prune(folder, keep))


def _prune(made: Path, keep: int | None) -> tuple[Path, ...]:
    """Remove what is older than the newest `keep` backups: whole ones, and parts of those that were killed. The one that
    was made stays, even if the clock was put back and it looks old."""
    if keep is None:
        return ()
    into = made.parent
    names = set(os.listdir(into)) - {made.name}
    kept = sorted([*filter(_WHOLE.match, names), made.name])[-keep:]
    old = tuple(into / name for name in sorted(names) if (found := _NAME.match(name)) and found[1] < kept[0])
    for one in old:
        shutil.rmtree(one, ignore_errors=True)
    return old
