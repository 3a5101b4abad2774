"""A disk for SQLite whose power can fail, and whose calls can fail, at any call.

What was written since a file's last sync is pending. After a power cut each pending 512-byte sector has reached the disk or
not, whatever its order, and a file that was never synced may not be there at all.
"""

import random
from collections.abc import Callable
from pathlib import Path

import apsw

SECTOR = 512
NAME = "faulty"


class Medium:
    """One file: what is on the disk for sure, None for no file, and what is pending since."""

    def __init__(self, durable: bytes | None) -> None:
        self.durable = None if durable is None else bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []  # offset and data; None truncates there

    def sync(self) -> None:
        content = bytearray() if self.durable is None else self.durable
        for offset, data in self.pending:
            _apply(content, offset, data)
        self.durable = content
        self.pending.clear()

    def after_cut(self, chance: random.Random) -> bytes | None:
        """What the disk holds when power comes back."""
        if self.durable is None and (not self.pending or chance.random() < 0.3):
            return None
        content = bytearray(self.durable or b"")
        share = chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        sectors: list[tuple[int, bytes | None]] = []
        for offset, data in self.pending:
            if data is None:
                sectors.append((offset, None))
                continue
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
                sectors.append((offset + at, data[at:end]))
                at = end
        if chance.random() < 0.5:
            chance.shuffle(sectors)
        for offset, data in sectors:
            if chance.random() < share:
                _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Disk(apsw.VFS):
    """All files opened through it; register by keeping it alive. `plan` is asked before each call, by its number and kind."""

    def __init__(self) -> None:
        super().__init__(NAME, "")
        self.media: dict[str, Medium] = {}
        self.calls = 0
        self.plan: Callable[[int, str], None] = lambda number, kind: None

    def restart(self) -> None:
        """Forget all files; the next are opened anew."""
        self.media.clear()
        self.calls = 0

    def call(self, kind: str) -> None:
        self.calls += 1
        self.plan(self.calls, kind)

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.call("open")
        there = Path(path)
        medium = self.media.setdefault(path, Medium(there.read_bytes() if there.exists() else None))
        return File(self, medium, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.call("delete")
        self.media.pop(filename, None)
        super().xDelete(filename, syncdir)

    def cut(self, chance: random.Random, folder: Path) -> None:
        """Write what the disk holds after the power cut to a folder."""
        for path, medium in self.media.items():
            if (content := medium.after_cut(chance)) is not None:
                (folder / Path(path).name).write_bytes(content)


class File(apsw.VFSFile):
    """One open file."""

    def __init__(self, disk: Disk, medium: Medium, name: object, flags: list[int]) -> None:
        super().__init__("", name, flags)  # type: ignore[arg-type]
        self.disk = disk
        self.medium = medium

    def xRead(self, amount: int, offset: int) -> bytes:
        self.disk.call("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self.disk.call("write")
        except apsw.FullError:
            # As much as fitted was written.
            half = bytes(data[: len(data) // 2])
            self.medium.pending.append((offset, half))
            super().xWrite(half, offset)
            raise
        self.medium.pending.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self.disk.call("truncate")
        self.medium.pending.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self.disk.call("sync")
        self.medium.sync()
