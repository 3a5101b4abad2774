"""Restoring a backup into an empty place: a server like the one that was, and yet another one.

Its audit log goes on with a new chain, whose first record names where the old one ended; nobody is signed in; and no
request that was accepted before can be sent again. The database gets its name last of all: what was cut off before that is
no data directory, and the same command begins again.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.api.http.signature import WINDOW
from keystead.clock import Clock, iso8601
from keystead.crypto.root_key import RootKey, read_file
from keystead.crypto.vault import Vault
from keystead.domain.audit import Head
from keystead.domain.keys.key import Key
from keystead.entropy import Entropy, uuid4
from keystead.errors import OperatorError, WrongSetting
from keystead.portable import make_directory, replace, sync_directory
from keystead.server.backup.manifest import Source
from keystead.server.backup.proof import (
    Tell,
    check_chains,
    extract,
    no_tell,
    open_all,
    prove,
    root_key_needed,
)
from keystead.server.data.directory import DataDirectory
from keystead.server.data.protection import protect
from keystead.server.data.root_keys import RootKeys
from keystead.settings import Settings
from keystead.store.contents import Contents, schema
from keystead.store.copying import copy, durable
from keystead.store.ports import StoreFailure
from keystead.store.reader import Verdict, end_of_chain
from keystead.store.sqlite import SqliteStore

# What may lie in an empty place: what a file system puts there, the root key, and what a restore left that was cut off.
_HARMLESS = frozenset({"lost+found", "root.key", "lock", "root-access-key.json"})
_OF_A_FOLDER = ("ca.pem", "authority.json")  # beside the database, in what earlier versions made
_OF_A_DATA_DIRECTORY = ("lock", "root.key", "server.json")  # never in that
ACTION = "RestoreBackup"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored, and what an operator should look at before anybody uses it."""

    made: str  # when the backup was made, as it says; "" for a folder, which does not
    old_chain: str
    old_head: Head
    new_chain: str
    amounts: dict[str, int]
    disabled: tuple[Key, ...]
    leaving: tuple[Key, ...]  # whose deletion is due, or will be; the longest due first
    altered: tuple[str, ...]  # rows that had been altered before the backup was made: nothing uses them


def restore(
    path: Path,
    directory: DataDirectory,
    clock: Clock,
    entropy: Entropy,
    *,
    root_key: str = "",
    keys: Path | None = None,
    not_before: int = 0,
    tell: Tell = no_tell,
) -> Restored:
    """Restore the backup at `path`, or the folder that an earlier version made as one, as the data directory.

    `root_key` is the setting that says where the root key comes from, by default where that of the backup came from; if it
    is a file elsewhere, the data directory gets a copy. `keys` is the file
    of the wrapping keys of a backup that has none. Requests of the second `not_before` or earlier are refused afterwards,
    as are all up to now.

    OperatorError says what is in the way; then the directory is as empty as before.
    """
    _check_empty(directory)
    root, choice = RootKeys(directory, entropy, clock).open_of(root_key, root_key_needed(path))
    root_file = Path(choice.place) if choice.kind == "file" and choice.place else None
    if root_file is not None and directory.root_key.exists():
        there = read_file(directory.root_key, entropy).fingerprint
        if there != root.fingerprint:
            raise WrongSetting(
                f"{directory.root_key} is another root key ({there}) than {root_file} ({root.fingerprint})",
                hint="leave --root-key out, or remove the one that does not belong to the backup",
            )
    try:
        make_directory(directory.path, 0o700)
    except OSError as error:
        raise OperatorError(
            f"cannot make the data directory {directory.path}: {error.strerror}",
            hint="choose another one with --data",
        ) from None
    directory.lock()
    try:
        _check_empty(directory)  # nobody else was quicker
        return _restore(path, directory, root, clock, entropy, root_file, keys, not_before, tell)
    finally:
        _clear(directory)
        directory.unlock()


def end_of(path: Path) -> tuple[str, Head]:
    """The chain of a backup and its end, as far as it says so before it is opened. OperatorError if it is none."""
    if path.is_dir():
        return end_of_chain(_database_in(path))
    with Source(path, schema()) as source:
        chain = source.manifest.server
        ends = {one.chain: one.head for one in source.manifest.chains}
        count, _, last = ends.get(chain, f"0:{bytes(32).hex()}").partition(":")
        try:
            return chain, Head(int(count), bytes.fromhex(last))
        except ValueError:
            raise source.damaged() from None


def _restore(
    path: Path,
    directory: DataDirectory,
    root: RootKey,
    clock: Clock,
    entropy: Entropy,
    root_file: Path | None,
    keys: Path | None,
    not_before: int,
    tell: Tell,
) -> Restored:
    database = directory.restoring
    _clear(directory)
    made = ""
    if path.is_dir():
        verdicts = _from_folder(path, database, root, clock, entropy, tell)
    else:
        with Source(path, schema()) as source:
            made = source.manifest.made
            extract(source, root, database, keys, tell)
            verdicts = prove(database, source, root, clock, entropy, tell, altered_too=True)
    # No request was ever accepted that is of later than this.
    horizon = max(int(clock.now()), min(not_before, int(clock.now()) + WINDOW))
    restored = _begin(database, root, made, verdicts, horizon, clock, entropy)
    beside = {path / name: directory.path / name for name in _OF_A_FOLDER if (path / name).exists()}
    if root_file is not None and not directory.root_key.exists():
        beside[root_file] = directory.root_key
    _settle(directory, beside)
    return restored


def _settle(directory: DataDirectory, beside: Mapping[Path, Path]) -> None:
    """Copy files to their places beside the database, which gets its name after them. OperatorError, and none of them, if
    that can't be."""
    written: list[Path] = []
    try:
        durable(directory.restoring)
        for one, to in beside.items():
            written.append(to)
            mode = 0o644 if to == directory.certificate else 0o600
            replace(to, one.read_bytes(), mode, f"{directory.restoring.name}.{to.name}")
        written.append(directory.database)
        directory.restoring.rename(directory.database)
        sync_directory(directory.path)
    except OSError as error:
        for to in reversed(written):  # without the root key, the database would be in the way of the next try
            with suppress(OSError):
                to.unlink()
        raise OperatorError(
            f"cannot write to {directory.path}: {error.strerror}",
            hint="check the free space there, and its owner",
        ) from None


def _from_folder(
    path: Path, database: Path, root: RootKey, clock: Clock, entropy: Entropy, tell: Tell
) -> tuple[Verdict, ...]:
    """Copy what an earlier version made, and prove it as far as that goes without a manifest."""
    copy(_database_in(path), database)
    with closing(SqliteStore.open(database, clock=clock, entropy=entropy)):
        pass
    with closing(Contents(database)) as contents:
        if damage := contents.damage():
            raise OperatorError(f"the database in {path} is damaged: {damage}", hint="take another backup")
        verdicts = contents.verify()
        check_chains(path, verdicts)
        open_all(contents, root, entropy, tell)
    return verdicts


def _database_in(folder: Path) -> Path:
    """The database of a folder that an earlier version made as a backup. OperatorError if it is none."""
    database = folder / "keystead.db"
    if not database.exists():
        newest = max(folder.glob("*.keystead"), default=None)
        raise OperatorError(
            f"{folder} is a folder, and no backup",
            hint="name a file that keystead backup has made"
            if newest is None
            else f"name a file in it, such as {newest}",
        )
    if any((folder / name).exists() for name in _OF_A_DATA_DIRECTORY):
        raise OperatorError(
            f"{folder} is a data directory, and no backup",
            hint=f"keystead backup FILE --data {folder} makes a backup of it, which can be restored",
        )
    return database


def _begin(
    database: Path,
    root: RootKey,
    made: str,
    verdicts: Sequence[Verdict],
    horizon: int,
    clock: Clock,
    entropy: Entropy,
) -> Restored:
    """Make another server of it, with the first record of its chain."""
    with closing(Contents(database)) as contents:
        old_chain, amounts = contents.server(), contents.amounts()
        disabled, leaving = contents.disabled(), contents.leaving()
        account = contents.accounts()[0]
    old_head = next((one.head for one in verdicts if one.chain == old_chain), Head())
    new_chain = uuid4(entropy)
    with closing(SqliteStore.open(database, clock=clock, entropy=entropy)) as store, _told():
        store.begin()
        vault = Vault(root, entropy)
        vault.load(store.keyring.all(), store.keyring.secrets())
        protect(store, vault, clock)
        store.become(new_chain, horizon)
        noted = store.keyring.root()
        if noted is not None and noted.provider.partition(":")[0] == "file":
            # From here on the file is in the data directory, wherever it was.
            store.keyring.put_root(msgspec.structs.replace(noted, provider="file"))
        told = {
            "OldChain": old_chain,
            "OldHead": str(old_head),
            "BackupMade": made or "unknown",
            "Horizon": iso8601(horizon),
        }
        batch = Batch(store, new_chain)
        record_service(batch, clock, entropy, account, ACTION, told, region=Settings().region)
        batch.write()
        store.commit()
        altered = tuple(one.text for one in store.blocked.found.values())
    return Restored(
        made=made,
        old_chain=old_chain,
        old_head=old_head,
        new_chain=new_chain,
        amounts=amounts,
        disabled=disabled,
        leaving=leaving,
        altered=altered,
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space there, and its owner") from None


def _check_empty(directory: DataDirectory) -> None:
    """OperatorError unless the place is empty, but for the root key, or not there yet."""
    try:
        names = set(os.listdir(directory.path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise OperatorError(
            f"cannot look into {directory.path}: {error.strerror}", hint="name another directory with --data"
        ) from None
    harmless = _HARMLESS | {one.name for one in _left(directory)}
    strange = sorted(names - harmless)
    if strange:
        raise WrongSetting(
            f"{directory.path} is not empty: it holds {', '.join(strange[:3])}{' and more' if len(strange) > 3 else ''}",
            hint="name a new directory with --data; move an old one away, and name it with --old",
        )


def _clear(directory: DataDirectory) -> None:
    """Remove what a restore has left that did not come to its end."""
    for path in _left(directory):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _left(directory: DataDirectory) -> list[Path]:
    """What that is; the one that tells of it is the last."""
    found = sorted(directory.path.glob(f"{directory.restoring.name}*"), reverse=True)
    beside = _OF_A_FOLDER if directory.restoring in found else ()
    return [*(directory.path / name for name in beside), *found]
