"""Structured logs: events with fields of an allow-list, never a URL, a body or a sensitive value.

Exceptions are told by their type and the places they passed; their texts may quote what must not be logged.
"""

import errno
import json
import logging
import os
import sys
import traceback
from logging.handlers import WatchedFileHandler
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from keystead.clock import iso8601
from keystead.errors import OperatorError

_LOGGER = logging.getLogger("keystead")
FIELDS = frozenset(
    {
        "access_key_id", "account", "action", "batch", "code", "connections", "count", "data", "deleted", "error",
        "expires", "file", "names", "ops_url", "pid", "places", "reason", "region", "request_id", "seconds", "signal",
        "source", "status", "url", "version",
    }
)  # fmt: skip
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log(NamedTuple):
    """How to log: JSON lines, or short text where `form` is text, or auto and it goes to a terminal; to stderr without a
    file."""

    form: str
    level: str
    file: str = ""


def configure(form: str, level: str, file: str = "") -> None:
    """Log as `Log` says, from now on. OperatorError, and all as before, if the file can't be opened."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    text = form == "text" or (form == "auto" and not file and sys.stderr.isatty())
    if file:
        try:
            handler = _File(file, encoding="utf-8")
        except OSError as error:
            raise _unopened(file, error.errno) from None
    handler.setFormatter(_Text() if text else _Json())
    for before in _LOGGER.handlers:
        before.close()
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(LEVELS[level])
    _LOGGER.propagate = False


def check_file(file: str) -> None:
    """OperatorError if this user could not log to a file of this name; nothing is made."""
    path = Path(file)
    there = path.exists()
    if path.is_dir():
        problem = errno.EISDIR
    elif not there and not path.parent.is_dir():
        problem = errno.ENOENT
    elif os.access(path if there else path.parent, os.W_OK if there else os.W_OK | os.X_OK):
        return
    else:
        problem = errno.EACCES
    raise _unopened(file, problem)


def _unopened(file: str, problem: int | None) -> OperatorError:
    return OperatorError(
        f"cannot open the log file {file}: {os.strerror(problem or errno.EIO)}", hint="check --log-file"
    )


def event(name: str, level: str = "info", **fields: object) -> None:
    """Log one event. A field that is not on the list is a mistake in the program: ValueError."""
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"log fields that are not on the list: {', '.join(sorted(unknown))}")
    number = LEVELS[level]
    if _LOGGER.isEnabledFor(number):
        _LOGGER.log(number, name, extra={"fields": fields})


def failure(name: str, error: BaseException, **fields: object) -> None:
    """Log an exception by its type and places: file, line and function of each frame."""
    found = _told(traceback.extract_tb(error.__traceback__))
    event(name, "error", error=type(error).__name__, places=found, **fields)


def places(frame: FrameType) -> list[str]:
    """Where a thread is: file, line and function of each frame, the innermost last."""
    return _told(traceback.extract_stack(frame))


def _told(frames: traceback.StackSummary) -> list[str]:
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-12:]]


class _File(WatchedFileHandler):
    """A file that is opened anew when its name means another one, or none, as after logrotate."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # the folder is gone, perhaps: what is served must not suffer
            self.handleError(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        line = {
            "time": iso8601(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **fields,
        }
        return _line(json.dumps(line, ensure_ascii=False, default=str))


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        return _line(
            f"{iso8601(record.created)} {record.levelname.lower()}: {record.getMessage()} {told}".rstrip()
        )


def _line(text: str) -> str:
    """One event is one line, whatever the name of a file or a problem holds."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
