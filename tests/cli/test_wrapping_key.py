"""`keystead wrapping-key`: another one takes over under load, and what deleting a key then means for backups."""

import base64
import json
import sqlite3
import threading
import time
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from keystead.clock import SystemClock
from keystead.crypto import backup_file, root_key
from keystead.crypto.vault import Vault
from keystead.domain.keys.lifecycle import KeyState
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.backup import key_file
from keystead.server.backup.manifest import Manifest
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.store.contents import Contents
from keystead.store.copying import put_in_wrapping_keys
from tests.backups import back_up, restore, verify
from tests.live import LiveServer, keystead, live

TEXT = "secret"


def generations(data: Path) -> list[int]:
    told = keystead("wrapping-key", "show", "--data", str(data))
    assert told.returncode == 0, told.stderr
    return [one["Generation"] for one in json.loads(told.stdout)["WrappingKeys"]]


def rotate(data: Path) -> None:
    """And wait until it is done."""
    told = keystead("wrapping-key", "rotate", "--data", str(data))
    assert told.returncode == 0, told.stderr
    deadline = time.monotonic() + 120
    while len(generations(data)) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_another_takes_over_while_calls_are_answered(tmp_path: Path) -> None:
    ending = threading.Event()
    made: list[tuple[str, str]] = []
    with live(tmp_path / "data") as server:

        def load() -> None:
            client = server.client()
            while not ending.is_set():
                key = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
                made.append((key, client.ok("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]))
            client.close()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            while len(made) < 100:
                time.sleep(0.05)
            rotate(server.data)
            assert generations(server.data) == [2]
            rotate(server.data)
        finally:
            ending.set()
            thread.join()
        assert generations(server.data) == [3]
        client = server.client()
        for _, blob in made:
            assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
        client.close()
    with live(tmp_path / "data") as server:  # what is on the disk opens as well
        client = server.client()
        for _, blob in made[::10]:
            assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
        client.close()


def test_a_server_that_is_killed_meanwhile_goes_on_with_it(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    client = server.client()
    blobs = [
        client.ok("Encrypt", KeyId=client.ok("CreateKey")["KeyMetadata"]["KeyId"], Plaintext=TEXT)[
            "CiphertextBlob"
        ]
        for _ in range(80)
    ]
    client.close()
    assert keystead("wrapping-key", "rotate", "--data", str(server.data)).returncode == 0
    for delay in (0.0, 0.5, 1.2, 1.3):  # at different rows, and perhaps after the end
        time.sleep(delay)
        server.kill()
        server.start()
    rotate(server.data)
    client = server.client()
    for blob in blobs:
        assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
    client.close()
    server.stop()


def test_without_a_server_it_is_done_at_once(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        client = server.client()
        key = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        blob = client.ok("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
        client.close()
    told = keystead("wrapping-key", "rotate", "--data", str(tmp_path / "data"))
    assert told.returncode == 0, told.stderr
    assert "everything is wrapped anew, and the old one is destroyed" in told.stderr
    assert generations(tmp_path / "data") == [2]
    with live(tmp_path / "data") as server:
        assert server.client().ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT


class Deleted:
    """A key that was deleted, the wrapping key rotated after that; backups before and after, with their keys or without."""

    def __init__(self, folder: Path) -> None:
        self.data, self.keys = folder / "data", folder / "backup.keys"
        with live(self.data) as server:
            client = server.client()
            self.key, self.other = (client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
            client.close()
        self.root = root_key.read_file(self.data / "root.key", SystemEntropy())
        self.before = back_up(self.data, folder / "apart", "--keys", str(self.keys))
        self.whole = back_up(self.data, folder / "whole")
        self.old_keys = self.keys.read_bytes()
        opened = open_store(DataDirectory(self.data), SystemClock(), SystemEntropy())
        opened.store.begin()
        key = opened.store.keys.get(opened.account, "cn-hangzhou", self.key)
        assert key is not None
        # Its waiting period is over.
        gone = msgspec.structs.replace(key, state=KeyState.PENDING_DELETION, deletion_at=1)
        opened.store.keys.put(gone)
        opened.store.commit()
        opened.store.close()
        with live(self.data) as server:
            deadline = time.monotonic() + 30
            while server.client().call("DescribeKey", KeyId=self.key)[0] != 404:
                assert time.monotonic() < deadline
            rotate(self.data)
        self.between = back_up(self.data, folder / "whole2")  # does not touch the file of keys
        assert self.keys.read_bytes() == self.old_keys

    def database(self, backup: Path, to: Path) -> tuple[Manifest, Path]:
        """What is in a backup, for who has the root key."""
        with backup.open("rb") as file:
            head = backup_file.read_head(file)
            sealed = backup_file.unseal(iter(lambda: file.read(1 << 16), b""), head, self.root)
            to.write_bytes(zlib.decompress(b"".join(sealed)))
        return msgspec.json.decode(head.manifest, type=Manifest), to

    def opens(self, backup: Path, to: Path) -> bool:
        """Whether the deleted key's material can be had from a backup, with the root key and the file of keys as it is."""
        manifest, database = self.database(backup, to)
        if manifest.apart:
            put_in_wrapping_keys(database, key_file.read(self.keys, manifest.server))
        with closing(Contents(database)) as contents:
            vault = Vault(self.root, SystemEntropy())
            for row in contents.keyring().all():
                try:
                    vault.load([row])
                except OperatorError:
                    continue  # taken out, and not in the file
            versions = [one for one in contents.versions() if one.key_id == self.key]
            for version in versions:
                try:
                    vault.prove_version(version)
                except OperatorError:
                    continue
                return True
        return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Deleted:
    return Deleted(tmp_path_factory.mktemp("deleted"))


@pytest.fixture
def deleted(made: Deleted) -> Deleted:
    """With the file of keys as it was before the rotation."""
    made.keys.write_bytes(made.old_keys)
    made.keys.chmod(0o600)
    return made


def test_after_deletion_and_rotation_no_backup_opens_the_key(deleted: Deleted, tmp_path: Path) -> None:
    # Until the file of keys is replaced, the backup with its keys apart opens; the one with its own keys opens ever after.
    assert deleted.opens(deleted.before, tmp_path / "1.db")
    assert deleted.opens(deleted.whole, tmp_path / "2.db")
    assert verify(deleted.before, deleted.data, "--keys", str(deleted.keys)).returncode == 0

    after = back_up(deleted.data, tmp_path / "apart", "--keys", str(deleted.keys))
    assert not deleted.opens(deleted.before, tmp_path / "3.db")
    assert not deleted.opens(after, tmp_path / "4.db")  # it is not in it
    assert verify(after, deleted.data, "--keys", str(deleted.keys)).returncode == 0
    told = verify(deleted.before, deleted.data, "--keys", str(deleted.keys))
    assert (told.returncode, told.stdout) == (1, "")
    assert f"needs wrapping key 1, which {deleted.keys} has no longer" in told.stderr
    # That is its price: no older backup opens any key. One that has its own keys does, and so does an old copy of the file.
    assert deleted.opens(deleted.whole, tmp_path / "5.db")
    deleted.keys.write_bytes(deleted.old_keys)
    assert deleted.opens(deleted.before, tmp_path / "6.db")


def test_backups_with_their_keys_apart_need_both(deleted: Deleted, tmp_path: Path) -> None:
    backup = back_up(deleted.data, tmp_path / "apart", "--keys", str(deleted.keys))
    assert deleted.keys.stat().st_mode & 0o777 == 0o600
    _, database = deleted.database(backup, tmp_path / "x.db")
    with closing(sqlite3.connect(deleted.data / "keystead.db")) as connection:
        (wrapped,) = connection.execute("SELECT blob FROM wrapping_keys").fetchone()
    assert wrapped not in database.read_bytes()
    assert wrapped in base64.b64decode(json.loads(deleted.keys.read_text())["keys"][0]["wrapped"])
    told = verify(backup, deleted.data)
    assert told.returncode == 1
    assert "hint: name that file with --keys" in told.stderr
    to = restore(backup, deleted.data / "root.key", tmp_path / "new", "--keys", str(deleted.keys))
    with closing(Contents(to / "keystead.db")) as contents:
        vault = Vault(deleted.root, SystemEntropy())
        vault.load(contents.keyring().all())
        for version in contents.versions():
            vault.prove_version(version)


def test_a_bad_file_of_keys(deleted: Deleted, tmp_path: Path) -> None:
    good = deleted.keys.read_bytes()
    with live(tmp_path / "other"):
        pass
    told = keystead(
        "backup", str(tmp_path / "b"), "--data", str(tmp_path / "other"), "--keys", str(deleted.keys)
    )
    assert (told.returncode, deleted.keys.read_bytes()) == (1, good)
    assert "is of another server" in told.stderr
    for content in (
        b"",
        b"mine",
        good[:-20],
        good.replace(b"keystead wrapping", b"x"),
        good.replace(b'"wrapped": "', b'"wrapped": "?'),
    ):
        deleted.keys.write_bytes(content)
        for words in (["verify", str(deleted.before)], [str(tmp_path / "b")]):
            told = keystead("backup", *words, "--data", str(deleted.data), "--keys", str(deleted.keys))
            assert told.returncode == 1
            assert "is no file of wrapping keys, or a damaged one" in told.stderr
        assert deleted.keys.read_bytes() == content
    deleted.keys.unlink()
    told = verify(deleted.before, deleted.data, "--keys", str(deleted.keys))
    assert "cannot read the file of wrapping keys" in told.stderr
    assert not (tmp_path / "b").exists()
    assert deleted.before.exists()


def test_an_altered_row_keeps_the_old_one_and_that_is_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data) as server:
        server.client().ok("CreateKey")
    with closing(sqlite3.connect(data / "keystead.db")) as connection, connection:
        connection.execute("UPDATE key_versions SET created = created + 1")
    told = keystead("wrapping-key", "rotate", "--data", str(data))
    assert told.returncode == 1
    assert "the old one is destroyed" not in told.stderr
    assert "the old wrapping key stays" in told.stderr
    assert "keystead store verify" in told.stderr
    shown = json.loads(keystead("wrapping-key", "show", "--data", str(data)).stdout)
    assert len(shown["WrappingKeys"]) == 2
