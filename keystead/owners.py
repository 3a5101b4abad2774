"""Whom a file belongs to, and what to do where that is somebody else."""

import os
import pwd
from functools import lru_cache
from pathlib import Path


@lru_cache  # a directory service may take its time to answer
def name_of(user: int) -> str:
    """The name of a user id, or `#ID` for one without a name, as sudo takes both."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"


def hint(path: Path) -> str:
    """What to do about a path that this user may not use: become its owner, as far as that can be found out."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        if owner == os.geteuid():
            return f"check the mode of {place}"
        return (
            f"{place} belongs to {name_of(owner)}; run this as that user: sudo -u {name_of(owner)} keystead …"
        )
    return "check its owner and mode"
