"""The log of calls that were refused before anybody was known to have sent them: a line each, within limits.

A line is for programs that watch logs (fail2ban, a SIEM), so its fields and their order stay as docs/how-to/audit.md shows
them. Who sends more than a few, or from many addresses at once, can fill neither disk nor memory: within each stretch of
time so many lines are written for one address and in all, and at its end one says how many were left out.
"""

from collections import defaultdict

from keystead.api.pipeline import Answer
from keystead.server import logs

EVERY = 60.0  # seconds
OF_ONE_SOURCE = 10  # lines in each stretch
IN_ALL = 300


class Refusals:
    """What was logged in this stretch of time; `begin_anew` is to be called after each."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, int] = defaultdict(int)  # by source: at most IN_ALL of them
        self._written = 0
        self._left_out = 0

    def tell(self, answer: Answer) -> None:
        """Log one refusal, or count it among those that are left out."""
        if self._written >= IN_ALL or self._lines[answer.source] >= OF_ONE_SOURCE:
            self._left_out += 1
            return
        self._lines[answer.source] += 1
        self._written += 1
        logs.event(
            "refused before authentication",
            source=answer.source,
            access_key_id=answer.access_key_id,
            code=answer.code,
            request_id=answer.request_id,
        )

    def begin_anew(self) -> None:
        """Say how many were left out, if any, and begin the next stretch of time."""
        if self._left_out:
            logs.event("refusals left out", count=self._left_out)
        self._lines.clear()
        self._written = self._left_out = 0
