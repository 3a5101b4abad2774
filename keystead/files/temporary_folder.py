"""A folder of one process in a directory for temporary files; what a process left that was killed, the next one removes.

Each folder has a file that its process holds locked. The kernel lets go of it however the process ends, and a process id
that is another's by now means nothing.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_LOCK = ".keystead-lock"


class TemporaryFolder:
    """A new folder; a context manager. OSError if it can't be made."""

    def __init__(
        self,
        prefix: str,
        directory: str | None = None,
        mode: int = 0o700,
        found: Callable[[Path], None] | None = None,
    ) -> None:
        """In `directory`, or the usual one. `prefix` begins its name, and that of those to be removed.

        With `found`, one that was left stays if there is anything in it, and `found` is called with its path.
        """
        where = directory or tempfile.gettempdir()
        _remove_left(where, prefix, found)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
        self.lock = -1
        """The descriptor of the lock. A child that inherits it keeps the folder from being removed by others."""
        try:
            part = self.path / f"{_LOCK}.new"
            self.lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # a file system without locks: then nobody takes it for one that was left
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.rename(self.path / _LOCK)  # a lock that is not held yet has another name
            self.path.chmod(mode)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._let_go()

    def leave(self) -> None:
        """Let it stay, whoever comes: it is no longer taken for one that was left by accident."""
        (self.path / _LOCK).unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        descriptor, self.lock = self.lock, -1
        if descriptor >= 0:
            os.close(descriptor)


def names(folder: Path) -> set[str]:
    """What is in such a folder, beside the lock."""
    try:
        return set(os.listdir(folder)) - {_LOCK}
    except FileNotFoundError:  # it was removed meanwhile
        return set()


def _remove_left(directory: str, prefix: str, told: Callable[[Path], None] | None) -> None:
    """Remove this user's folders whose process is gone."""
    try:
        with os.scandir(directory) as entries:
            found = [Path(one.path) for one in entries if one.name.startswith(prefix) and _is_own(one)]
    except OSError:
        return
    for path in found:
        if not _is_left(path):
            continue
        if told is None or not names(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            told(path)


def _is_own(entry: "os.DirEntry[str]") -> bool:
    try:
        return (
            entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        )
    except OSError:  # it was removed meanwhile
        return False


def _is_left(path: Path) -> bool:
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_nlink > 0  # else it was to stay after all, or was removed
    except OSError:  # its process lives
        return False
    finally:
        os.close(descriptor)
