"""What commands on a data directory do so that its keys outlive it, are elsewhere from then on, or are gone for good:
backups, moves, and new wrapping keys."""

from pathlib import Path
from typing import Any

from keystead.api.rewrapping import Rewrapping
from keystead.client import transport
from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.given_settings import root_key_setting, store_settings
from keystead.server.backup import last_backup, making, proof, restoring, revived
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_key_choice import KINDS
from keystead.server.data.root_keys import RootKeys
from keystead.server.data.world import OpenedStore
from keystead.server.move import moving
from keystead.server.operator import alone, pipeline_of, run_operation, with_data
from keystead.store.reader import open_reader

_REWRAPPED_AT_ONCE = 1000  # rows, where nobody waits


def back_up(
    data: str,
    to: Path,
    *,
    root_key: str = "",
    verify: bool = False,
    keys: Path | None = None,
    place: Path | None = None,
    **options: Any,
) -> making.Backup:
    """See keystead.server.backup.making.back_up, of which the options are; the root key is that of the directory if no other
    is named. With `verify` it is proved before it has its name."""
    directory, clock, entropy = with_data(data), SystemClock(), SystemEntropy()
    if not directory.database.exists():
        raise OperatorError(
            f"the store of {directory.path} is a PostgreSQL database, which keystead backup does not copy",
            hint="pg_dump does, or pgBackRest; keep the root key apart from it",
        )
    open_reader(directory.database).close()  # what is wrong with it is said before anything of the root key
    root = RootKeys(directory, entropy, clock).open(_root_key_setting(root_key))
    return making.back_up(
        directory, to, root, clock, entropy, prove=verify, keys=keys, place=place, **options
    )


def verify_backup(data: str, path: Path, *, root_key: str = "", **options: Any) -> proof.Proved:
    """See keystead.server.backup.proof.verify; the root key is that of the data directory if no other is named. That the
    directory's own server has a backup that was proved is noted there."""
    directory, entropy, clock = DataDirectory(data), SystemEntropy(), SystemClock()
    root_keys = RootKeys(directory, entropy, clock)
    root, _ = root_keys.open_of(_root_key_setting(root_key), proof.root_key_needed(path))
    return last_backup.prove(directory, path, root, clock, entropy, **options)


def _root_key_setting(named: str) -> str:
    """Which root key a command is to use: the file or the provider that was named, else what the settings say."""
    if named and named.partition(":")[0] not in KINDS:
        return f"file:{named}"
    return named or root_key_setting()


def copy_store(
    source: str,
    target: str,
    *,
    root_key: str = "",
    password_file: str = "",
    trial: bool = False,
    tell: proof.Tell,
) -> moving.Copied:
    """See keystead.server.move.moving.copy_store; the root key is that of the data directory if no other is named, the file
    with the password that of the setting."""
    return moving.copy_store(
        source,
        target,
        SystemClock(),
        SystemEntropy(),
        root_key=_root_key_setting(root_key),
        password_file=password_file or store_settings()[1],
        trial=trial,
        tell=tell,
    )


def last_backup_of(directory: DataDirectory) -> last_backup.LastBackup | None:
    """The last backup of a data directory that was verified."""
    return last_backup.read(directory)


def restore(
    path: Path,
    data: str,
    *,
    old: Path | None = None,
    log: Path | None = None,
    root_key: str = "",
    keys: Path | None = None,
    tell: proof.Tell = proof.no_tell,
) -> tuple[restoring.Restored, revived.Since | None]:
    """See keystead.server.backup.restoring.restore; and what happened since, if the old data directory or an exported log
    tells."""
    directory, ended = DataDirectory(data), restoring.end_of(path)
    since = None
    root_key = _root_key_setting(root_key)
    if not root_key and old is not None and not directory.root_key.exists():
        theirs = DataDirectory(old).root_key
        root_key = f"file:{theirs}" if theirs.exists() else ""
    if old is not None:
        since = revived.in_directory(old, *ended)
    elif log is not None:
        since = revived.in_log(log, *ended)
    clock = SystemClock()
    restored = restoring.restore(
        path,
        directory,
        clock,
        SystemEntropy(),
        root_key=root_key,
        keys=keys,
        not_before=0 if since is None else since.latest_nonce,
        tell=tell,
    )
    # What is signed in this second is refused as if it had been accepted before: nobody is to meet that.
    clock.sleep(1.0 - clock.now() % 1.0)
    return restored, since


def rotate_wrapping_key(data: str, command: str, unsure: str) -> tuple[transport.Answer, bool]:
    """Have a new generation of the wrapping key; and whether all is wrapped by it already: a server takes its time for that,
    and without one it is done here."""
    answer = run_operation(data, "RotateWrappingKey", {}, command, unsure)
    directory = DataDirectory(data)
    if answer.status != 200 or directory.locked():
        return answer, False
    with alone(directory, root_key_setting(), "check the free space; a server goes on with it") as world:
        _rewrap_here(world)
    return answer, True


def _rewrap_here(world: OpenedStore) -> None:
    """Wrap all anew in a store that nobody else has. OperatorError if a row was altered, and the old generation stays."""
    pipeline = pipeline_of(world, SystemClock(), SystemEntropy())
    rewrapping, begun = Rewrapping(_REWRAPPED_AT_ONCE), False
    while rewrapping.busy or not begun:
        begun = True
        world.store.begin(alone=True)
        batch = pipeline.open_batch()
        rewrapping(pipeline, batch)
        batch.write()
        world.store.commit()
        pipeline.committed(batch)
    if len(world.store.keyring.all()) > 1:
        raise OperatorError(
            "a stored row was altered: not everything is wrapped anew, and the old wrapping key stays",
            hint="keystead store verify names the row; what is left to do is done once it is put right",
        )
