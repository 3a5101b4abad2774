"""Automatic rotation: how often a key gets a new primary version, and whether it does now."""

import enum
import re

from keystead.errors import InvalidParameter, MissingParameter

DAY = 86_400  # seconds
SHORTEST = 7 * DAY
LONGEST = 730 * DAY

WORDS = f"{SHORTEST // DAY} to {LONGEST // DAY} days, as 7d, 168h, 10080m or 604800s"
_INTERVAL = re.compile(r"\A([0-9]{1,9})([dhms])\Z")
_SECONDS = {"d": DAY, "h": 3600, "m": 60, "s": 1}


class AutomaticRotation(enum.StrEnum):
    """Whether a key is rotated by itself, spelled as on the wire; suspended while the key can't be used."""

    DISABLED = "Disabled"
    ENABLED = "Enabled"
    SUSPENDED = "Suspended"


def wanted(enabled: bool, text: str) -> int | None:
    """The seconds between rotations that are asked for, or None for no rotation: then the text does not matter.

    MissingParameter or InvalidParameter of RotationInterval.
    """
    if not enabled:
        return None
    if not text:
        raise MissingParameter(name="RotationInterval")
    try:
        return interval(text)
    except ValueError:
        raise InvalidParameter(name="RotationInterval") from None


def interval(text: str) -> int:
    """The seconds of `7d`, `168h`, `10080m` or `604800s`; ValueError unless they are 7 to 730 days."""
    found = _INTERVAL.match(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"a rotation interval is {WORDS}")
    return seconds
