"""The last backup of a data directory that was proved: noted beside the data, for metrics, `/ready` and the doctor."""

from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from keystead.clock import Clock
from keystead.crypto.root_key import RootKey
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.server.backup.proof import Proved, verify
from keystead.server.data.directory import DataDirectory
from keystead.store.contents import Contents


class LastBackup(msgspec.Struct, frozen=True):
    """Its path, when it was made (ISO 8601), and when it was proved (seconds since 1970)."""

    file: str
    made: str
    verified: int

    def age(self, now: float) -> float:
        """Seconds since it was made."""
        return max(0.0, now - datetime.fromisoformat(self.made).timestamp())


def read(directory: DataDirectory) -> LastBackup | None:
    """The last one; None if there is none, or that was lost."""
    try:
        found = msgspec.json.decode(directory.backups.read_bytes(), type=LastBackup)
        found.age(0)
    except (OSError, ValueError):  # msgspec's are such, and so is that of a time that is none
        return None
    return found


def prove(
    directory: DataDirectory, path: Path, root: RootKey, clock: Clock, entropy: Entropy, **options: Any
) -> Proved:
    """See keystead.server.backup.proof.verify, of which `options` are; and note it, if it is of the directory's server."""
    proved = verify(path, root, clock, entropy, **options)
    note(directory, proved, clock)
    return proved


def note(directory: DataDirectory, proved: Proved, clock: Clock) -> None:
    """Note a backup that was proved, if it is of the directory's own server and newer than what is noted."""
    before = read(directory)
    if before is not None and before.made > proved.manifest.made:
        return
    with suppress(OperatorError, OSError):  # nothing that the backup itself suffers from
        with closing(Contents(directory.database)) as contents:
            own = contents.server() == proved.manifest.server
        if own:
            kept = LastBackup(str(Path(proved.path).absolute()), proved.manifest.made, int(clock.now()))
            directory.write(directory.backups, msgspec.to_builtins(kept))
