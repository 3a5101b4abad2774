"""What writes plain files, each as one case: how it is done, and what must hold whenever it was cut off or failed."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from keystead import portable
from keystead.clock import SystemClock
from keystead.crypto.root_key import create_file, read_file
from keystead.domain.accounts import WrappingKey
from keystead.domain.audit import Head
from keystead.domain.checkpoints import Checkpoint
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.backup import key_file, making, proof, restoring
from keystead.server.data.anchor import InFile
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.service.checkpoints import Folder
from keystead.store.contents import Contents

DONE, CUT, FAILED = "done", "cut", "failed"
KEYS = 3  # in the store that is backed up
CLOCK, ENTROPY = SystemClock(), SystemEntropy()


class Case(Protocol):
    """Something that writes, in a folder that is prepared for it."""

    def place(self, folder: Path) -> None:
        """Be about that folder, which is a copy of the one before, or what is left of it."""
        ...

    def remember(self) -> None:
        """Note what there is before it is done."""
        ...

    def due(self) -> bool:
        """Whether there is anything left to do."""
        ...

    def run(self) -> None:
        """Do it. OperatorError if that fails."""
        ...

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        """What is not as it should be after these calls, with which it was DONE, or the power CUT, or of which one FAILED."""
        ...


class Store:
    """A data directory, backups of it, and its root key elsewhere."""

    def place(self, folder: Path) -> None:
        self.folder, self.data = folder, DataDirectory(folder / "data")
        self.backups, self.named, self.keys = folder / "backups", folder / "named.keystead", folder / "keys"
        self.root_key, self.new = folder / "root.key", DataDirectory(folder / "deep" / "new")

    def remember(self) -> None:
        pass

    def due(self) -> bool:
        return True

    def back_up(self, to: Path, *, keep: int | None = None, keys: Path | None = None) -> None:
        """As `keystead backup --verify` does."""
        root = read_file(self.root_key, ENTROPY)
        making.back_up(self.data, to, root, CLOCK, ENTROPY, keep=keep, keys=keys, prove=True)

    def unproved(self, backup: Path, keys: Path | None = None) -> list[str]:
        """Why a backup does not open, if it does not."""
        try:
            root = read_file(self.root_key, ENTROPY)
            proof.verify(backup, root, CLOCK, ENTROPY, keys=keys, place=self.folder)
        except OperatorError as problem:
            return [f"{backup.name}: {problem}"]
        return []

    def damaged(self, data: Path) -> list[str]:
        """What is wrong with a data directory. It stays as it is."""
        copy = self.folder / "looked-into"
        shutil.copytree(data, copy)
        try:
            open_store(DataDirectory(copy), CLOCK, ENTROPY).store.close()
            with closing(Contents(copy / "keystead.db")) as contents:
                keys = contents.amounts()["keys"]
                found = [verdict.bad for verdict in contents.verify() if verdict.bad]
        except OperatorError as problem:
            return [str(problem)]
        finally:
            shutil.rmtree(copy)
        return found if keys == KEYS else [*found, f"{keys} keys"]


class BackUp(Store):
    """Into a folder, the wrapping keys apart, proved; the one before goes."""

    def remember(self) -> None:
        self._before = self._there()

    def _there(self) -> set[str]:
        return {path.name for path in self.backups.glob("*.keystead")}

    def run(self) -> None:
        self.back_up(self.backups, keep=1, keys=self.keys)

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        there = self._there()
        found = [why for name in there for why in self.unproved(self.backups / name, self.keys)]
        if not there or (ended == DONE and not there - self._before):
            found.append(f"of the backups there are only {there}")
        strange = [
            name for name in set(os.listdir(self.backups)) - there if not name.startswith(".keystead-")
        ]
        return [*found, *strange, *self.damaged(self.data.path)]


class BackUpByName(Store):
    """A file that takes the place of the one before."""

    def remember(self) -> None:
        self._before = self._content()

    def _content(self) -> bytes:
        return self.named.read_bytes()

    def run(self) -> None:
        self.back_up(self.named)

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        found = self.unproved(self.named)
        if ended == DONE and not found and self._content() == self._before:
            found.append("it is the one before")
        return [*found, *self.damaged(self.data.path)]


class FirstBackUp(Store):
    """Into a folder that is not there yet."""

    def _there(self) -> list[Path]:
        return list((self.folder / "one" / "two").glob("*.keystead"))

    def run(self) -> None:
        self.back_up(self.folder / "one" / "two", keep=3)

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        found = [why for backup in self._there() for why in self.unproved(backup)]
        return found if self._there() or ended != DONE else ["there is none"]


class Restore(Store):
    """Into a folder that is not there yet, of a backup whose wrapping keys are apart; the root key lies elsewhere."""

    def _from(self) -> Path:
        (backup,) = self.backups.glob("*.keystead")
        return backup

    def _content(self) -> list[bytes]:
        backup = self._from()
        return [one.read_bytes() for one in (sorted(backup.iterdir()) if backup.is_dir() else [backup])]

    def remember(self) -> None:
        self._before = self._content()

    def due(self) -> bool:
        return not self.new.database.exists()

    def run(self) -> None:
        named = f"file:{self.root_key}"
        restoring.restore(self._from(), self.new, CLOCK, ENTROPY, root_key=named, keys=self.keys)

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        found = [] if self._content() == self._before else ["the backup was altered"]
        if self.new.database.exists():
            return [*found, *self._missing(), *self.damaged(self.new.path)]
        names = set(os.listdir(self.new.path)) if self.new.path.exists() else set[str]()
        if ended == CUT and ("write" in calls or not names <= {"lock"}):
            return found if self._refused() else [*found, f"a server would begin anew beside {names}"]
        if ended == CUT or (ended == FAILED and names <= {"lock"}):
            return found
        return [*found, f"there is no database, but {names}"]

    def _missing(self) -> list[str]:
        return []

    def _refused(self) -> bool:
        """Whether no server takes the directory for its own."""
        try:
            open_store(self.new, CLOCK, ENTROPY).store.close()
        except OperatorError as problem:
            return "did not come to its end" in str(problem)
        return False


class RestoreOfFolder(Restore):
    """The same of a backup as earlier versions made it."""

    def _from(self) -> Path:
        return self.folder / "earlier"

    def _missing(self) -> list[str]:
        return [] if (self.new.path / "ca.pem").exists() else ["there is no ca.pem"]


class SmallFile:
    """One that is replaced as a whole, or made as a whole: readers see what was there before, or what is written."""

    def __init__(
        self,
        name: str,
        write: Callable[[Path], object],
        fails: type[Exception] = OSError,
        *,
        first: bool = False,
    ) -> None:
        self._name, self._write, self._fails, self._first = name, write, fails, first

    def place(self, folder: Path) -> None:
        self.path = folder / self._name

    def remember(self) -> None:
        self._write(self.path)
        self._new = self.path.read_bytes()
        self.path.unlink()
        if not self._first:
            self.path.write_bytes(self._new[:10])
        self._old = self._content()

    def due(self) -> bool:
        return self._content() == self._old

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def run(self) -> None:
        try:
            self._write(self.path)
        except self._fails as problem:
            raise OperatorError(str(problem)) from None

    def wrong(self, ended: str, calls: Sequence[str]) -> list[str]:
        content = self._content()
        found = [] if content in (self._old, self._new) else [f"{len(content)} bytes: {content[:20]!r}"]
        if ended == DONE and content != self._new:
            found.append("it is the one before")
        left = set(os.listdir(self.path.parent)) - {self._name}
        if ended == FAILED and left:
            found.append(f"there is {left}")
        return found


def _anchor(path: Path) -> None:
    InFile(path).write("keystead-anchor-1 and so on")


def _checkpoint(path: Path) -> None:
    Folder(str(path.parent)).deliver(Checkpoint("chain", Head(7), 0), "a note\n" * 100)


def _keys(path: Path) -> None:
    key = WrappingKey(generation=2, root_fingerprint="root", blob=bytes(100), created=1)
    key_file.write(path, "server", [key], ENTROPY)


STORES: dict[str, Callable[[], Case]] = {
    "backup into a folder": BackUp,
    "backup under a name": BackUpByName,
    "first backup": FirstBackUp,
    "restore": Restore,
    "restore of a folder": RestoreOfFolder,
}
FILES: dict[str, Callable[[], Case]] = {
    "file": lambda: SmallFile("file", lambda path: portable.replace(path, b"new\n" * 500, 0o600)),
    "new file": lambda: SmallFile("file", lambda path: portable.replace(path, b"new\n", 0o600), first=True),
    "anchor": lambda: SmallFile("anchor", _anchor),
    "checkpoint": lambda: SmallFile("chain-000000000007.checkpoint", _checkpoint, first=True),
    "wrapping keys": lambda: SmallFile("keys", _keys, OperatorError, first=True),
    "root key": lambda: SmallFile(
        "root.key", lambda path: create_file(path, ENTROPY, bytes(32)), OperatorError, first=True
    ),
}
