"""What is given to others, built from this checkout: the wheel, the source distribution, the client file."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT_FILE = "keystead-client.pyz"
HATCHLING = [sys.executable, "-m", "hatchling"]


def distributions(folder: Path, root: Path = ROOT) -> None:
    """Build the wheel and the source distribution of a source tree into a folder, as `make dist` does."""
    subprocess.run(
        [*HATCHLING, "build", "--directory", str(folder)], cwd=root, check=True, stdout=subprocess.DEVNULL
    )


def client_file(folder: Path, root: Path = ROOT) -> None:
    """Build the client file of a source tree into a folder, as `make client` does."""
    command = [sys.executable, "-m", "pyz.build", str(folder / CLIENT_FILE)]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)


def once(base: Path, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that `build` has filled, once for all workers of a run of tests; `base` is the worker's own folder."""
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = shared / f"{name}.making.{os.getpid()}"  # one that failed leaves nothing to the next
            build(making)
            making.rename(folder)
    return folder
