"""A folder for a database that is nobody's yet: mode 0700, gone at the end, and if that was cut off, at the next one's."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keystead.errors import OperatorError

_PREFIX = ".keystead-aside-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SPARE = 64 << 20  # bytes that stay free for the server


@contextmanager
def folder_in(place: Path, needed: int) -> Iterator[Path]:
    """A new folder in `place`. OperatorError if it can't be made, or `needed` bytes would leave a server there, which may
    have to grow by as much, too little."""
    _sweep(place)
    try:
        free = shutil.disk_usage(place).free
        if free < 2 * needed + _SPARE:
            raise OperatorError(
                f"{place} has {free >> 20} MiB free, and {(2 * needed + _SPARE) >> 20} are needed for the copy, so that as "
                "much is left beside it",
                hint="make room, or name another folder with --aside",
            )
        made, descriptor = _held(place)
    except OSError as error:
        raise OperatorError(
            f"cannot make a folder in {place}: {error.strerror}",
            hint="check its owner and mode, or name another folder with --aside",
        ) from None
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


def _held(place: Path) -> tuple[Path, int]:
    """A new folder, and what shows others that it is in use as long as this process lives."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        descriptor = os.open(made, _FOLDER)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody takes it for one that was left, and removes it
            os.close(descriptor)
            continue
        except OSError:  # a file system without locks, where nobody removes any
            return made, descriptor
        if made.exists():
            return made, descriptor
        os.close(descriptor)


def _sweep(place: Path) -> None:
    """Remove the folders of processes that are gone."""
    for path in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another user's, is gone, or under way; or this file system can't tell
            descriptor = os.open(path, _FOLDER | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def default() -> Path:
    """Where temporary files are."""
    return Path(tempfile.gettempdir())
