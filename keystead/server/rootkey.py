"""What `keystead rootkey` does: tell of a data directory's root key, rotate it, and give and take shares of it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from keystead import owners
from keystead.client.transport import Answer, send_control
from keystead.clock import SystemClock
from keystead.crypto import root_key
from keystead.crypto.root_key import RootKey, SoftwareRootKey
from keystead.crypto.root_keys import shares
from keystead.crypto.root_keys.shares import Share
from keystead.domain.products import KEYSTEAD
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, WrongSetting
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_key_choice import KINDS, LOCAL, Kind, choose
from keystead.server.data.root_keys import RootKeys, noted_choice
from keystead.server.data.store_place import database_of, has_data
from keystead.server.data.verification import refuse_others
from keystead.server.data.world import OpenedStore
from keystead.server.operator import alone, answer_here, with_data
from keystead.store.reader import end_of_chain, root_key_needed

__all__ = [
    "LEAST",
    "MOST",
    "Exported",
    "Share",
    "export",
    "file_named",
    "read_share",
    "restore",
    "rotate",
    "status",
]

LEAST, MOST = shares.LEAST, shares.MOST
# What each protects from, and what not: the table in the docs says more of it.
_PROTECTS: dict[Kind, tuple[str, str]] = {
    "file": ("a stolen backup; with the file on another disk, a stolen disk", "whoever can read the file"),
    "credential": ("a stolen backup; encrypted by systemd-creds, a stolen disk", "root on the host"),
    "passphrase": (
        "a stolen disk, host or backup, as far as it can't be guessed",
        "root on the host while it runs",
    ),
    "pkcs11": (
        "a stolen disk or backup, and a copied key: it can't leave the token",
        "a stolen token with its PIN",
    ),
    "kms": (
        "a stolen disk or backup, and a stolen host once its AccessKey is revoked",
        "root on the host while it runs",
    ),
}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Which root key a data directory needs. `since` in seconds since 1970."""

    provider: str
    fingerprint: str
    since: int
    protects: str
    exposed: str
    retired: tuple[str, ...]  # files with root keys before it, which older backups need


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A rotation that was done: the provider and fingerprint now, and the file of the key before, if it has one."""

    provider: str
    fingerprint: str
    before: str
    kept: str
    to_be_set: bool  # whether a start finds it by the setting alone


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of a root key: each is a text of words. They are secret, and it has no repr of them."""

    server: str
    fingerprint: str
    needed: int
    words: tuple[str, ...]
    made: int

    def __repr__(self) -> str:
        return f"<Exported {self.fingerprint}>"


def status(data: str) -> Status:
    """Which root key a data directory needs, whether its server runs or not; the key itself is not looked for."""
    directory = with_data(data)
    needed = root_key_needed(database_of(directory))
    choice = noted_choice(needed.facts)
    protects, exposed = _PROTECTS[choice.kind]
    own = directory.root_key
    return Status(
        provider=f"file ({own})" if choice.text == "file" else choice.text,
        fingerprint=needed.fingerprint,
        since=needed.since,
        protects=protects,
        exposed=exposed,
        retired=tuple(sorted(map(str, directory.path.glob(f"{own.name}.retired-*")))),
    )


def rotate(data: str, setting: str, to: str, command: str) -> Rotated:
    """Wrap all that the root key wraps by another one, in one commit. No server may run meanwhile.

    At whatever moment it is cut off, the old root key opens the data or the new one does, and both are there.
    """
    target = choose(to)
    directory = with_data(data)
    with _alone(directory, setting) as opened:

        def check() -> None:
            refuse_others(opened.store, opened.server_id, "with the new root key they start again afterwards")

        check()
        keys = RootKeys(directory, SystemEntropy(), SystemClock())
        opened.store.begin()
        before = noted_choice(opened.store.keyring.root())
        opened.store.rollback()
        made = keys.make(target)
        if made.root.fingerprint == opened.root.fingerprint:
            raise OperatorError(
                f"{target.text} is the root key already",
                hint="name another one, or another place for a new one",
            )
        opened.vault.offer(made.root, made.facts)
        # Another server may have joined meanwhile. One that joins later finds that its root key is not the one any more.
        answered = answer_here(opened, "RotateRootKey", {"Provider": target.text}, command, check).response
        if answered.status != 200:
            raise OperatorError(
                "the root key was not rotated", hint=str(msgspec.json.decode(answered.body).get("Message"))
            )
        kept = keys.settle(made.facts)
    # A file that the operator named stays where it is; what was moved may be of a rotation before that.
    place = before.place or str(kept or directory.root_key) if before.kind == "file" else ""
    return Rotated(
        provider=target.text,
        fingerprint=made.root.fingerprint,
        before=opened.root.fingerprint,
        kept=place,
        to_be_set=target.kind not in LOCAL,
    )


def export(data: str, setting: str, needed: int, of: int, command: str) -> Exported:
    """Shares of the root key in use, whether a server runs or not; recorded before they are given. OperatorError if it can't
    leave its token."""
    shares.check_library()
    directory = with_data(data)
    entropy, clock = SystemEntropy(), SystemClock()
    if directory.locked():
        root = _movable(RootKeys(directory, entropy, clock).open(setting))
        answer = send_control(
            directory.control, _NOTE, KEYSTEAD.version, _noted(root, needed, of), command, "try again"
        )
    else:
        with _alone(directory, setting) as opened:
            root = _movable(opened.root)
            response = answer_here(opened, _NOTE, _noted(root, needed, of), command).response
            answer = Answer(response.status, msgspec.json.decode(response.body))
    if answer.status != 200:
        raise OperatorError(
            "the export could not be recorded, so there is none", hint=str(answer.members.get("Message"))
        )
    words = tuple(shares.split(root, needed, of))
    again = shares.combine([Share(one, "a share") for one in words[-needed:]], entropy)
    assert again.fingerprint == root.fingerprint  # before anybody relies on the papers
    return Exported(
        server=_server(directory),
        fingerprint=root.fingerprint,
        needed=needed,
        words=words,
        made=int(clock.now()),
    )


def read_share(words: str, name: str) -> Share:
    """A share that was typed or read. OperatorError if it is none, or not as it was written."""
    return Share(words, name)


def file_named(to: str) -> str:
    """The path that is meant by PATH or file:PATH. WrongSetting if another provider is, or no path."""
    kind, _, place = to.partition(":")
    if kind not in KINDS:
        return to
    if kind != "file" or not place:
        raise WrongSetting(
            f"import makes a file of the shares, and {kind} is a word for a provider, not a path",
            hint=f"name a path, or ./{kind} if you mean that name; keystead rootkey rotate --to changes to a provider "
            "afterwards",
        )
    return place


def restore(data: str, given: Sequence[Share], to: str) -> tuple[Path, str]:
    """Make a root key file of shares, `to` or that of the data directory; its path and fingerprint. Never replaces a file.

    OperatorError if they make no key, or another one than the data there needs.
    """
    directory = DataDirectory(data)
    directory.check_access()
    entropy = SystemEntropy()
    root = shares.combine(given, entropy)
    if has_data(directory):
        needed = root_key_needed(database_of(directory)).fingerprint
        if needed and needed != root.fingerprint:
            raise OperatorError(
                f"these shares make the root key {root.fingerprint}, and {directory.path} needs {needed}",
                hint="its papers name the fingerprint; --data names another directory",
            )
    elif not to:
        raise OperatorError(
            f"there is no data in {directory.path}",
            hint="put the backup there first, or name a file with --to",
        )
    path = Path(to).expanduser().absolute() if to else directory.root_key
    if not to:
        _check_owner(directory.path)
    try:
        root_key.create_file(path, entropy, root.reveal())
    except FileExistsError:
        raise OperatorError(
            f"there is a file {path} already", hint="move it away, or name another one with --to"
        ) from None
    return path, root.fingerprint


_NOTE = "NoteRootKeyShares"


def _noted(root: RootKey, needed: int, of: int) -> dict[str, str]:
    return {"Fingerprint": root.fingerprint, "Needed": str(needed), "Shares": str(of)}


def _movable(root: RootKey) -> SoftwareRootKey:
    if not isinstance(root, SoftwareRootKey):
        raise OperatorError(
            "the root key is on a token, and can't leave it",
            hint="have a second token with a copy by the maker's own means, or rotate to a root key that can be shared",
        )
    return root


def _server(directory: DataDirectory) -> str:
    """The id of the server of a directory."""
    joined = node.joined(directory)
    return end_of_chain(directory.database)[0] if joined is None else joined.server


def _check_owner(path: Path) -> None:
    """A file that somebody else makes there, root among them, the server could not read."""
    if path.stat().st_uid != os.geteuid():
        raise OperatorError(f"{path} belongs to another user", hint=owners.hint(path))


@contextmanager
def _alone(directory: DataDirectory, setting: str) -> Iterator[OpenedStore]:
    """The store of a directory that no server runs on."""
    if directory.locked():
        raise OperatorError(
            f"a server runs on {directory.path}",
            hint="stop it first: the root key is rotated while nothing else uses the data; that takes a second",
        )
    _check_owner(directory.path)
    with alone(directory, setting) as opened:
        yield opened
