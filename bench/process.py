"""A program that is measured, with the processes that it starts: CPU time, memory, and its certain end."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(_fields(stat)[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process and its children so far."""
    ticks = 0
    for one in family(pid):
        fields = _fields(Path(f"/proc/{one}/stat"))
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _fields(stat: Path) -> list[str]:
    # From the third field of proc(5) on: the name before it, in parentheses, may hold anything.
    return stat.read_text().rpartition(")")[2].split()


def busy_seconds() -> float:
    """CPU time that the whole machine has used so far, of all processors together."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICKS  # without idle and iowait


def memory_mib(pid: int) -> float:
    """Resident memory of a process and its children; what they share counts once, where one may look."""
    kib = 0
    for one in family(pid):
        try:
            name, text = "Pss:", Path(f"/proc/{one}/smaps_rollup").read_text()
        except PermissionError:  # a process that shows its memory to root alone
            name, text = "VmRSS:", Path(f"/proc/{one}/status").read_text()
        kib += next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))
    return kib / 1024


@contextmanager
def running(
    command: list[str], log: Path, *, read: bool = False, env: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """The command as a process; at the end, however it comes, it is told to stop, and killed if it does not."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else stderr,
            stderr=stderr,
            text=True,
            env=env,
            # Ctrl-C is for the benchmark, which then ends its servers in order. In a session of its own a server would be of
            # another "autogroup" of Linux' scheduler, and no priority would mean anything between it and what runs beside it.
            process_group=0,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
