"""The root key of a data directory: from the provider that the setting names, and the one that the data was sealed under.

Which root key is needed says the fingerprint in the database, which a rotation changes in one transaction with all that the
key wraps. So at any moment one key opens all of it, and which that is shows at every start.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from keystead.clock import Clock, iso8601
from keystead.crypto import root_key
from keystead.crypto.root_key import RootKey
from keystead.crypto.root_keys import elsewhere, passphrase
from keystead.crypto.root_keys.token import open_token
from keystead.crypto.root_keys.token_address import TokenAddress
from keystead.domain.accounts import RootKeyFacts
from keystead.entropy import Entropy
from keystead.errors import OperatorError, WrongSetting
from keystead.portable import sync_directory
from keystead.server import logs
from keystead.server.data import kms_root_key
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_key_choice import LOCAL, Choice, choose
from keystead.server.data.secret_source import read_credential
from keystead.server.data.store_place import database_of, has_data
from keystead.store.reader import RootKeyNeeded, root_key_needed

_PASSPHRASE = "passphrase of the root key"  # noqa: S105 - what it is called


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A root key, and what is to be noted of it with the first thing that it wraps; None where that is done."""

    root: RootKey
    facts: RootKeyFacts | None = None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A new root key, durable, and what is to be noted of it with the first thing that it wraps."""

    root: RootKey
    facts: RootKeyFacts


class RootKeys:
    """Opens and makes the root keys of one data directory. `asked` says what a database that others share needs."""

    def __init__(
        self,
        directory: DataDirectory,
        entropy: Entropy,
        clock: Clock,
        asked: Callable[[], RootKeyNeeded] | None = None,
    ) -> None:
        self._directory = directory
        self._entropy = entropy
        self._clock = clock
        self._asked = asked

    def needed(self) -> RootKeyNeeded:
        """What the database says; nothing, if there is none yet."""
        if self._asked is not None:
            return self._asked()
        there = has_data(self._directory)
        return root_key_needed(database_of(self._directory)) if there else RootKeyNeeded()

    def chosen(self, setting: str, needed: RootKeyNeeded) -> Choice:
        """Which provider is meant: that of the setting, else the one the data was last sealed under."""
        if setting:
            return choose(setting)
        choice = noted_choice(needed.facts)
        if choice.kind not in LOCAL:
            raise OperatorError(
                f"the root key of {self._directory.path} is {choice.text}, and no setting says so",
                hint="what loads a library or calls a host is never taken from the data: set root-key to this "
                "(--root-key, KEYSTEAD_ROOT_KEY, or in the file of KEYSTEAD_CONFIG)",
            )
        return choice

    def first(self, setting: str) -> Found:
        """The root key that the data needs or, where nothing is wrapped yet, that of the setting: made, if need be."""
        needed = self.needed()
        choice = self.chosen(setting, needed)
        if needed.fingerprint:
            return Found(root=self._open(choice, needed))
        if choice.kind != "file":
            made = self.make(choice)
            return Found(root=made.root, facts=made.facts)
        path = self._path(choice)
        # One that is there is of a first start that was cut off. Where there is a database already, it must be there.
        fresh = not path.exists() and (self._asked is not None or not self._directory.database.exists())
        root = (root_key.create_file if fresh else root_key.read_file)(path, self._entropy)
        return Found(root=root, facts=self._new(root, choice))

    def open(self, setting: str) -> RootKey:
        """The root key that the data needs. OperatorError, with how to give it, if it is not that of the setting."""
        needed = self.needed()
        if not needed.fingerprint:
            raise OperatorError(
                f"there is no data in {self._directory.path}", hint="--data names another directory"
            )
        return self._open(self.chosen(setting, needed), needed)

    def open_of(self, setting: str, needed: RootKeyNeeded) -> tuple[RootKey, Choice]:
        """The root key that other data than that of the directory needs, and which one that is. OperatorError, with how
        --root-key gives it, if it is not that of the setting."""
        choice = self.chosen(setting, needed)
        return self._open(choice, needed, by_option=True), choice

    def look(self, choice: Choice, needed: RootKeyNeeded) -> None:
        """OperatorError if this is not the root key that is needed; without a database, if its file is none."""
        if needed.fingerprint:
            self._open(choice, needed)
        else:
            root_key.read_file(self._path(choice), self._entropy)

    def make(self, choice: Choice) -> Made:
        """A root key to begin with, or to rotate to: durable where it lies. A key that lies there is taken, but for a
        file of the data directory's own, which has another name until it is in use (see `settle`)."""
        parameters = ""
        root: RootKey
        if choice.kind == "file":
            path = self._next if not choice.place else self._path(choice)
            root = (root_key.read_file if path.exists() else root_key.create_file)(path, self._entropy)
        elif choice.kind == "credential":
            root = self._credential(choice)
        elif choice.kind == "passphrase":
            text = choice.source.read(f"the new {_PASSPHRASE}", twice=True)
            root, parameters = passphrase.make(text, self._entropy)
        elif choice.kind == "pkcs11":
            root = self._token(choice, make=True)
        else:
            encrypt, _ = self._elsewhere(choice)
            root, parameters = elsewhere.make(encrypt, self._entropy)
        return Made(root=root, facts=self._new(root, choice, parameters))

    def settle(self, facts: RootKeyFacts) -> Path | None:
        """Bring the files of the data directory in line with the root key in use, whose data was just opened; where the key
        before lies now, if it was moved. It may be cut off anywhere, and is done again by the next start.

        The old key is never removed: older backups need it.
        """
        own, choice = self._directory.root_key, noted_choice(facts)
        retired, moved = None, False
        if own.exists() and (old := self._fingerprint(own)) not in ("", facts.fingerprint):
            coming = choice == Choice("file") and self._fingerprint(self._next) == facts.fingerprint
            if coming or choice.kind != "file":
                retired = self._retired(old)
                own.rename(retired)
        if not own.exists() and self._fingerprint(self._next) == facts.fingerprint:
            self._next.rename(own)
            moved = True
        if moved or retired is not None:
            sync_directory(self._directory.path)
        if retired is not None:
            logs.event("the root key before is kept for older backups", file=str(retired))
        return retired

    # --- inside

    @property
    def _next(self) -> Path:
        own = self._directory.root_key
        return own.with_name(f"{own.name}.next")

    def _path(self, choice: Choice) -> Path:
        return Path(choice.place) if choice.place else self._directory.root_key

    def _new(self, root: RootKey, choice: Choice, parameters: str = "") -> RootKeyFacts:
        return RootKeyFacts(
            fingerprint=root.fingerprint,
            provider=choice.text,
            parameters=parameters,
            since=int(self._clock.now()),
        )

    def _fingerprint(self, path: Path) -> str:
        try:
            return root_key.read_file(path, self._entropy).fingerprint
        except OperatorError:
            return ""

    def _open(self, choice: Choice, needed: RootKeyNeeded, *, by_option: bool = False) -> RootKey:
        facts = needed.facts
        noted = noted_choice(facts)
        if choice.kind in ("passphrase", "kms"):
            if facts is None or noted.kind != choice.kind:
                raise self._another(choice, needed, f"there is none of {choice.text}", by_option)
            if choice.kind == "passphrase":
                text = choice.source.read(f"the {_PASSPHRASE}")
                return passphrase.open_with(text, facts.parameters, facts.fingerprint, self._entropy)
            _, decrypt = self._elsewhere(choice)
            return elsewhere.open_with(decrypt, facts.parameters, facts.fingerprint, self._entropy)
        root: RootKey
        try:
            if choice.kind == "pkcs11":
                root = self._token(choice)
            elif choice.kind == "credential":
                root = self._credential(choice)
            else:
                root = self._file(choice, needed)
        except OperatorError as problem:
            missing = by_option and choice == Choice("file") and not self._directory.root_key.exists()
            if isinstance(problem, WrongSetting) or (noted == choice and not missing):
                raise
            raise self._another(choice, needed, problem.message, by_option) from None
        if root.fingerprint != needed.fingerprint:
            raise self._another(choice, needed, f"{choice.text} is {root.fingerprint}", by_option)
        return root

    def _another(self, choice: Choice, needed: RootKeyNeeded, found: str, by_option: bool) -> OperatorError:
        noted = noted_choice(needed.facts)
        hint = (
            f'set root-key = "{noted.text}", which it was sealed under; if that key was moved, name its place'
        )
        retired = self._retired(needed.fingerprint)
        if by_option:
            file = retired if retired.exists() else "the root.key that was in use when it was made, or a copy"
            hint = (
                f"name its file with --root-key FILE: {file}"
                if noted.kind == "file"
                else f'name it with --root-key; it was "{noted.text}"'
            )
        elif retired.exists():  # as after a backup of that time was put back
            hint = f'that key is in {retired}: set root-key = "file:{retired}"'
        elif self._asked is not None and choice.kind == noted.kind == "file":
            hint = "copy it from the data directory of the server that it was rotated on, or of any that runs"
        elif choice == noted:
            hint = "put back the root key that belongs to this data"
        since = f", since {iso8601(needed.since)}" if needed.since else ""
        return OperatorError(
            f"this data was sealed under another root key (it needs {needed.fingerprint}{since}; {found})",
            hint=hint,
        )

    def _retired(self, fingerprint: str) -> Path:
        own = self._directory.root_key
        return own.with_name(f"{own.name}.retired-{fingerprint}")

    def _file(self, choice: Choice, needed: RootKeyNeeded) -> RootKey:
        """The file or, where a rotation was cut off after its commit, the one that is to have its name."""
        if not choice.place and self._fingerprint(self._next) == needed.fingerprint:
            return root_key.read_file(self._next, self._entropy)
        path = self._path(choice)
        if self._asked is not None and not path.exists():
            raise OperatorError(
                f"other servers use this database already, and there is no root key at {path}; theirs is "
                f"{needed.fingerprint}",
                hint="copy the file root.key of the data directory of one of them to there, with mode 0600; or set root-key "
                "to where it is",
            )
        return root_key.read_file(path, self._entropy)

    def _credential(self, choice: Choice) -> RootKey:
        what = f"the credential {choice.place}"
        return root_key.parse(read_credential(choice.place, "the root key"), what, self._entropy)

    def _token(self, choice: Choice, *, make: bool = False) -> RootKey:
        address = TokenAddress.of(choice.text)
        pin = choice.source.read(f"the PIN of the token {address.token or address.serial}")
        return open_token(address, pin, self._entropy, make=make)

    def _elsewhere(self, choice: Choice) -> tuple[elsewhere.Encrypt, elsewhere.Decrypt]:
        return kms_root_key.of(choice.kms, self._clock, self._entropy)


def noted_choice(facts: RootKeyFacts | None) -> Choice:
    """What the data says of where its root key is from. OperatorError if that can't be."""
    if facts is None:
        return Choice("file")
    try:
        return choose(facts.provider)
    except WrongSetting:
        raise OperatorError(
            "the database names no root key that could be: it was altered or is damaged, or is of a newer version",
            hint="restore the data directory from a backup",
        ) from None
