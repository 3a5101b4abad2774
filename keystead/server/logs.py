"""Structured logs: events with fields of an allow-list, never a URL, a body or a sensitive value.

Exceptions are told by their type and the places they passed; their texts may quote what must not be logged.
"""

import errno
import json
import logging
import os
import stat
import sys
import traceback
from contextlib import suppress
from types import FrameType
from typing import ClassVar, NamedTuple

from keystead.clock import iso8601
from keystead.errors import OperatorError
from keystead.settings import Settings

_LOGGER = logging.getLogger("keystead")
FIELDS = frozenset(
    {
        "access_key_id", "account", "action", "batch", "code", "connections", "count", "data", "deleted", "error",
        "expires", "file", "names", "ops_url", "pid", "places", "reason", "region", "request_id", "seconds", "signal",
        "source", "status", "url", "version",
    }
)  # fmt: skip
_AGAIN = 60.0  # seconds
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log(NamedTuple):
    """How to log: JSON lines, or short text where `form` is text, or auto and it goes to a terminal; to stderr without a
    file, or with the one named `-`."""

    form: str
    level: str
    file: str = ""


def of(settings: Settings) -> Log:
    """How the settings say to log."""
    return Log(settings.log_format, settings.log_level, settings.log_file)


def configure(form: str, level: str, file: str = "") -> None:
    """Log as `Log` says, from now on. OperatorError, and all as before, if the file can't be opened."""
    file = "" if file == "-" else file
    text = form == "text" or (form == "auto" and not file and sys.stderr.isatty())
    lines: _Lines = _File(file) if file else _Lines()
    lines.setFormatter(_Text() if text else _Json())
    for before in _LOGGER.handlers:
        before.close()
        lines.untold += before.untold if isinstance(before, _Lines) else 0
    _LOGGER.handlers[:] = [lines]
    _LOGGER.setLevel(LEVELS[level])
    _LOGGER.propagate = False


def check_file(file: str) -> None:
    """OperatorError if this user could not log to a file of this name; nothing is made."""
    folder = os.path.dirname(os.path.abspath(file))
    try:
        is_folder = stat.S_ISDIR(os.stat(file).st_mode)
    except FileNotFoundError:  # or its folder
        if not os.path.isdir(folder):
            raise _unopened(file, errno.ENOENT) from None
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unopened(file, error.errno) from None
    else:
        if is_folder:
            raise _unopened(file, errno.EISDIR)
        writable = os.access(file, os.W_OK)
    if not writable:
        raise _unopened(file, errno.EACCES)


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


def lost() -> int:
    """How many lines could not be written since this process began."""
    return _Lines.lost


class _Lines(logging.Handler):
    """Lines to standard error. One that can't be written is lost and counted; the next one that can says how many were."""

    lost: ClassVar[int] = 0  # by all of them

    def __init__(self) -> None:
        super().__init__()
        self.untold = 0  # lines that were lost, and that no line tells of

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = f"{self.format(record)}\n"
            if self.untold:
                text = f"{self.format(_event(record, 'log lines were lost', count=self.untold))}\n{text}"
            self.write(text)
            self.untold = 0
        except OSError as problem:  # what is served must not suffer
            _Lines.lost += 1
            self.untold += 1
            self.failed(record, problem)
        except Exception:
            self.handleError(record)

    def write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def failed(self, record: logging.LogRecord, problem: OSError) -> None:
        """There is nobody to tell."""


class _File(_Lines):
    """Lines to a file, which is opened anew when its name means another one, or none, as after logrotate."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._torn = False  # whether a part of a line stands at its end
        self._said = 0.0  # when standard error was told
        self._descriptor = -1
        try:
            self._descriptor = _append(self._path)
        except OSError as error:
            raise _unopened(path, error.errno) from None
        super().__init__()  # at last: logging closes each handler that began to be, whole or not

    def write(self, text: str) -> None:
        self._follow()
        begin = "\n" if self._torn else ""
        line = memoryview(f"{begin}{text}".encode("utf-8", "backslashreplace"))
        rest = line
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        finally:
            self._torn = (self._torn or len(rest) < len(line)) and len(rest) > 0

    def failed(self, record: logging.LogRecord, problem: OSError) -> None:
        """Tell standard error, though not for every line."""
        if not 0 <= record.created - self._said < _AGAIN:
            self._said = record.created
            told = _event(
                record, "log lines are lost", file=self._path, reason=problem.strerror, count=self.untold
            )
            with suppress(OSError):
                super().write(f"{self.format(told)}\n")

    def close(self) -> None:
        self._drop()
        super().close()

    def _follow(self) -> None:
        """Have the file open that has the name now."""
        if self._descriptor >= 0:
            opened = os.fstat(self._descriptor)
            try:
                named = os.stat(self._path)
                if (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino):
                    return
            except FileNotFoundError:
                pass
            self._drop()
        self._descriptor, self._torn = _append(self._path), False

    def _drop(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _append(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _event(beside: logging.LogRecord, name: str, **fields: object) -> logging.LogRecord:
    """A warning about the log itself, of the time of another event."""
    made = logging.makeLogRecord({"name": beside.name, "levelname": "WARNING", "msg": name, "fields": fields})
    made.created = beside.created
    return made


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
