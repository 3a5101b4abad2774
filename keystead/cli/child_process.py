"""Runs a command as `run` and `exec` do: signals are passed on, and its exit status becomes ours."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from keystead.cli import output

# Not ours to catch, meant for ourselves only (a fault, a child's end), or harmless by default.
_LEFT_ALONE = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
}
FORWARDED = sorted(signal.valid_signals() - _LEFT_ALONE)
# SIGINFO, which macOS' terminals send for Ctrl-T
_ASKED = {number for number in signal.valid_signals() if getattr(number, "name", "") == "SIGINFO"}
_HARMLESS = {signal.SIGWINCH, signal.SIGCONT, *_ASKED}
_BY_TERMINAL = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, *_HARMLESS}
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


class Ended(KeyboardInterrupt):
    """A signal that ends the program, as an exception, so that all is cleaned up on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.status = 128 + number


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Within it these signals are the handler's; afterwards whose they were."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Within it, every signal that would end the program raises Ended, as Ctrl-C raises KeyboardInterrupt.

    Those after the first are dropped, so that none cuts the way out short: a terminal that goes away sends two.
    """
    ended = False

    def end(number: int, _: FrameType | None) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise Ended(number)

    with handled([number for number in FORWARDED if number not in (signal.SIGINT, *_HARMLESS)], end):
        yield


@contextmanager
def signals_wait() -> Iterator[None]:
    """Within it no signal interrupts; those that came raise at its end."""
    # Not by a mask: that is one thread's, and another may be given the signal.
    came: list[int] = []
    try:
        with handled(FORWARDED, lambda number, _: came.append(number)):
            yield
    finally:
        for one in dict.fromkeys(came):
            signal.raise_signal(one)


async def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end; its exit status, 128 and its number if a signal ended it, 126 or 127 as shells do.

    As long as this runs, and until its loop ends, no signal but SIGKILL ends us.
    """
    loop = asyncio.get_running_loop()
    process: asyncio.subprocess.Process | None = None
    early: list[int] = []  # came while the command was being started

    def forward(number: int) -> None:
        if _has_it_already(number):
            return
        if process is None:
            early.append(number)
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)

    # Before the command is there: a signal that ended us and not the command would leave it alone.
    for number in FORWARDED:
        loop.add_signal_handler(number, forward, number)
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except FileNotFoundError:
        output.error(f"the command {command[0]!r} was not found", hint="check its spelling and PATH")
        return _NOT_FOUND
    except OSError as error:
        output.error(
            f"the command {command[0]!r} cannot be executed: {error.strerror}", hint="check its mode"
        )
        return _NOT_EXECUTABLE
    for waiting in early:
        forward(waiting)
    status = await process.wait()
    return 128 - status if status < 0 else status


def pass_on(number: int, process: "subprocess.Popen[bytes]") -> None:
    """Send a signal that we got to a command that runs, unless it has it already."""
    if not _has_it_already(number):
        process.send_signal(number)


def _has_it_already(number: int) -> bool:
    # A terminal signals the whole foreground group, the command included; passing it on would double it.
    return number in _BY_TERMINAL and _in_foreground()


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
