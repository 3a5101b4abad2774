"""A file that appears whole under its name, or not at all, whatever ends the program."""

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from keystead import portable
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.portable import sync, sync_directory

_DESCRIPTORS = "/proc/self/fd"  # a file without a name gets one through here (open(2))
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_OPEN = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})\Z")


def descriptor(path: str) -> int | None:
    """The open file of this process that a path stands for, as `/dev/stdout` does; None for all others."""
    found = _OPEN.match(path)
    return int(found[1]) if found else _STANDARD.get(path)


class Whole:
    """Writes to a file that has no name until `finish` gives it one; a context manager, which else drops it.

    Where the file system has no nameless files, the content stands under a hidden name of mode 0600 until then. A
    path that is a device, a pipe or an open file of this process is written to directly. OperatorError says what
    failed, and on which path.
    """

    def __init__(
        self, path: Path, mode: int, entropy: Entropy, *, replace: bool, durable: bool = True
    ) -> None:
        self.path = path
        self._mode = mode
        self._replace = replace
        self._durable = durable
        self._spare = path.with_name(f".keystead-{entropy.take(8).hex()}")  # whatever the length of the name
        self._named = False  # whether the spare name is in use
        self._direct = False
        self._file = -1

    def __enter__(self) -> "Whole":
        try:
            self._open()
        except OSError as error:
            raise self._error(error) from None
        return self

    def _open(self) -> None:
        if (number := descriptor(str(self.path))) is not None:
            self._direct = True
            self._file = os.dup(number)  # where it stands, and at the end if it appends
            return
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            pass
        else:
            if stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode):
                self._direct = True
                self._file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
                return
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(21, "it is a directory")
            if not self._replace:
                raise self._taken()
        try:
            os.stat(_DESCRIPTORS)
            self._file = os.open(self.path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except (AttributeError, OSError):  # no such flag on this system, or on this file system, or no /proc
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._spare, flags, 0o600)
            self._named = True

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        try:
            portable.write(self._file, piece)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._error(error) from None

    def write_back(self) -> None:
        """Have what was written so far begin its way to the disk: `finish` has little left to sync, for which others' syncs
        would wait."""
        portable.write_back(self._file)

    def status(self) -> os.stat_result:
        """Of the file itself, whether it has its name yet or not."""
        return os.fstat(self._file)

    @property
    def readable(self) -> Path:
        """Where it can be read, as far as it is written, before it has its name."""
        return self._spare if self._named else Path(f"{_DESCRIPTORS}/{self._file}")

    def finish(self, owner: tuple[int, int] = (-1, -1), instead: Path | None = None) -> None:
        """Give the file its owner, mode and name, durably; or the name `instead` in the same folder, whatever has that."""
        if self._direct:
            return
        if instead is not None:
            self.path, self._replace = instead, True
        try:
            if owner != (-1, -1):
                os.fchown(self._file, *owner)
            os.fchmod(self._file, self._mode)
            if self._durable:
                sync(self._file)
            self._name()
        except OSError as error:
            raise self._error(error) from None
        if self._durable:
            try:
                sync_directory(self.path.parent)
            except OSError as error:
                raise OperatorError(
                    f"{self.path} is written, and a power cut may take it away: {error.strerror}",
                    hint="check the disk, and do it again",
                ) from None

    def _name(self) -> None:
        if not self._named and not self._replace:
            self._link(self.path)
        elif not self._replace:
            os.link(self._spare, self.path)
            os.unlink(self._spare)
        else:
            if not self._named:
                self._link(self._spare)
                self._named = True
            os.rename(self._spare, self.path)
        self._named = False

    def _link(self, target: Path) -> None:
        # linkat follows the symbolic link of /proc only where a directory is named too.
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"{_DESCRIPTORS}/{self._file}", target, src_dir_fd=directory, follow_symlinks=True)
        except FileExistsError:
            raise self._taken() from None
        finally:
            os.close(directory)

    def __exit__(self, *exception: object) -> None:
        if self._file >= 0:
            os.close(self._file)
        if self._named:
            with suppress(OSError):  # what was in the way of the file is told already
                os.unlink(self._spare)

    def _taken(self) -> OperatorError:
        return OperatorError(
            f"{self.path} exists already", hint="choose another name, or add --force to replace it"
        )

    def _error(self, error: OSError) -> OperatorError:
        hint = "nothing was written; check the path and the space left"
        if error.errno == errno.ENAMETOOLONG:
            hint = "nothing was written; choose a shorter name"
        return OperatorError(f"cannot write {self.path}: {error.strerror}", hint=hint)
