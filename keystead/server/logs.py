"""Structured logs: events with fields of an allow-list, never a URL, a body or a sensitive value.

Exceptions are told by their type and the places they passed; their texts may quote what must not be logged.
"""

import json
import logging
import sys
import traceback
from types import FrameType

from keystead.clock import iso8601

_LOGGER = logging.getLogger("keystead")
FIELDS = frozenset(
    {
        "account", "action", "batch", "code", "connections", "count", "data", "deleted", "error", "expires",
        "file", "names", "ops_url", "pid", "places", "reason", "region", "request_id", "seconds", "signal", "status",
        "url", "version",
    }
)  # fmt: skip
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(form: str, level: str) -> None:
    """Log to stderr: JSON lines, or short text where `form` is text, or auto and stderr is a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(_Text() if text else _Json())
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(LEVELS[level])
    _LOGGER.propagate = False


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


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        line = {
            "time": iso8601(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **fields,
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{iso8601(record.created)} {record.levelname.lower()}: {record.getMessage()} {told}".rstrip()
