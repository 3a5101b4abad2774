"""The only reader of time."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

_ISO8601 = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")


class Clock(Protocol):
    """Wall-clock and monotonic time, passed to whoever needs it."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z, wall clock; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; it never goes back."""
        ...

    def processor(self) -> float:
        """Seconds of processor time that this thread has used; it never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def processor(self) -> float:
        return time.thread_time()

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long."""
        time.sleep(seconds)


class FixedClock:
    """A clock that stands still until it is moved; for tests and simulations."""

    def __init__(self, now: float = 1_767_323_045.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def processor(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


def iso8601(seconds: float) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`, the vendor's form of a time; whole seconds, rounded down."""
    return _iso8601(int(seconds))


@lru_cache(1024)  # requests that come together say the same second
def _iso8601(second: int) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(1024)  # as above
def from_iso8601(text: str) -> int:
    """Seconds since 1970 of exactly `YYYY-MM-DDThh:mm:ssZ`; ValueError for anything else."""
    # The library's parser alone would also take week dates and fractions of a second.
    if _ISO8601.match(text) is None:
        raise ValueError("not YYYY-MM-DDThh:mm:ssZ")
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp())
