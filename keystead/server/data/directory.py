"""The data directory: what lies where, who holds it, and which server runs on it."""

import contextlib
import errno
import fcntl
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from keystead import owners
from keystead.errors import OperatorError, WrongSetting
from keystead.portable import make_directory, replace

# What is in a directory of nobody's: of a file system, a repository, or a first start of ours that was cut off.
_HARMLESS = re.compile(
    r"lost\+found|\.git(?:keep|ignore)|\.keep|\.placeholder|\.DS_Store|\.snapshot|\.zfs|\.nfs[0-9a-f]+|.+\.toml|"
    r"lock|root\.key(?:\.next)?\.part|control\.sock|proxy|authority\.json|(?:server\.json|ca\.pem|root-access-key\.json|node\.json|last-seen)(?:\.new)?"
)
_SHOWN = 3  # names


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A running server, as it describes itself in server.json."""

    pid: int
    url: str
    ca_file: str | None
    ops_url: str
    proxy_url: str | None
    region: str
    account: str
    version: str
    log_file: str = ""  # "": standard error
    console: bool = True  # whether there are pages at /console/
    checkpoint_key: str = ""  # the public key that verifies checkpoints of the audit records


class DataDirectory:
    """Paths and the lock of one data directory. WrongSetting if it has no name."""

    def __init__(self, path: str | Path) -> None:
        if not path:  # a variable that is not set; a Path would be the current directory
            raise WrongSetting("the data directory has no name", hint="name a directory with --data")
        self.path = Path(path).expanduser().absolute()
        self.database = self.path / "keystead.db"
        self.node = self.path / "node.json"  # which server it is of, among those that share a database
        self.seen = self.path / "last-seen"  # what that database was last
        self.restoring = self.path / "restoring.db"  # what a restore has not brought to its end
        self.copying = self.path / "copying.db"  # a store that is being carried here
        self.moved = self.path / "moved.db"  # what the database was when the store was moved away
        self.moved_to = self.path / "moved.json"  # where to
        self.backups = self.path / "backups.json"  # the last backup that was proved
        self.root_key = self.path / "root.key"
        self.root_access_key = self.path / "root-access-key.json"
        self.certificate = self.path / "ca.pem"
        self.authority = self.path / "authority.json"
        self.description = self.path / "server.json"
        self.control = self.path / "control.sock"
        self.proxy = self.path / "proxy"
        self.proxy_ca = self.proxy / "ca.pem"
        self._lock_file = self.path / "lock"
        self._lock: int | None = None

    def prepare(self, beside: Iterable[str] = ()) -> None:
        """Make the directory, mode 0700, if it is missing; OperatorError if it can't be used.

        WrongSetting if it holds what belongs to others and no data of ours; `beside` are files of ours that may lie in it.
        """
        try:
            make_directory(self.path, 0o700)
        except OSError as error:
            raise OperatorError(
                f"cannot make the data directory {self.path}: {error.strerror}",
                hint="choose another one with --data",
            ) from None
        self.check_usable(beside)

    def check_usable(self, beside: Iterable[str] = ()) -> None:
        """As `prepare`, of a directory that is there or could be made; nothing is made."""
        try:
            nearest = next(one for one in (self.path, *self.path.parents) if _is_there(one))
        except OSError as error:
            raise self._unseen(error) from None
        if not os.path.isdir(nearest):
            raise OperatorError(
                f"cannot make the data directory {self.path}: {nearest} is not a directory",
                hint="choose another one with --data",
            )
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            raise OperatorError(
                f"the data directory {self.path} cannot be written", hint="check its owner and mode"
            )
        if nearest == self.path:
            self._refuse_strange(beside)

    def _refuse_strange(self, beside: Iterable[str]) -> None:
        names = set(os.listdir(self.path))
        own = {
            one.name
            for one in (
                self.database,
                self.node,
                self.root_key,
                self.root_access_key,
                self.restoring,
                self.copying,
                self.moved,
            )
        }
        if own & names:
            return
        real = os.path.realpath(self.path)
        inside = (os.path.relpath(os.path.realpath(one), real).split(os.sep)[0] for one in beside if one)
        strange = sorted(one for one in names - set(inside) if not _HARMLESS.fullmatch(one))
        if not strange:
            return
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        hint = f"name an empty directory, or a new one, such as {self.path / 'keystead'}"
        for one in (DataDirectory(self.path / name) for name in strange):
            if os.path.exists(one.root_key) and os.path.exists(one.database):
                hint = f"the data directory {one.path} is in it: name that"
            elif os.path.exists(one.database):
                hint = f"{one.path} looks like a backup: keystead restore makes a data directory of it"
        raise WrongSetting(
            f"{self.path} is not empty, and no data directory of Keystead: it holds {', '.join(strange[:_SHOWN])}{more}",
            hint=hint,
        )

    def lock(self) -> None:
        """Keep every other server out as long as this process lives.

        A POSIX record lock: the kernel drops it with the process, however it ends, and no child inherits it.
        """
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperatorError(
                f"cannot open {self._lock_file}: {error.strerror}",
                hint=owners.hint(self._lock_file),
            ) from None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            running = self.running()
            who = f"pid {running.pid}, {running.url}" if running else "still starting or stopping"
            raise OperatorError(
                f"another server holds {self.path} ({who})",
                hint="stop it first, or choose another data directory with --data",
            ) from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Let go of the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def locked(self) -> bool:
        """Whether some process holds the directory now. Not to be asked by the holder itself."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise OperatorError(
                f"cannot open {self._lock_file}: {error.strerror}",
                hint=owners.hint(self._lock_file),
            ) from None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def check_access(self) -> None:
        """OperatorError if this user may not look into the directory, or nothing can have its name; it may be missing."""
        try:
            there = _is_there(self.path)
        except OSError as error:
            raise self._unseen(error) from None
        if there and os.path.isdir(self.path) and not os.access(self.path, os.R_OK | os.X_OK):
            raise self._unseen(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def _unseen(self, error: OSError) -> OperatorError:
        hint = "name another directory with --data"
        if isinstance(error, PermissionError):
            hint = owners.hint(self.path)
        return OperatorError(f"cannot look into {self.path}: {error.strerror}", hint=hint)

    def running(self) -> Running | None:
        """The server that server.json describes; it may have been killed since (see `locked`)."""
        try:
            return msgspec.json.decode(self.description.read_bytes(), type=Running)
        except (OSError, msgspec.MsgspecError):
            return None

    def describe(self, running: Running) -> None:
        """Write server.json."""
        self.write(self.description, msgspec.to_builtins(running))

    def forget(self) -> None:
        """Remove server.json and the control socket, as the server stops."""
        for path in (self.description, self.control):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def show_proxy_ca(self, pem: bytes) -> None:
        """Write the CA of the proxy that the server has, for who goes through it."""
        self.proxy.mkdir(mode=0o700, exist_ok=True)
        replace(self.proxy_ca, pem, 0o600)

    def write(self, path: Path, content: dict[str, Any]) -> None:
        """Write a JSON file, mode 0600, at once and durably: readers see the old content or the new."""
        replace(path, json.dumps(content, indent=2).encode() + b"\n", 0o600)


def _is_there(path: Path) -> bool:
    """Whether there is something of this name; OSError if that can't be known, or nothing can have it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
