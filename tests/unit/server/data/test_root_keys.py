"""Which root key a start takes; with tokens, another KMS and rotations it is tests/crash's."""

import os
from pathlib import Path

import pytest

from keystead.clock import SystemClock
from keystead.crypto import root_key
from keystead.crypto.root_keys import passphrase
from keystead.domain.accounts import RootKeyFacts
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server import rootkey
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.root_keys import RootKeys
from keystead.store.sqlite import SqliteStore
from tests.unsealed import without_seals

ENTROPY, CLOCK = SystemEntropy(), SystemClock()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "MEMORY", 64)


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    file = tmp_path / "phrase"
    file.write_text("correct horse battery staple\n")
    file.chmod(0o600)
    return f"passphrase:file:{file}"


def start(data: Path, setting: str = "") -> str:
    """Open everything, as a start does; the fingerprint of its root key."""
    directory = DataDirectory(data)
    directory.prepare()
    directory.lock()
    try:
        opened = open_store(directory, CLOCK, ENTROPY, root_key_setting=setting)
        opened.store.close()
        return opened.root.fingerprint
    finally:
        directory.unlock()


def refusal(data: Path, setting: str = "") -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        start(data, setting)
    assert caught.value.hint
    return caught.value


def test_the_first_start_makes_a_file_and_what_follows_needs_no_setting(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = start(data)
    assert (data / "root.key").exists()
    assert start(data) == start(data, "file") == start(data, f"file:{data}/root.key") == made


def test_a_file_elsewhere_is_noted_and_can_be_moved(tmp_path: Path) -> None:
    data, key, moved = tmp_path / "data", tmp_path / "elsewhere.key", tmp_path / "moved.key"
    made = start(data, f"file:{key}")
    assert not (data / "root.key").exists()
    assert start(data) == made
    key.rename(moved)
    assert "is missing" in refusal(data).message
    assert start(data, f"file:{moved}") == made
    wrong = refusal(data, "file")
    assert f"it needs {made}" in wrong.message
    assert f'root-key = "file:{key}"' in wrong.hint
    root_key.create_file(data / "root.key", ENTROPY)
    assert f"it needs {made}" in refusal(data, "file").message


def test_a_credential_is_a_file_that_systemd_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = tmp_path / "data", tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert "cannot read the credential root" in refusal(data, "credential:root").message
    made = root_key.create_file(folder / "root", ENTROPY).fingerprint
    (folder / "root").chmod(0o440)
    assert start(data, "credential:root") == start(data) == made
    assert not (data / "root.key").exists()
    (folder / "root").chmod(0o600)
    (folder / "root").write_text("damaged")
    assert "the credential root is damaged" in refusal(data).message
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "this process was given none" in refusal(data).message
    assert 'root-key = "credential:root"' in refusal(data, "file").hint


def test_a_passphrase(tmp_path: Path, phrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    made = start(data, phrase)
    assert not (data / "root.key").exists()
    assert start(data) == start(data, phrase) == made
    (tmp_path / "phrase").write_text("correct horse battery stapler\n")
    assert "this is not the passphrase" in refusal(data).message
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery staple")
    os.close(writing)
    assert start(data, f"passphrase:fd:{reading}") == made
    # Other kinds are told which is needed, before anything is asked.
    wrong = refusal(data, "file")
    assert made in wrong.message
    assert f'root-key = "{phrase}"' in wrong.hint
    other = tmp_path / "other"
    start(other)
    assert 'root-key = "file"' in refusal(other, "passphrase").hint


def test_a_weak_passphrase_makes_nothing(tmp_path: Path, phrase: str) -> None:
    (tmp_path / "phrase").write_text("password\n")
    assert "at least 15 characters" in refusal(tmp_path / "data", phrase).message
    assert not (tmp_path / "data" / "keystead.db").exists()


def test_a_copy_of_the_key_in_a_file_opens_what_a_passphrase_does(tmp_path: Path, phrase: str) -> None:
    data = tmp_path / "data"
    made = start(data, phrase)
    root = RootKeys(DataDirectory(data), ENTROPY, CLOCK).open("")
    assert isinstance(root, root_key.SoftwareRootKey)
    root_key.create_file(data / "root.key", ENTROPY, root.reveal())
    assert start(data, "file") == made
    assert start(data) == made  # and the passphrase does as before
    assert (data / "root.key").exists()


def test_what_calls_a_host_or_loads_a_library_is_not_taken_from_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = start(data)
    directory = DataDirectory(data)
    for provider in (
        "kms:https://evil.example?key=alias/x",
        "pkcs11:token=t;object=o?module-path=/evil.so",
        "nonsense",
    ):
        store = SqliteStore.open(directory.database, clock=CLOCK, entropy=ENTROPY)
        store.begin()
        store.keyring.put_root(RootKeyFacts(fingerprint=made, provider=provider, parameters="", since=1))
        store.commit()
        store.close()
        told = refusal(data)
        assert "no setting says so" in told.message or "names no root key that could be" in told.message
    assert "names no root key that could be" in refusal(data, "file").message
    with pytest.raises(OperatorError, match="names no root key that could be"):
        rootkey.status(str(data))


def test_a_first_start_that_was_cut_off_goes_on(tmp_path: Path, phrase: str) -> None:
    for setting in ("file", phrase):
        data = tmp_path / setting[:4]
        directory = DataDirectory(data)
        directory.prepare()
        if setting == "file":
            root_key.create_file(directory.root_key, ENTROPY)
        SqliteStore.open(directory.database, clock=CLOCK, entropy=ENTROPY).close()  # before its first commit
        assert start(data, setting) == start(data, setting)


def test_where_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no data in"):
        RootKeys(DataDirectory(tmp_path), ENTROPY, CLOCK).open("")


def test_files_are_brought_in_line_from_wherever_a_rotation_was_cut_off(tmp_path: Path, phrase: str) -> None:
    data = tmp_path / "data"
    old = start(data)
    own, coming = data / "root.key", data / "root.key.next"
    rootkey.rotate(str(data), "", "file", "tests")
    new = start(data)
    retired = data / f"root.key.retired-{old}"
    assert retired.exists()
    assert not coming.exists()
    # After the commit, and before a file was moved; and between the two.
    own.rename(coming)
    assert start(data) == new
    own.rename(coming)
    retired.rename(own)
    assert start(data) == new
    assert (own.exists(), retired.exists(), coming.exists()) == (True, True, False)
    # A file that is of a rotation that was not committed is left for the next one.
    waiting = root_key.create_file(coming, ENTROPY).fingerprint
    assert start(data) == new
    rootkey.rotate(str(data), "", "file", "tests")
    assert start(data) == waiting
    # To another provider, and the file was not put aside yet.
    rootkey.rotate(str(data), "", phrase, "tests")
    aside = data / f"root.key.retired-{waiting}"
    aside.rename(own)
    start(data)
    assert (own.exists(), aside.exists()) == (False, True)


def test_a_backup_of_before_a_rotation_is_told_where_its_key_is(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup.db"
    old = start(data)
    backup.write_bytes((data / "keystead.db").read_bytes())
    rootkey.rotate(str(data), "", "file", "tests")
    for suffix in ("", "-wal", "-shm"):
        (data / f"keystead.db{suffix}").unlink(missing_ok=True)
    (data / "keystead.db").write_bytes(backup.read_bytes())
    retired = data / f"root.key.retired-{old}"
    told = refusal(data)
    assert f"it needs {old}" in told.message
    assert f'root-key = "file:{retired}"' in told.hint
    assert start(data, f"file:{retired}") == old
    retired.unlink()
    assert refusal(data).hint == "put back the root key that belongs to this data"


def test_nobody_else_makes_root_keys_there(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    data = tmp_path / "data"
    start(data)
    os.chown(data, 65534, 65534)
    for call in (
        lambda: rootkey.rotate(str(data), "", "file", "tests"),
        lambda: rootkey.export(str(data), "", 2, 2, "tests"),
    ):
        with pytest.raises(OperatorError, match="belongs to another user"):
            call()


def test_data_of_before_the_note_needs_the_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = start(data)
    without_seals(data)
    assert start(data) == made
