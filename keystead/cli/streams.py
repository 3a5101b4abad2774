"""Standard streams that were closed before the program began, as by `>&-`.

Their descriptors must not fall to the next file or socket that is opened: what is meant for the terminal would go there.
"""

import os
import sys

from keystead.errors import OperatorError

# What is read from standard input and written to standard output fails as it would if they were closed, here and in the
# commands that `run` and `exec` start; what is said on standard error is lost.
_MODES = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)
_NAMES = ("stdin", "stdout", "stderr")

_closed: set[str] = set()


def open_closed() -> None:
    """Put /dev/null in the place of standard streams that are closed."""
    for number, (name, mode) in enumerate(zip(_NAMES, _MODES, strict=True)):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, mode)
            if null == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:  # as Python has it
            _closed.add(name)
            setattr(
                sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)
            )


def check_output() -> None:
    """OperatorError where standard output was closed: nothing is done whose answer would be lost."""
    if "stdout" in _closed:
        raise output_closed()


def check_input() -> None:
    """OperatorError where standard input was closed: it is not empty, there is none."""
    if "stdin" in _closed:
        raise OperatorError("standard input is closed", hint="redirect a file or a pipe to it")


def output_closed() -> OperatorError:
    """The error for an answer that nothing can take."""
    return OperatorError("standard output is closed", hint="send it to /dev/null if the answer is not wanted")
