"""The last backup of a data directory that was proved: noted beside the data, for metrics, `/ready` and the doctor."""

from contextlib import closing, suppress
from pathlib import Path

import msgspec

from keystead.clock import Clock
from keystead.errors import OperatorError
from keystead.server.backup.proof import Proved
from keystead.server.data.directory import DataDirectory
from keystead.store.contents import Contents


class LastBackup(msgspec.Struct, frozen=True):
    """Its path, when it was made (ISO 8601), and when it was proved (seconds since 1970)."""

    file: str
    made: str
    verified: int


def read(directory: DataDirectory) -> LastBackup | None:
    """The last one; None if there is none, or that was lost."""
    try:
        return msgspec.json.decode(directory.backups.read_bytes(), type=LastBackup)
    except (OSError, msgspec.MsgspecError):
        return None


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
