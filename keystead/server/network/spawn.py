"""How the processes that a server has beside it are started: with no more of its environment than they need."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

# The only variables that they are given: whatever else is in the environment may be a secret, or lead to one.
_PASSED = ("PATH", "LANG", "LC_", "TZ", "PYTHON", "OPENSSL_", "LD_", "DYLD_", "MALLOC_", "TMPDIR")


def start(
    module: str, link: socket.socket, descriptors: Sequence[int] = (), *, confined: bool
) -> "subprocess.Popen[bytes]":
    """Start a module as a process, with its end of the link and what else it is to have open. OSError if that can't be."""
    environment = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    arguments = [str(link.fileno()), "confined" if confined else "free"]
    # What a terminal or a service manager sends to all processes is not for them to follow, from their first moment on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        return subprocess.Popen(
            # -P: what lies in the folder that the server was started in is no module of ours.
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=[link.fileno(), *descriptors],
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
