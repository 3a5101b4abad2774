"""Where plaintext may stand for a while: file systems that live in memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keystead.cli import child_process
from keystead.errors import OperatorError
from keystead.files.temporary_folder import TemporaryFolder

_IN_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")  # proc(5)


def in_memory(directory: Path) -> bool:
    """Whether the directory is on tmpfs or ramfs; False where the system does not say."""
    try:
        device = os.stat(directory).st_dev
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kinds = {line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == wanted}
    return bool(kinds) and kinds <= _IN_MEMORY


def where_else() -> str:
    """What to do where a directory is not in memory, or the system does not say so."""
    if _MOUNTS.exists():
        return "choose a path on tmpfs, such as below /run or /dev/shm, or allow it with --on-disk"
    return "this system does not tell what is in memory: choose a path on a RAM disk, and add --on-disk"


@contextmanager
def private_directory(
    on_disk: bool, kept: Callable[[Path], bool], told: Callable[[Path], None]
) -> Iterator[TemporaryFolder]:
    """A directory of one's own in memory, removed with all that is in it unless `kept` says at the end that it stays.

    `told` is called with the path of each one that stays, also of what a process left here that was killed.
    OperatorError if there is no place in memory, unless a disk is allowed.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", "/run"]  # noqa: S108 - a place in memory is meant
    place = next((one for one in places if one and os.access(one, os.W_OK) and in_memory(Path(one))), None)
    if place is None and not on_disk:
        raise OperatorError(
            "there is no file system in memory to write to",
            hint="set XDG_RUNTIME_DIR to one, or allow a disk with --on-disk"
            if _MOUNTS.exists()
            else "this system does not tell which ones are: set TMPDIR to one, a RAM disk, and add --on-disk",
        )
    made = TemporaryFolder("keystead-edit-", place, found=told)
    try:
        yield made
    finally:
        stays = False
        try:
            with child_process.signals_wait():
                if stays := kept(made.path):
                    made.leave()
                else:
                    made.close()
        finally:
            if stays:  # told only now: a terminal may hold up what is written to it
                told(made.path)
