"""Commands that are forked from a process which has imported the program already.

Most of what a command costs is the import of it, and tests run thousands. What differs from a process of its own: what
Python reads of its environment at its start is not read again, and modules lie there that the command did not import. So
servers, and commands that are given more than words, have processes of their own (tests/live.py).
"""

import atexit
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from functools import cache
from typing import BinaryIO, NoReturn

import keystead.cli

# With what they import, this is nearly all of the program.
_IMPORTED = ("coverage", "keystead.operations", "keystead.server.operator", "keystead.server.nodes")
_AT_THE_START = ("LANG", "LC_", "PYTHON")
_SIZE = 4  # bytes that say how long a request is


def can_run(env: dict[str, str]) -> bool:
    """Whether a command may be a fork in this environment: nothing is new in it that Python reads at its start."""
    ours = {**os.environ, "PYTHONPATH": env.get("PYTHONPATH", "")}
    return all(env.get(name) == ours.get(name) for name in {*env, *ours} if name.startswith(_AT_THE_START))


def run(
    words: list[str], env: dict[str, str], cwd: str, timeout: float
) -> "subprocess.CompletedProcess[str]":
    """`python -m keystead` with these words, to its end, with nothing on standard input.

    As subprocess.run, TimeoutExpired among it.
    """
    pipes = [os.pipe() for _ in range(3)]
    request = json.dumps({"words": [os.fsdecode(word) for word in words], "env": env, "cwd": cwd}).encode()
    forker = _forker()
    socket.send_fds(forker, [len(request).to_bytes(_SIZE, "big")], [write for _, write in pipes])
    forker.sendall(request)
    for _, write in pipes:
        os.close(write)
    output, errors, status = (os.fdopen(read, "rb") for read, _ in pipes)
    with output, errors, status:
        found: dict[BinaryIO, bytes] = {}
        pid = int(status.readline())
        readers = [_reader(pipe, found) for pipe in (output, errors, status)]
        until = time.monotonic() + timeout
        for reader in readers:
            reader.join(max(0.0, until - time.monotonic()))
        late = any(reader.is_alive() for reader in readers)
        if late:
            os.kill(pid, signal.SIGKILL)
            for reader in readers:
                reader.join()
    if late:
        raise subprocess.TimeoutExpired(words, timeout, found[output], found[errors])
    return subprocess.CompletedProcess(words, int(found[status]), _text(found[output]), _text(found[errors]))


def _reader(pipe: BinaryIO, found: dict[BinaryIO, bytes]) -> threading.Thread:
    def read() -> None:
        found[pipe] = pipe.read()

    made = threading.Thread(target=read)
    made.start()
    return made


def _text(data: bytes) -> str:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


@cache
def _forker() -> socket.socket:
    """The connection to the process that forks, which ends when this one does."""
    ours, theirs = socket.socketpair()
    atexit.register(ours.close)
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=env,
        )
    return ours


def _serve(channel: socket.socket) -> None:
    """Fork for each request, until nobody can make any more."""
    commands = [one.name for one in pkgutil.walk_packages(keystead.cli.__path__, "keystead.cli.")]
    for name in (*_IMPORTED, *commands):
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so nobody waits for those that wait
    while True:
        size, ends, _, _ = socket.recv_fds(channel, _SIZE, 3)
        if not size:
            return
        request = channel.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
        if os.fork() == 0:
            channel.close()
            _wait(json.loads(request), *ends)
        for end in ends:
            os.close(end)


def _wait(request: dict[str, object], output: int, errors: int, status: int) -> NoReturn:
    """Say which process the command is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        for end, number in ((output, 1), (errors, 2)):
            os.dup2(end, number)
            os.close(end)
        os._exit(_command(**request))  # type: ignore[arg-type]
    os.close(output)
    os.close(errors)
    os.write(status, f"{pid}\n".encode())
    _, ended = os.waitpid(pid, 0)
    os.write(status, str(os.waitstatus_to_exitcode(ended)).encode())
    os._exit(0)


def _command(words: list[str], env: dict[str, str], cwd: str) -> int:
    """Do what Python does from its start to its end."""
    atexit._clear()
    os.chdir(cwd)
    sys.path[0] = cwd
    os.environ.clear()
    os.environ.update(env)
    if "COVERAGE_PROCESS_CONFIG" in env:
        importlib.import_module("coverage").process_startup()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    sys.argv = ["keystead", *words]
    status = 0
    try:
        runpy.run_module("keystead", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
