"""How the processes that a server has beside it are started: with no more of its environment than they need."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from keystead.server.logs import Log

# The only variables that they are given: whatever else is in the environment may be a secret, or lead to one.
_PASSED = ("PATH", "LANG", "LC_", "TZ", "PYTHON", "OPENSSL_", "LD_", "DYLD_", "MALLOC_", "TMPDIR")


def start(
    module: str, descriptors: Sequence[int] = (), *, confined: bool
) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a module as a process with what it is to have open; the process, and this side's end of the link between both.
    OSError if that can't be."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = _popen(module, theirs.fileno(), descriptors, confined)
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    return process, ours


def loggable(log: Log, *, confined: bool) -> Log:
    """How such a process logs: confined it can't open a file anew, and uses standard error."""
    return log._replace(file="") if confined else log


def _popen(module: str, link: int, descriptors: Sequence[int], confined: bool) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    arguments = [str(link), "confined" if confined else "free"]
    # What a terminal or a service manager sends to all processes is not for them to follow, from their first moment on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        return subprocess.Popen(
            # -P: what lies in the folder that the server was started in is no module of ours.
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=[link, *descriptors],
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
