"""Whether a backup holds all that it should: restored aside, read from one end to the other, and every key opened."""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec

from keystead.clock import Clock
from keystead.crypto.authority import open_authority
from keystead.crypto.root_key import RootKey
from keystead.crypto.vault import Vault
from keystead.crypto.wrapping import SEALS
from keystead.domain.accounts import WrappingKey
from keystead.entropy import Entropy
from keystead.errors import DoesNotOpen, OperatorError
from keystead.portable import sync_directory, write
from keystead.server.backup import aside, key_file
from keystead.server.backup.manifest import Chain, Manifest, Source
from keystead.server.data.protection import listed
from keystead.store import reader
from keystead.store.contents import Contents, schema
from keystead.store.copying import put_in_wrapping_keys
from keystead.store.reader import RootKeyNeeded, Verdict
from keystead.store.sqlite import SqliteStore

Tell = Callable[[str, int, int], None]  # what is done, how much of it, of how much

_TOLD_EVERY = 1000  # rows


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is whole: what it says of itself, and how its chains end."""

    path: Path
    manifest: Manifest
    verdicts: tuple[Verdict, ...]


def no_tell(what: str, done: int, total: int) -> None:
    """Show nobody how far it is."""


def verify(
    path: Path,
    root: RootKey,
    clock: Clock,
    entropy: Entropy,
    *,
    keys: Path | None = None,
    place: Path | None = None,
    shown: Path | None = None,
    tell: Tell = no_tell,
) -> Proved:
    """Prove a backup, by a copy that is gone afterwards. `keys` is the file of its wrapping keys, if they are not in it;
    the copy is made in `place`, by default where temporary files are; `shown` is its name, if it has not got that yet.

    OperatorError says what is wrong with it.
    """
    with Source(path, schema(), shown) as source:
        found = source.manifest
        with aside.folder_in(place or aside.default(), found.bytes) as folder:
            database = folder / "keystead.db"
            extract(source, root, database, keys, tell)
            return Proved(
                path=source.path, manifest=found, verdicts=prove(database, source, root, clock, entropy, tell)
            )


def root_key_needed(path: Path) -> RootKeyNeeded:
    """The root key that a backup needs, as it says itself, or the folder that an earlier version made as one. OperatorError
    if it is none."""
    if path.is_dir():
        return reader.root_key_needed(path / "keystead.db")
    with Source(path, schema()) as source:
        return source.needed


def extract(source: Source, root: RootKey, database: Path, keys: Path | None, tell: Tell = no_tell) -> None:
    """Write the database of a backup to a new file, mode 0600, with its wrapping keys. OperatorError, and perhaps a part,
    if that can't be."""
    found = source.manifest
    brought = _brought(source, keys)
    written = 0
    try:
        descriptor = os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            sync_directory(database.parent)  # a restore that is cut off is to be seen, however early that was
            for piece in _inflated(source, root):
                write(descriptor, piece)
                written += len(piece)
                tell("reading", written, found.bytes)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OperatorError(
            f"cannot write {database}: {error.strerror}", hint="check the free space there, and its owner"
        ) from None
    if written != found.bytes:
        raise source.damaged()
    if brought:
        put_in_wrapping_keys(database, brought)


def prove(
    database: Path,
    source: Source,
    root: RootKey,
    clock: Clock,
    entropy: Entropy,
    tell: Tell = no_tell,
    *,
    altered_too: bool = False,
) -> tuple[Verdict, ...]:
    """Prove the database that was in a backup: that it is whole, of that backup, that everything in it opens and, unless
    altered rows are to be had as well, that none was altered before. It is brought up to date if an earlier version made it.
    OperatorError says what is wrong."""
    found, path = source.manifest, source.path
    with closing(SqliteStore.open(database, clock=clock, entropy=entropy)):
        pass  # as a server would begin; an earlier version's is not to be read otherwise
    with closing(Contents(database)) as contents:
        if damage := contents.damage():
            raise DoesNotOpen(f"the database in {path} is damaged: {damage}", hint="take another backup")
        verdicts = contents.verify()
        check_chains(path, verdicts)
        vault = open_all(contents, root, entropy, tell)
        if not altered_too and vault.has_own_key(SEALS):
            altered = contents.examine(vault.row_seals()).found
            if altered:
                raise DoesNotOpen(
                    f"in {path} there are rows that had been altered before it was made: {listed(altered)}",
                    hint="take an older backup, or restore this one, whose altered rows are not used",
                )
        ends = sorted((one.chain, str(one.head)) for one in verdicts)
        if ends != sorted((one.chain, one.head) for one in found.chains):
            raise DoesNotOpen(
                f"the audit log in {path} does not end as its manifest says", hint="take another backup"
            )
        if contents.server() != found.server or any(
            amount != found.amounts.get(name, amount) for name, amount in contents.amounts().items()
        ):
            raise DoesNotOpen(f"what is in {path} is not what its manifest says", hint="take another backup")
        for canary in found.canaries:
            if not canary.opens(vault):
                raise DoesNotOpen(
                    f"wrapping key {canary.generation} in {path} does not open its canary",
                    hint="take another backup",
                )
    return verdicts


def check_chains(path: Path, verdicts: Sequence[Verdict]) -> None:
    """OperatorError if a record was altered."""
    for verdict in verdicts:
        if verdict.bad:
            raise DoesNotOpen(
                f"the audit log in {path} is damaged: {verdict.bad}",
                hint="compare with an older backup; an exported log shows what was there",
            )


def open_all(contents: Contents, root: RootKey, entropy: Entropy, tell: Tell = no_tell) -> Vault:
    """Unwrap whatever is wrapped, once: every generation, version, AccessKey, seed and CA. OperatorError names what does
    not open."""
    vault = Vault(root, entropy)
    vault.load(contents.wrapping_keys(), contents.secrets())
    amounts = contents.amounts()
    total = max(1, amounts["key_versions"] + amounts["access_keys"])
    what = "the first row"
    try:
        for done, (name, check) in enumerate(_openings(contents, vault)):
            what = name
            check()
            if done % _TOLD_EVERY == 0:
                tell("opening keys", min(done, total), total)
    except (OperatorError, ValueError, TypeError):  # the last two: what is no row of ours at all
        raise DoesNotOpen(
            f"{what} does not open, or the row after it: the database was altered or is damaged",
            hint="take another backup",
        ) from None
    tell("opening keys", total, total)
    return vault


def chains_of(verdicts: Sequence[Verdict]) -> tuple[Chain, ...]:
    """As a manifest has them."""
    return tuple(Chain(one.chain, str(one.head)) for one in verdicts)


def _openings(contents: Contents, vault: Vault) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is wrapped, and how it is opened."""
    for version in contents.versions():
        yield f"version {version.version_id} of key {version.key_id}", partial(vault.prove_version, version)
    for access_key in contents.access_keys():
        yield f"AccessKey {access_key.access_key_id}", partial(vault.has_secret, access_key, "")
    for device in contents.devices():
        seed = partial(vault.unwrap_seed, device.account, device.name, device.wrapped)
        yield f"MFA device {device.name}", seed
    for kept in contents.authorities():
        yield "the certificate authority", partial(open_authority, vault, kept)


def _brought(source: Source, keys: Path | None) -> tuple[WrappingKey, ...]:
    """The wrapping keys that belong into a backup that has none."""
    found = source.manifest
    if not found.apart:
        return ()
    if keys is None:
        raise OperatorError(
            f"the wrapping keys of the backup {source.path} are not in it, but in a file of their own",
            hint="name that file with --keys",
        )
    there = {one.generation: one for one in key_file.read(keys, found.server)}
    for canary in found.canaries:
        if canary.generation not in there:
            raise OperatorError(
                f"the backup {source.path} needs wrapping key {canary.generation}, which {keys} has no longer",
                hint="when that key was replaced and destroyed, all backups before ended; take one that was made since",
            )
    return tuple(there.values())


def _inflated(source: Source, root: RootKey) -> Iterator[bytes]:
    """The content of a backup, no longer compressed."""
    inflating = zlib.decompressobj()
    try:
        for piece in source.content(root):
            yield inflating.decompress(piece)
        yield inflating.flush()
    except zlib.error:
        raise source.damaged() from None
