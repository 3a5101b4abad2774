"""Every rule for what a command prints, and for its exit status.

stdout   the answer: JSON for programs, tables for people; nothing else
stderr   `error:`, `warning:` and `hint:` lines, lower case, without a full stop, never a sensitive value

0 done; 1 refused or failed, with an `error:` line; 2 the command line is wrong; 130 interrupted by Ctrl-C
"""

import json
import sys

from keystead.errors import OperatorError

FAILED = 1
INTERRUPTED = 130


def answer(content: object) -> None:
    """Print JSON as the vendor's CLI does: indented, Chinese as it is."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Print one line of an answer."""
    sys.stdout.write(text + "\n")


def error(text: str, hint: str = "") -> int:
    """Say what was wrong and what to do; gives the exit status."""
    sys.stderr.write(f"error: {text}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
    return FAILED


def warning(text: str) -> None:
    """Say what the user should know although the command goes on."""
    sys.stderr.write(f"warning: {text}\n")


def trouble(problem: OperatorError) -> int:
    """Print an operator's error; gives the exit status."""
    return error(problem.message, problem.hint)
