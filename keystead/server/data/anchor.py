"""The anchor: what a database was last, kept outside of it, so that an older copy of it is told from the latest.

It is one line: server, revision, count and hash of the audit chain's head, and a code over them by the key of the seals. It
lies in a file (best on another disk), with a program of the operator's, or in the description of a key of another Keystead.
"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol

from keystead.client.access_key import read_access_key
from keystead.client.kms import Kms
from keystead.client.transport import Address, Endpoint
from keystead.clock import Clock
from keystead.crypto.row_seals import RowSeals
from keystead.domain.audit import Head
from keystead.entropy import Entropy
from keystead.errors import OperatorError, WrongSetting
from keystead.portable import replace
from keystead.settings import Settings
from keystead.store.database_store import DatabaseStore
from keystead.store.ports import StoreFailure

_WORD = "keystead-anchor-1"
_LONGEST = 10.0  # seconds that a program may take
_BYTES = 4096  # more is no anchor


class Anchored(NamedTuple):
    """What a database was."""

    server: str
    revision: int
    head: Head

    def line(self, seals: RowSeals) -> str:
        """As it is kept."""
        text = f"{_WORD} {self.server} {self.revision} {self.head}"
        return f"{text} {seals.code_of_anchor(text.encode()).hex()}"

    @classmethod
    def of(cls, line: str, seals: RowSeals) -> "Anchored | None":
        """What a line says; None if it is none that was made with this key."""
        text, _, code = line.strip().rpartition(" ")
        words = text.split(" ")
        if len(words) != 4 or words[0] != _WORD or seals.code_of_anchor(text.encode()).hex() != code:
            return None
        count, _, digest = words[3].partition(":")
        return cls(words[1], int(words[2]), Head(int(count), bytes.fromhex(digest)))


def committed_in(store: DatabaseStore) -> Anchored | None:
    """What a database is now, as far as it is committed; None if nothing of it can be believed, or read."""
    if store.seals is None or store.blocked.everything:
        return None
    try:
        return Anchored(store.server_id, store.seals.revision, store.audit.head(store.server_id))
    except StoreFailure:
        return None


class Anchor(Protocol):
    """Where the anchor of a server is kept. OSError or OperatorError where that fails."""

    def read(self) -> str | None:
        """The line that was kept last, None if none ever was."""
        ...

    def write(self, line: str) -> None:
        """Keep this one from here on."""
        ...


class InFile:
    """A file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                return file.read(_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return None

    def write(self, line: str) -> None:
        replace(self._path, f"{line}\n".encode(), 0o600)


class WithProgram:
    """A program that is given the line on standard input when its last argument is `write`, and prints it after `read`;
    nothing, if it never had one."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def __str__(self) -> str:
        return self._words[0]

    def read(self) -> str | None:
        return self._run("read", "").strip() or None

    def write(self, line: str) -> None:
        self._run("write", f"{line}\n")

    def _run(self, word: str, given: str) -> str:
        try:
            ended = subprocess.run(
                [*self._words, word],
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OperatorError(f"{self} {word} takes longer than {_LONGEST:.0f} s") from None
        if ended.returncode:
            raise OperatorError(
                f"{self} {word} ended with status {ended.returncode}: {ended.stderr.strip()[-200:]}"
            )
        return ended.stdout[:_BYTES]


class InKey:
    """The description of a key of another server, which speaks KMS."""

    def __init__(self, key: str, endpoint: Endpoint, clock: Clock, entropy: Entropy) -> None:
        self._key = key
        self._endpoint = endpoint
        self._clock = clock
        self._entropy = entropy

    def __str__(self) -> str:
        return f"{self._key} at {self._endpoint.url}"

    def read(self) -> str | None:
        with self._kms() as kms:
            found = str(kms.key(self._key).get("Description", ""))
        if found and not found.startswith(_WORD):
            raise OperatorError(
                f"the key {self} has a description that is no anchor", hint="give the anchor a key of its own"
            )
        return found or None

    def write(self, line: str) -> None:
        with self._kms() as kms:
            kms.call("UpdateKeyDescription", {"KeyId": self._key, "Description": line})

    def _kms(self) -> Kms:
        return Kms(self._endpoint, "", self._clock, self._entropy, "anchor")


def anchor_of(settings: Settings, clock: Clock, entropy: Entropy) -> Anchor | None:
    """The anchor that the settings name; None if they name none. WrongSetting for what can't be one, OperatorError if the
    AccessKey for it can't be read."""
    text = settings.anchor
    if not text:
        return None
    kind, separated, rest = text.partition(":")
    if separated and kind == "exec":
        try:
            words = shlex.split(rest)
        except ValueError:
            words = []
        if not words:
            raise WrongSetting("anchor names no program that can be run", hint="exec:PROGRAM ARGUMENT …")
        return WithProgram(words)
    if separated and kind == "kms":
        key, _, url = rest.rpartition("@")
        if not key or not url:
            raise WrongSetting("anchor names no key of a server", hint="kms:KEY@https://HOST:PORT")
        Address.of(url)
        if not settings.anchor_access_key:
            raise WrongSetting(
                "an anchor in a key needs an AccessKey", hint="anchor-access-key names a file that has it"
            )
        pair = read_access_key(Path(settings.anchor_access_key))
        endpoint = Endpoint(url, settings.anchor_ca or None, pair)
        return InKey(key, endpoint, clock, entropy)
    path = Path(os.path.abspath(text))
    if path.is_relative_to(os.path.abspath(settings.data)):
        raise WrongSetting(
            "the anchor is in the data directory itself, and would be put back with it",
            hint="name a file on another disk",
        )
    if path.is_dir():
        raise WrongSetting(f"the anchor {path} is a directory", hint="name a file in it")
    return InFile(path)
