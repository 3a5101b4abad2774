"""The process that makes a server's backups, so that its own does not wait for them: it makes one, proves it, and ends.

It takes of the processors what others leave over, and ends with the server.
"""

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.portable import stand_back
from keystead.server.backup import making
from keystead.server.backup.root_link import Link, LinkedRootKey
from keystead.server.data.directory import DataDirectory

_LOOKS_EVERY = 2.0  # seconds between two looks whether the server is there


def main(number: int) -> None:
    """Do what the link says, and tell how it went."""
    stand_back()
    _end_with(os.getppid())
    link = Link(socket.socket(fileno=number))
    job = link.receive()
    if job is not None:
        link.send(_told(link, job))
    link.close()


def _told(link: Link, job: dict[str, Any]) -> dict[str, Any]:
    directory, clock, entropy = DataDirectory(job["data"]), SystemClock(), SystemEntropy()
    root = LinkedRootKey(link, job["root"])
    keys = Path(job["keys"]) if job["keys"] else None
    try:
        made = making.back_up(
            directory, Path(job["into"]), root, clock, entropy, keep=job["keep"], keys=keys, prove=True
        )
    except OperatorError as problem:
        return {"problem": problem.message}
    heads = {one.chain: one.head for one in made.manifest.chains}
    return {
        "file": str(made.path),
        "made": made.manifest.made,
        "head": heads.get(made.manifest.server, ""),
        "removed": len(made.removed),
    }


def _end_with(server: int) -> None:
    """End when the server is gone, in whatever this process is then: what it leaves the next backup removes."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOKS_EVERY):
            if os.getppid() != server:
                os._exit(1)

    threading.Thread(target=look, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
