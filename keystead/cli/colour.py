"""Colours: few, and only for a person at a terminal.

NO_COLOR (https://no-color.org) switches them off; FORCE_COLOR or CLICOLOR_FORCE switches them on where no terminal is;
CLICOLOR=0 and TERM=dumb switch them off where one is. What a program reads, such as JSON, never has any.
"""

import os
from collections.abc import Mapping
from typing import TextIO

# By meaning; with the numbers of ECMA-48 (SGR).
_CODES = {"good": "32", "doubtful": "33", "bad": "31", "error": "1;31", "warning": "1;33", "hint": "36"}


def wanted(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written there is to have colours."""
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if environment.get("CLICOLOR") == "0" or environment.get("TERM") == "dumb":
        return False
    return stream.isatty()


def painted(content: str, meaning: str, stream: TextIO) -> str:
    """The text in the colour of its meaning (good, doubtful, bad, error, warning, hint), if the stream is to have any."""
    return f"\x1b[{_CODES[meaning]}m{content}\x1b[0m" if content and wanted(stream) else content
