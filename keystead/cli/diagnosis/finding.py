"""What one check found."""

from enum import StrEnum

import msgspec

from keystead.errors import OperatorError


class Level(StrEnum):
    """How bad it is: nothing is wrong, something may become so or surprise, something does not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line for a person. It holds no secret; `remedy` is "" where nothing is to be done."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """Nothing is wrong."""
    return Finding(level=Level.OK, subject=subject, text=text)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """Something may become a problem, or surprise."""
    return Finding(level=Level.WARNING, subject=subject, text=text, remedy=remedy)


def problem(subject: str, text: str, remedy: str) -> Finding:
    """Something does not work."""
    return Finding(level=Level.PROBLEM, subject=subject, text=text, remedy=remedy)


def trouble(subject: str, error: OperatorError) -> Finding:
    """A problem that another part of the program has words for."""
    return problem(subject, error.message, error.hint)
