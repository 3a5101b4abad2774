"""A disk for plain files whose power can fail, and whose calls can fail, at any call: Python's, and those that SQLite makes.

The files are real ones in a folder; what of them is on the disk is kept here. A name is, once its directory was synced; what is
in a file, once that was synced itself: what SQLite syncs is not seen, and does not count. After a power cut each change of a
name since then has happened or not, whatever their order, and each 512-byte sector of a file is the old one or the new one.
"""

import ctypes
import errno
import os
import random
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import apsw

SECTOR = 512
# How SQLite's calls of the system look (os_unix.c), of those that write or give names.
_INT, _SIZE, _POINTER, _TEXT = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
_SQLITE: dict[str, tuple[Any, ...]] = {
    "open": (_INT, _TEXT, _INT, _INT),
    "openDirectory": (_INT, _TEXT, _POINTER),
    "write": (ctypes.c_ssize_t, _INT, _POINTER, _SIZE),
    "pwrite64": (ctypes.c_ssize_t, _INT, _POINTER, _SIZE, ctypes.c_int64),
    "ftruncate": (_INT, _INT, ctypes.c_int64),
    "unlink": (_INT, _TEXT),
}


class PowerCut(OSError):
    """No call comes back from here on."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "the power is off")


class File:
    """A file: what of it is on the disk for sure, None for nothing, and its mode."""

    def __init__(self, synced: bytes | None, mode: int) -> None:
        self.synced, self.mode = synced, mode


class Change(NamedTuple):
    """What happened to a name in a folder: it is of this now, or gone; `before` is the name that this had."""

    name: str
    now: "File | Folder | None"
    before: str = ""


class Folder:
    """A folder: which names are on the disk for sure, which there are, and what has happened in between."""

    def __init__(self) -> None:
        self.synced: dict[str, File | Folder] = {}
        self.names: dict[str, File | Folder] = {}
        self.changes: list[Change] = []

    def see(self, names: dict[str, "File | Folder"]) -> None:
        """Note what there is now."""
        gone = {name for name, one in self.names.items() if names.get(name) is not one}
        for name, one in names.items():
            if self.names.get(name) is one:
                continue
            before = next((old for old in gone - names.keys() if self.names[old] is one), "")
            gone -= {before, name}
            self.changes.append(Change(name, one, before))
        self.changes += [Change(name, None) for name in gone - names.keys()]
        self.names = names

    def sync(self) -> None:
        self.synced = dict(self.names)
        self.changes.clear()

    def after(self, changes: Sequence[Change]) -> dict[str, "File | Folder"]:
        """The names on the disk if these have reached it."""
        found = dict(self.synced)
        for name, now, before in changes:
            found.pop(before, None)
            if now is None:
                found.pop(name, None)
            else:
                found[name] = now
        return found


class Cut(NamedTuple):
    """What of the changes since the syncs has reached the disk: all or none of names and of contents, or a part by chance."""

    names: float
    contents: float

    def of_names(self, changes: Sequence[Change], chance: random.Random) -> list[Change]:
        return [one for one in changes if chance.random() < self.names]

    def of_content(self, synced: bytes, now: bytes, chance: random.Random) -> bytes:
        length = len(now) if chance.random() < self.contents else len(synced)
        pieces = []
        for at in range(0, length, SECTOR):
            kept = now if chance.random() < self.contents else synced
            pieces.append(kept[at : min(at + SECTOR, length)].ljust(min(SECTOR, length - at), b"\0"))
        return b"".join(pieces)


CUTS = (Cut(0, 0), Cut(1, 1), Cut(1, 0), Cut(0.5, 0.5), Cut(0.8, 0.2))


class Disk:
    """The files under a folder. A context manager: all calls in between are counted; `plan` is asked before each one, by its
    number and kind. OSError from it is what the call comes to."""

    def __init__(self, root: Path, plan: Callable[[int, str], None] = lambda number, kind: None) -> None:
        self._root = str(root)
        self._plan = plan
        self.calls: list[str] = []
        self._off = False  # whether the power is
        self._nodes: dict[int, File | Folder] = {}  # by inode
        self._nameless: dict[int, int] = {}  # inodes that have no name yet, by descriptor
        self._top = Folder()
        self._look()
        for one in self._nodes.values():
            if isinstance(one, Folder):
                one.sync()
        self._contents_are_synced()

    # --- what happens to it

    def call(self, kind: str, path: object, around: int | None = None) -> None:
        """Before a call about a path, or a name in an open folder."""
        if self._off:
            raise PowerCut
        if not self._within(path, around):
            return
        self._look()
        self.calls.append(kind)
        try:
            self._plan(len(self.calls), kind)
        except PowerCut:
            self._off = True
            raise

    def _within(self, path: object, around: int | None) -> bool:
        if isinstance(path, int):
            with suppress(OSError):
                return os.readlink(f"/proc/self/fd/{path}").startswith(self._root)
            return False
        if around is not None:
            return self._within(around, None)
        return os.path.abspath(os.fsdecode(path)).startswith(self._root)  # type: ignore[arg-type]

    def _synced(self, descriptor: int) -> None:
        """A file or folder is on the disk now."""
        self._look()
        node = self._nodes.get(os.fstat(descriptor).st_ino)
        if isinstance(node, Folder):
            node.sync()
        elif node is not None:
            node.synced = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def _look(self) -> None:
        """See what names there are."""
        there = set(self._nameless.values())
        self._look_into(Path(self._root), self._top, there)
        self._nodes = {inode: one for inode, one in self._nodes.items() if inode in there}

    def _look_into(self, path: Path, folder: Folder, there: set[int]) -> None:
        names: dict[str, File | Folder] = {}
        there.add(path.stat().st_ino)
        self._nodes.setdefault(path.stat().st_ino, folder)
        for entry in os.scandir(path):
            found = entry.stat(follow_symlinks=False)
            made = Folder() if stat.S_ISDIR(found.st_mode) else File(None, 0)
            names[entry.name] = node = self._nodes.setdefault(found.st_ino, made)
            there.add(found.st_ino)
            if isinstance(node, Folder):
                self._look_into(path / entry.name, node, there)
            else:
                node.mode = stat.S_IMODE(found.st_mode)
        folder.see(names)

    # --- what is left of it

    def cut(self, cut: Cut, chance: random.Random, to: Path) -> None:
        """Write what the disk holds after a power cut to a new folder."""
        self._look()
        self._write(self._top, Path(self._root), cut, chance, to)

    def _write(self, folder: Folder, path: Path | None, cut: Cut, chance: random.Random, to: Path) -> None:
        to.mkdir(mode=0o700)
        places = {} if path is None else {id(one): path / name for name, one in folder.names.items()}
        for name, one in folder.after(cut.of_names(folder.changes, chance)).items():
            place = places.get(id(one))
            if isinstance(one, Folder):
                self._write(one, place, cut, chance, to / name)
                continue
            synced = one.synced or b""
            now = synced if place is None else place.read_bytes()
            (to / name).write_bytes(cut.of_content(synced, now, chance))
            (to / name).chmod(one.mode)

    def _contents_are_synced(self) -> None:
        for path in Path(self._root).rglob("*"):
            node = self._nodes[path.stat().st_ino]
            if isinstance(node, File):
                node.synced = path.read_bytes()

    # --- how it gets to know

    def __enter__(self) -> "Disk":
        self._patches = [*self._python(), _sqlite(self)]
        for one in self._patches:
            one.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for one in reversed(self._patches):
            one.__exit__(None, None, None)
        self._look()

    def _python(self) -> Iterator[Any]:
        open_, close, write, sync = os.open, os.close, os.write, os.fsync

        def opening(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            self.call("open", path, dir_fd)
            descriptor = open_(path, flags, mode, dir_fd=dir_fd)
            if flags & os.O_TMPFILE == os.O_TMPFILE and self._within(descriptor, None):
                inode = os.fstat(descriptor).st_ino
                self._nodes[inode] = File(None, mode)
                self._nameless[descriptor] = inode
            return descriptor

        def closing(descriptor: int) -> None:
            self._look()  # what has its name by now is known by that
            self._nameless.pop(descriptor, None)
            close(descriptor)

        def writing(descriptor: int, data: Any) -> int:
            try:
                self.call("write", descriptor)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # as much as fitted was written
                    write(descriptor, data[: len(data) // 2])
                raise
            return write(descriptor, data)

        def syncing(descriptor: int) -> None:
            self.call("sync", descriptor)
            sync(descriptor)
            self._synced(descriptor)

        yield patch.object(os, "open", opening)
        yield patch.object(os, "close", closing)
        yield patch.object(os, "write", writing)
        yield patch.object(os, "fsync", syncing)
        for name in ("rename", "link", "unlink", "mkdir", "rmdir", "fchmod"):
            yield patch.object(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, kind: str, do: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: Any, **named: Any) -> object:
            path = args[1] if kind == "link" else args[0]
            self.call(kind, path, named.get("dir_fd") or named.get("dst_dir_fd"))
            return do(*args, **named)

        return counted


class _Unix(apsw.VFS):
    """SQLite's way to the system."""

    def __init__(self) -> None:
        super().__init__("calls", "unix")


@contextmanager
def _sqlite(disk: Disk) -> Iterator[None]:
    """Have the disk know of SQLite's calls. They come from C: what they raise is told as errno."""
    unix, kept = _Unix(), []

    def replacement(name: str, real: Any) -> Callable[..., int]:
        def counted(*args: Any) -> int:
            try:
                disk.call(f"sqlite {name}", args[0])
            except OSError as error:
                ctypes.set_errno(error.errno or errno.EIO)
                return -1
            return int(real(*args))

        return counted

    for name, (result, *parameters) in _SQLITE.items():
        kind = ctypes.CFUNCTYPE(result, *parameters, use_errno=True)
        made = kind(replacement(name, kind(unix.xGetSystemCall(name) or 0)))
        kept.append(made)
        unix.xSetSystemCall(name, ctypes.cast(made, ctypes.c_void_p).value or 0)
    try:
        yield
    finally:
        for name in _SQLITE:
            unix.xSetSystemCall(name, 0)
