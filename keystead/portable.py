"""What this program needs of a system and systems do in different ways: each way in one place.

Linux has files in memory, and sockets reached through a descriptor; macOS has neither, and an fsync of its that returned
says nothing of the disk.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET_PATH = 100  # bytes that the path of a Unix socket may have everywhere (108 on Linux, 104 on macOS)
LOWEST = 19  # the lowest priority (nice): it has a share, if a small one, of a machine that others keep busy
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")  # where open descriptors have paths
# macOS, whose fsync(2) leaves the data in the disk's cache
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


@contextmanager
def file_with(content: bytes) -> Iterator[str]:
    """The path of a file with this content, for a library that reads files only. It is gone at the end.

    In memory where the system has such files; else a file of mode 0600 in the directory for temporary files, which has lost
    its name already if a descriptor can be opened by a path. Read it once: on some systems it then stands at its end.
    """
    if hasattr(os, "memfd_create") and os.path.exists(_DESCRIPTORS[0]):
        descriptor, name = os.memfd_create("keystead", os.MFD_CLOEXEC), ""
    else:
        descriptor, name = tempfile.mkstemp(prefix="keystead-")
    try:
        path = next(filter(os.path.exists, (f"{one}/{descriptor}" for one in _DESCRIPTORS)), name)
        if name and path != name:
            os.unlink(name)
            name = ""
        write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)  # opening it by the descriptor's path may share its position
        yield path
    finally:
        os.close(descriptor)
        if name:
            os.unlink(name)


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """A path for bind and connect that leads to the Unix socket at `path`, however long that is."""
    if len(os.fsencode(path)) <= SOCKET_PATH:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="keystead-") as folder:
        link = Path(folder) / "to"
        link.symlink_to(path.parent, target_is_directory=True)
        yield str(link / path.name)


def replace(path: Path, content: bytes, mode: int, spare: str = "") -> None:
    """Have a file with this content and no other, at once and durably: readers see the old content or the new. `spare` is
    its name until then. OSError if that fails; then the old one is there and no spare, or the new one, which a power cut may
    undo."""
    part = path.with_name(spare or f"{path.name}.new")
    with suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(descriptor, mode)  # whatever the umask is
            write(descriptor, content)
            sync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_directory(path.parent)


def make_directory(path: Path, mode: int) -> None:
    """Have a directory, made with this mode if it is missing, durably, and so those above it. OSError if that fails."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for one in missing:
        with suppress(PermissionError):  # what may be written to and not be read can't be synced
            sync_directory(one.parent)


def write(descriptor: int, content: bytes) -> None:
    """Write all of it, however little the system takes at once; OSError if that fails."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(descriptor: int) -> None:
    """Have what was written to a file or directory on the disk itself; OSError if that fails."""
    if _FULL_SYNC is not None:
        with suppress(OSError):  # this file system has only the other one
            fcntl.fcntl(descriptor, _FULL_SYNC)
            return
    os.fsync(descriptor)


def write_back(descriptor: int) -> None:
    """Have what was written to a file begin its way to the disk, and leave memory when it is there. It promises nothing."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk; OSError if that fails."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def stand_back() -> None:
    """Have this process take of the processors what nobody else wants; where the system has no such class, at the lowest
    priority. A sandbox may forbid both."""
    with suppress(OSError):
        os.nice(LOWEST)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
