"""`keystead restore`: all is there again, nothing goes on as if nothing had been, and what came back is listed."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.server.backup.restoring import end_of
from tests.backups import back_up, restore
from tests.live import LiveServer, keystead, live
from tests.unsealed import without_seals

TEXT = "secret 对称"


class World:
    """A server with keys and users, a backup of it, and what was done since."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log.jsonl"
        with live(self.data) as server:
            client = server.client()
            self.kept, self.disabled, self.leaving = (
                client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(3)
            )
            self.blob = client.ok("Encrypt", KeyId=self.kept, Plaintext=TEXT)["CiphertextBlob"]
            made = keystead("access-key", "create", "--data", str(self.data))
            self.access_key = json.loads(made.stdout)["AccessKey"]
            self.replayed = client.sign("CreateKey")
            assert client.send(self.replayed)[0] == 200
            self.backup = back_up(self.data, folder / "backups")
            # accepted after the backup: nothing in it knows of this one
            self.later = client.sign("CreateKey")
            assert client.send(self.later)[0] == 200
            client.ok("DisableKey", KeyId=self.disabled)
            client.ok("ScheduleKeyDeletion", KeyId=self.leaving, PendingWindowInDays="7")
            client.ok("DisableKey", KeyId=self.kept)
            client.ok("EnableKey", KeyId=self.kept)  # taken back: no news
            self.lost = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            told = keystead(
                "access-key", "deactivate", self.access_key["AccessKeyId"], "--data", str(self.data)
            )
            assert told.returncode == 0, told.stderr
            client.close()
        self.log.write_text(keystead("audit", "export", "--data", str(self.data)).stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def restored(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("restored")
    to = restore(world.backup, world.data / "root.key", folder / "new")
    shutil.copy(world.data / "root-access-key.json", to)
    with live(to) as server:
        yield server


def test_all_is_there_again(world: World, restored: LiveServer) -> None:
    client = restored.client()
    assert client.ok("Decrypt", CiphertextBlob=world.blob)["Plaintext"] == TEXT
    for key in (world.kept, world.disabled, world.leaving):
        assert client.ok("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    client.close()


def test_what_was_accepted_before_is_not_accepted_again(world: World, restored: LiveServer) -> None:
    client = restored.client()
    for sent in (world.replayed, world.later):
        status, members = client.send(sent)
        assert (status, members["Code"]) == (400, "InvalidTimeStamp.Expired"), members
    client.close()


def test_the_log_begins_a_chain_that_names_where_the_old_one_ended(
    world: World, restored: LiveServer
) -> None:
    told = keystead("audit", "verify", "--data", str(restored.data))
    heads = dict(line.split()[::-2] for line in told.stdout.splitlines())
    assert len(heads) == 2, told.stdout
    exported = keystead("audit", "export", "--data", str(restored.data)).stdout
    (event,) = [one for one in map(json.loads, exported.splitlines()) if one["action"] == "RestoreBackup"]
    named = event["parameters"]
    assert (event["sequence"], event["kind"], event["principal"]) == (1, "ServiceEvent", "keystead")
    assert heads[named["OldChain"]] == named["OldHead"]
    assert event["chain"] != named["OldChain"]
    assert set(heads) == {event["chain"], named["OldChain"]}
    noted = keystead("audit", "verify", "--expect", named["OldHead"], "--data", str(restored.data))
    assert noted.returncode == 0, noted.stderr


def test_nobody_is_signed_in(world: World, restored: LiveServer) -> None:
    connection = sqlite3.connect(f"file:{restored.data / 'keystead.db'}?mode=ro", uri=True)
    try:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM tickets").fetchone() == (0,)
    finally:
        connection.close()


@pytest.mark.parametrize("by", ["--old", "--since-log"])
def test_what_came_back_to_life_is_listed(by: str, world: World, tmp_path: Path) -> None:
    words = ["--old", str(world.data)]  # which has the root key, too
    if by == "--since-log":
        words = ["--since-log", str(world.log), "--root-key", str(world.data / "root.key")]
    told = keystead("restore", str(world.backup), "--data", str(tmp_path / "new"), *words)
    assert told.returncode == 0, told.stderr
    revived, _, rest = told.stdout.partition("back to life: ")[2].partition("lost: ")
    lost, _, undone = rest.partition("as before: ")
    assert revived.startswith("withdrawn after the backup, and there again: 3\n")
    assert f"DisableKey  key/{world.disabled}" in revived
    assert f"ScheduleKeyDeletion  key/{world.leaving}" in revived
    assert f"UpdateAccessKey  accesskey/{world.access_key['AccessKeyId']}" in revived
    assert f"CreateKey  key/{world.lost}" in lost
    assert world.kept not in revived
    assert undone.startswith("changed after the backup: 0\n")


def test_without_a_log_it_says_what_to_look_at(world: World, tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        client = server.client()
        disabled, leaving = (client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
        client.ok("DisableKey", KeyId=disabled)
        client.ok("ScheduleKeyDeletion", KeyId=leaving, PendingWindowInDays="7")
        client.close()
    backup = back_up(tmp_path / "data", tmp_path / "backups")
    told = keystead(
        "restore",
        str(backup),
        "--data",
        str(tmp_path / "new"),
        "--root-key",
        str(tmp_path / "data" / "root.key"),
    )
    assert told.returncode == 0, told.stderr
    assert "warning: what was withdrawn after the backup was made is there again" in told.stderr
    assert f"are deleted when the server starts: 1\n  {leaving}  at 20" in told.stdout
    assert f"keys that are disabled: 1\n  {disabled}" in told.stdout


def test_a_log_of_another_server_or_with_a_gap_is_refused(world: World, tmp_path: Path) -> None:
    to, key = tmp_path / "new", str(world.data / "root.key")

    def restored(*since: str) -> subprocess.CompletedProcess[str]:
        return keystead("restore", str(world.backup), "--data", str(to), "--root-key", key, *since)

    with live(tmp_path / "other") as other:
        other.client().ok("CreateKey")
    lines = world.log.read_text().splitlines(keepends=True)
    older = restore(
        world.backup, world.data / "root.key", tmp_path / "older"
    )  # has another chain, and the old end
    assert restored("--old", str(older)).returncode == 0
    shutil.rmtree(to)
    for content in (lines[:-2] + lines[-1:], [line.replace('"chain": "', '"chain": "x') for line in lines]):
        (tmp_path / "log").write_text("".join(content))
        told = restored("--since-log", str(tmp_path / "log"))
        assert told.returncode == 1
        assert "does not go on where that of the backup ends" in told.stderr
        assert not to.exists()
    (tmp_path / "log").write_text("no log\n")
    told = restored("--since-log", str(tmp_path / "log"))
    assert "is not an exported audit log" in told.stderr
    told = restored("--old", str(tmp_path / "other"))
    assert (told.returncode, to.exists()) == (1, False)
    assert "does not go on where that of the backup ends" in told.stderr


def test_a_log_that_ends_before_the_backup_does_is_refused(world: World, tmp_path: Path) -> None:
    to, key = tmp_path / "new", str(world.data / "root.key")
    count = end_of(world.backup)[1].count
    lines = world.log.read_text().splitlines(keepends=True)
    log = tmp_path / "log"

    def restored() -> subprocess.CompletedProcess[str]:
        return keystead(
            "restore", str(world.backup), "--data", str(to), "--root-key", key, "--since-log", str(log)
        )

    for short in (lines[: count - 1], lines[:1], []):
        log.write_text("".join(short))
        told = restored()
        assert (told.returncode, to.exists()) == (1, False)
        assert "does not go on where that of the backup ends" in told.stderr
    # With the last record of the backup and none after it, it tells of nothing that was done since.
    log.write_text("".join(lines[:count]))
    told = restored()
    assert told.returncode == 0, told.stderr
    assert "recorded since" in told.stdout
    assert "back to life" not in told.stdout
    assert "warning: what was withdrawn after the backup was made is there again" in told.stderr
    assert "the log that was given ends with the backup" in told.stderr
    assert "keys that are disabled: 0" in told.stdout
    shutil.rmtree(to)
    log.write_text("".join(lines[count:]))  # of the time since alone
    told = restored()
    assert told.returncode == 0, told.stderr
    assert "withdrawn after the backup, and there again: 3\n" in told.stdout


def test_an_old_directory_without_a_record_since_the_backup_does_not_reassure(
    world: World, tmp_path: Path
) -> None:
    older = restore(world.backup, world.data / "root.key", tmp_path / "older")
    told = keystead("restore", str(world.backup), "--data", str(tmp_path / "new"), "--old", str(older))
    assert told.returncode == 0, told.stderr
    assert "warning: what was withdrawn after the backup was made is there again" in told.stderr


def test_only_an_empty_place_will_do(world: World, tmp_path: Path) -> None:
    key = world.data / "root.key"
    told = keystead("restore", str(world.backup), "--data", str(world.data), "--root-key", str(key))
    assert told.returncode == 2
    assert f"{world.data} is not empty: it holds " in told.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    told = keystead("restore", str(world.backup), "--data", str(tmp_path / "mine"), "--root-key", str(key))
    assert told.returncode == 2
    assert "is not empty: it holds notes" in told.stderr
    assert os.listdir(tmp_path / "mine") == ["notes"]
    # Another root key than is named would keep the server from starting.
    with live(tmp_path / "other"):
        pass
    (tmp_path / "keyed").mkdir()
    shutil.copy(tmp_path / "other" / "root.key", tmp_path / "keyed")
    told = keystead("restore", str(world.backup), "--data", str(tmp_path / "keyed"), "--root-key", str(key))
    assert (told.returncode, os.listdir(tmp_path / "keyed")) == (2, ["root.key"])
    assert "is another root key" in told.stderr
    # The root key may be there already, and what a restore has left that was killed.
    to = tmp_path / "new"
    (to / "lost+found").mkdir(parents=True)
    shutil.copy(key, to)
    (to / "restoring.db").write_bytes(b"a part")
    (to / "restoring.db-wal").write_bytes(b"a part")
    told = keystead("serve", "--data", str(to), "--listen", "localhost:0")
    assert told.returncode == 1
    assert "did not come to its end" in told.stderr
    told = keystead("restore", str(world.backup), "--data", str(to))
    assert told.returncode == 0, told.stderr
    assert sorted(os.listdir(to)) == ["keystead.db", "lock", "lost+found", "root.key"]
    assert (to / "root.key").stat().st_mode & 0o777 == (to / "keystead.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("schema", ["this", "before seals"])
def test_a_folder_of_an_earlier_version_is_restored(world: World, tmp_path: Path, schema: str) -> None:
    folder = tmp_path / "20260101T000000.000Z"
    folder.mkdir()
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    shutil.copy(world.data / "root.key", earlier)
    with sqlite3.connect(world.data / "keystead.db") as connection:
        connection.execute("VACUUM INTO ?", (str(earlier / "keystead.db"),))
    connection.close()
    since = ["--old", str(world.data)]
    if schema == "before seals":
        without_seals(earlier)
        since = []  # its records are of the first format, and that directory's do not go on from them
    (earlier / "keystead.db").rename(folder / "keystead.db")
    shutil.copy(world.data / "ca.pem", folder)
    to = restore(folder, world.data / "root.key", tmp_path / "new", *since)
    shutil.copy(world.data / "root-access-key.json", to)
    with live(to) as server:
        client = server.client()
        assert client.ok("Decrypt", CiphertextBlob=world.blob)["Plaintext"] == TEXT
        assert client.send(world.later)[1]["Code"] == "InvalidTimeStamp.Expired"
        client.close()
    told = keystead(
        "restore", str(tmp_path), "--data", str(tmp_path / "x"), "--root-key", str(world.data / "root.key")
    )
    assert told.returncode == 1
    assert f"error: {tmp_path} is a folder, and no backup" in told.stderr
    told = keystead(
        "restore",
        str(world.backup.parent),
        "--data",
        str(tmp_path / "x"),
        "--root-key",
        str(world.data / "root.key"),
    )
    assert f"hint: name a file in it, such as {world.backup}" in told.stderr
    assert not (tmp_path / "x").exists()


def test_a_root_key_that_is_missing_or_another_is_asked_for_by_the_option(
    world: World, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    with live(other):
        pass
    for given in ([], ["--root-key", str(tmp_path / "nowhere")], ["--root-key", str(other / "root.key")]):
        told = keystead("restore", str(world.backup), "--data", str(tmp_path / "x"), *given)
        assert told.returncode == 1
        assert (
            "hint: name its file with --root-key FILE: the root.key that was in use when it was made"
            in told.stderr
        )
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("left", ["lock", "root.key"])
def test_a_data_directory_is_no_folder_of_an_earlier_version(world: World, tmp_path: Path, left: str) -> None:
    folder, to = tmp_path / "folder", tmp_path / "x"
    folder.mkdir()
    for name in ("keystead.db", "ca.pem", left):
        shutil.copy(world.data / name, folder)
    told = keystead("restore", str(folder), "--data", str(to), "--root-key", str(world.data / "root.key"))
    assert (told.returncode, to.exists()) == (1, False)
    assert f"error: {folder} is a data directory, and no backup" in told.stderr
    assert f"keystead backup FILE --data {folder} makes a backup of it" in told.stderr


def test_a_request_of_a_fast_clock_is_not_accepted_again_either(tmp_path: Path) -> None:
    """It was accepted with a time stamp that is still to come; the old directory knows of it."""
    with live(tmp_path / "data") as server:
        server.client().ok("ListKeys")
        backup = back_up(server.data, tmp_path / "backups")
    with sqlite3.connect(tmp_path / "data" / "keystead.db") as connection:
        ahead = int(time.time()) + 600
        connection.execute("INSERT INTO nonces VALUES (?, ?)", (ahead, b"x" * 16))
    connection.close()
    to = restore(backup, tmp_path / "data" / "root.key", tmp_path / "new", "--old", str(tmp_path / "data"))
    connection = sqlite3.connect(to / "keystead.db")
    try:
        assert connection.execute("SELECT value FROM meta WHERE name = 'horizon'").fetchone() == (ahead,)
    finally:
        connection.close()
