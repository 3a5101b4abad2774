"""A clock that a test moves: ahead only, as time does."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from keystead.clock import SystemClock

_END = "the clock ends with the year 9999: advance by less"


class TestClock(SystemClock):
    """The machine's time and what was added to it. `catch_up` is called after each move: what is due then happens."""

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()
        self._catch_up = catch_up

    def now(self) -> float:
        return super().now() + self._ahead

    @property
    def moved(self) -> bool:
        """Whether it differs from the machine's."""
        return self._ahead != 0

    @property
    def time(self) -> datetime:
        """The server's time, in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(
        self,
        by: timedelta = timedelta(),
        /,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> datetime:
        """Move the time ahead, and have everything happen that is due: deletions, expiries, one rotation of each key.

        ValueError unless it is ahead, and within the years that a date can have.
        """
        try:
            whole = _step(by) + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        except OverflowError:
            raise ValueError(_END) from None
        step = whole.total_seconds()
        if step <= 0:
            raise ValueError(
                "the clock goes ahead only: advance(days=7), or kms.reset() for a server that knows no later time"
            )
        with self._lock:
            try:
                datetime.fromtimestamp(super().now() + self._ahead + step, UTC)
            except (ValueError, OverflowError, OSError):
                raise ValueError(_END) from None
            self._ahead += step
        self._catch_up()
        return self.time

    def travel_to(self, moment: datetime) -> datetime:
        """Move the time ahead to a moment. ValueError if it is past, or has no time zone."""
        step = _aware(moment).timestamp() - self.now()
        if step <= 0:
            raise ValueError(
                f"the clock goes ahead only, and it is {self.time:%Y-%m-%dT%H:%M:%SZ} already; "
                "kms.reset() gives a server that knows no later time"
            )
        return self.advance(seconds=step)

    def reset(self) -> None:
        """Back to the machine's time, for a server that is new."""
        self._ahead = 0.0


def _step(by: object) -> timedelta:
    if not isinstance(by, timedelta):
        raise ValueError("say by how much of what: advance(days=7), or a timedelta")
    return by


def _aware(moment: object) -> datetime:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("a moment is a datetime with its time zone: datetime(2027, 1, 1, tzinfo=UTC)")
    return moment


class ClientClock(SystemClock):
    """The time by which clients stamp their requests: the machine's, which no test moves, or one that is wrong."""

    def __init__(self) -> None:
        self._off = 0.0

    def now(self) -> float:
        return super().now() - self._off

    def set_off(self, seconds: float) -> None:
        """Let clients be ahead of the server by so much, or behind it if negative."""
        self._off = seconds
