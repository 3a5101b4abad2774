"""Times as options have them: a moment, or so long ago."""

import argparse
import re
from datetime import UTC, datetime

from keystead.clock import SystemClock

FORMS = "A time T is 2026-01-02T03:04:05Z, 2026-01-02 (UTC), or so long ago: 30m, 2h, 7d."
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(text: str) -> int:
    """Milliseconds since 1970; so long ago is 1970 at the earliest."""
    relative = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if relative is not None:
        return max(0, int((SystemClock().now() - int(relative[1]) * _UNITS[relative[2]]) * 1000))
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.astimezone(UTC).timestamp() * 1000)  # OverflowError where UTC has no such year
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 2026-01-02T03:04:05Z, or 30m, 2h, 7d for so long ago"
        ) from None
