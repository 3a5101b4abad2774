"""A rotation of the root key that is killed at one of its steps: `python -m tests.crash.rotating STEP DATA SETTING TO`.

A step is a change that the system is asked for: a file made, renamed or removed, a write to the database or a sync of it. It
is killed before the step of that number; with 0 it goes to its end, and prints how many there were.
"""

import os
import signal
import sys

import apsw

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Counts them, and kills at one."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def step(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """What Python asks the system for."""
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
        if changes or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            self.step()


class Counted(apsw.VFS):
    """SQLite's way to its files, counted."""

    def __init__(self, steps: Steps) -> None:
        super().__init__("counted", "unix")
        self.steps = steps

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "CountedFile":
        return CountedFile(self.steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.steps.step()
        super().xDelete(filename, syncdir)


class CountedFile(apsw.VFSFile):
    def __init__(self, steps: Steps, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._steps = steps

    def xWrite(self, data: bytes, offset: int) -> None:
        self._steps.step()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._steps.step()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._steps.step()
        super().xSync(flags)


def main(last: int, data: str, setting: str, to: str) -> None:
    """One rotation."""
    from keystead.crypto.root_keys import passphrase
    from keystead.server import rootkey

    passphrase.MEMORY = 64  # KiB: what takes time here is to be the steps
    steps = Steps(last)
    vfs = Counted(steps)
    connect = apsw.Connection

    def counted(path: str, flags: int = apsw.SQLITE_OPEN_READONLY) -> apsw.Connection:
        if flags != apsw.SQLITE_OPEN_READWRITE:
            return connect(path, flags=flags)
        connection = connect(path, flags=flags, vfs="counted")
        connection.pragma("locking_mode", "exclusive")  # the shared memory of a WAL is beyond such a VFS
        return connection

    setattr(apsw, "Connection", counted)  # noqa: B010 - it is a class to the type checkers
    sys.addaudithook(steps.audit)
    rootkey.rotate(data, setting, to, "tests")
    count = steps.count
    del vfs  # it lived until here
    print(count, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
