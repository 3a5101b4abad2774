"""Backups and their restore, as the commands do them."""

import subprocess
import time
from pathlib import Path

from tests.live import keystead


def made(told: "subprocess.CompletedProcess[str]") -> Path:
    """What a backup that was made is called."""
    assert told.returncode == 0, told.stderr
    return Path(told.stdout.strip())


def back_up(data: Path, to: Path, *more: str) -> Path:
    """Make one in a folder."""
    return made(keystead("backup", f"{to}/", "--data", str(data), *more))


def verify(backup: Path, data: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Prove one with the root key of a data directory."""
    return keystead("backup", "verify", str(backup), "--data", str(data), *more)


def restore(backup: Path, root_key: Path, to: Path, *more: str) -> Path:
    """Restore one; gives the new data directory."""
    told = keystead("restore", str(backup), "--data", str(to), "--root-key", str(root_key), *more)
    assert told.returncode == 0, told.stderr
    ended = int(time.time())
    while int(time.time()) == ended:  # requests of that second are refused
        time.sleep(0.05)
    return to
