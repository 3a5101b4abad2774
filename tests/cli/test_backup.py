"""`keystead backup`: what it copies opens elsewhere, with the root key and not without it."""

import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backups import back_up, made, restore, verify
from tests.live import LiveServer, keystead, live

TEXT = "对称加密 secret"
NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\.keystead")


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_backup_of_a_server_under_load_opens_elsewhere(tmp_path: Path) -> None:
    data, into = tmp_path / "data", tmp_path / "backups"
    ending = threading.Event()
    acknowledged: list[str] = []
    with live(data) as server:
        client = server.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        blob = client.ok("Encrypt", KeyId=key_id, Plaintext=TEXT)["CiphertextBlob"]
        access_key = client.access_key

        def load() -> None:
            busy = server.client()
            while not ending.is_set():
                acknowledged.append(busy.ok("CreateKey")["KeyMetadata"]["KeyId"])
            busy.close()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            until(lambda: len(acknowledged) >= 20)
            before = list(acknowledged)
            backup = back_up(data, into)
            count = len(acknowledged)
            until(lambda: len(acknowledged) >= count + 5)  # the server goes on
        finally:
            ending.set()
            thread.join()
        client.close()
        ca = (data / "ca.pem").read_bytes()
    assert NAME.fullmatch(backup.name)
    assert into.stat().st_mode & 0o777 == 0o700
    assert backup.stat().st_mode & 0o777 == 0o600
    content = backup.read_bytes()
    root_key = (data / "root.key").read_text().splitlines()[1]
    for secret in (root_key, access_key[1], access_key[0], TEXT, key_id, "SQLite format 3", "CreateKey"):
        assert secret.encode() not in content

    elsewhere = restore(backup, data / "root.key", tmp_path / "elsewhere")
    shutil.copy(data / "root-access-key.json", elsewhere)
    with live(elsewhere) as server:
        client = server.client()
        assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
        for one in before:
            client.ok("DescribeKey", KeyId=one)
        client.close()
        assert (elsewhere / "ca.pem").read_bytes() == ca
    assert keystead("audit", "verify", "--data", str(elsewhere)).returncode == 0

    # Without the root key it opens nothing.
    alone = tmp_path / "alone"
    told = keystead("restore", str(backup), "--data", str(alone))
    assert told.returncode == 1
    assert f"the root key file {alone / 'root.key'} is missing" in told.stderr
    assert not alone.exists()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_backup_without_a_server(end: str, tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    key = client.access_key
    client.close()
    getattr(server, end)()
    backup = back_up(server.data, tmp_path / "backups")
    elsewhere = restore(backup, server.data / "root.key", tmp_path / "elsewhere")
    # The root AccessKey's file was not kept: another one is made.
    told = keystead(
        "access-key", "create", "-o", str(elsewhere / "root-access-key.json"), "--data", str(elsewhere)
    )
    assert told.returncode == 0, told.stderr
    with live(elsewhere) as restored:
        client = restored.client()
        assert client.access_key != key
        client.ok("DescribeKey", KeyId=key_id)
        client.access_key = key
        client.ok("DescribeKey", KeyId=key_id)
        client.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose server has stopped."""
    folder = tmp_path_factory.mktemp("server") / "data"
    with live(folder) as server:
        client = server.client()
        for _ in range(3):
            client.ok("CreateKey")
        client.close()
    return folder


def test_old_backups_are_removed_but_for_so_many(data: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    first, second = back_up(data, into), back_up(data, into)
    (into / "20200101T000000.000Z-mine").mkdir()
    (into / "notes").write_text("mine")
    others = {"20200101T000000.000Z-mine", "notes"}
    third = back_up(data, into)
    assert {first.name, second.name, third.name} < set(os.listdir(into))
    fourth = back_up(data, into, "--keep", "2")
    assert set(os.listdir(into)) == {third.name, fourth.name, *others}
    fifth = back_up(data, into, "--keep", "1")
    assert set(os.listdir(into)) == {fifth.name, *others}
    sixth = back_up(data, into, "--keep", "999999")
    assert set(os.listdir(into)) == {fifth.name, sixth.name, *others}
    # A clock that was ahead once does not cost the backups that are made since.
    ahead = "99990101T000000.000Z.keystead"
    fifth.rename(into / ahead)
    told = keystead("backup", str(into), "--data", str(data), "--keep", "1")
    assert set(os.listdir(into)) == {made(told).name, ahead, *others}
    assert f"warning: {into / ahead} is not counted, and stays: it is dated in" in told.stderr


def folder_of(data: Path, into: Path, name: str) -> Path:
    """A backup as earlier versions made it: a folder with a copy of the database."""
    (into / name).mkdir(parents=True)
    with sqlite3.connect(data / "keystead.db") as connection:
        connection.execute("VACUUM INTO ?", (str(into / name / "keystead.db"),))
    connection.close()
    return into / name


def test_only_the_backups_of_the_same_server_are_counted_and_removed(data: Path, tmp_path: Path) -> None:
    into, elsewhere = tmp_path / "backups", tmp_path / "other"
    with live(elsewhere):
        pass
    theirs = [back_up(elsewhere, into).name for _ in range(2)]
    earlier = folder_of(data, into, "20190101T000000.000Z")
    ours = [back_up(data, into).name for _ in range(2)]
    kinds = ["empty", "more", "none", "restored", "link", "file", "cut"]
    strange = {kind: into / f"2020010{day}T000000.000Z" for day, kind in enumerate(kinds, 1)}
    for kind in ("link", "file", "cut"):
        strange[kind] = strange[kind].with_name(f"{strange[kind].name}.keystead")
    for kind in ("more", "restored"):
        shutil.copytree(earlier, strange[kind])
    strange["empty"].mkdir()
    (strange["more"] / "notes").write_text("mine")
    strange["none"].mkdir()
    (strange["none"] / "keystead.db").write_bytes(b"no database" * 1000)
    shutil.copy(data / "root.key", strange["restored"])  # somebody serves it perhaps
    strange["link"].symlink_to(into / ours[0])
    strange["file"].write_text("mine")
    strange["cut"].write_bytes((into / ours[0]).read_bytes()[:100])
    told = keystead("backup", str(into), "--data", str(data), "--keep", "2")
    assert {path.name for path in into.iterdir()} == {
        *theirs, ours[1], made(told).name, *(one.name for one in strange.values()),
    }  # fmt: skip
    for path in strange.values():
        assert (
            f"warning: {path} is not counted, and stays: it is named as a backup, and is not" in told.stderr
        )
    assert "backups of other servers, which are not counted and stay: 2\n" in told.stderr
    assert f"removed {earlier}\n" in told.stderr
    assert f"removed {into / ours[0]}\n" in told.stderr


def test_a_name_of_its_own_is_taken_over_by_the_next_one_of_the_same_server(
    data: Path, tmp_path: Path
) -> None:
    to, other = tmp_path / "keystead.backup", tmp_path / "other"
    assert keystead("backup", str(to), "--data", str(data)).returncode == 0
    before = to.read_bytes()
    assert keystead("backup", str(to), "--data", str(data)).returncode == 0
    assert before != to.read_bytes()
    assert verify(to, data).returncode == 0
    with live(other):
        pass
    for content, what in (
        (to.read_bytes(), "a backup of another server"),
        (b"mine", "no backup"),
        (b"", "no backup"),
    ):
        to.write_bytes(content)
        told = keystead("backup", str(to), "--data", str(other))
        assert (told.returncode, told.stdout) == (1, "")
        assert f"{to} exists, and is {what}: it is not replaced" in told.stderr
        assert to.read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == ["keystead.backup", "other", "other.log"]


def test_one_is_verified_as_soon_as_it_is_made(data: Path, tmp_path: Path) -> None:
    told = keystead("backup", f"{tmp_path}/b/", "--verify", "--data", str(data))
    backup = made(told)
    assert told.stderr.endswith("verified: everything in it opens\n")
    assert json.loads((data / "backups.json").read_text())["file"] == str(backup)
    told = keystead("backup", "verify", str(backup), "--verify", "--data", str(data))
    assert (told.returncode, told.stdout) == (2, "")


def test_older_ones_stay_if_the_new_one_is_not_proved(data: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    good = [back_up(damaged, tmp_path / "b").name for _ in range(2)]
    with sqlite3.connect(damaged / "keystead.db") as connection:
        connection.execute("UPDATE key_versions SET material = zeroblob(length(material))")
    connection.close()
    told = keystead("backup", f"{tmp_path}/b", "--keep", "1", "--verify", "--data", str(damaged))
    assert (told.returncode, told.stdout) == (5, "")
    assert "does not open" in told.stderr
    assert set(good) < set(os.listdir(tmp_path / "b"))


def test_what_was_left_of_a_backup_that_was_killed_goes_at_the_next(data: Path, tmp_path: Path) -> None:
    left = data / ".keystead-aside-left"
    under_way = data / ".keystead-aside-now"
    for one in (left, under_way):
        one.mkdir(mode=0o700)
        (one / "keystead.db").write_bytes(b"x")
    descriptor = os.open(under_way, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        back_up(data, tmp_path / "backups")
        assert (left.exists(), under_way.exists()) == (False, True)
    finally:
        os.close(descriptor)
    back_up(data, tmp_path / "backups")
    assert not under_way.exists()


@pytest.mark.parametrize(
    "words", [["--keep", "0"], ["--keep", "-1"], ["--keep", "1000000"], ["--keep", "x"], []]
)
def test_a_wrong_command_line(words: list[str], data: Path, tmp_path: Path) -> None:
    told = keystead("backup", *([str(tmp_path / "b")] if words else []), "--data", str(data), *words)
    assert told.returncode == 2
    assert not (tmp_path / "b").exists()


def test_what_is_in_the_way_is_said(data: Path, tmp_path: Path) -> None:
    inside = tmp_path / "link"
    inside.symlink_to(data)
    for into in (data, data / "backups", inside / "backups"):
        told = keystead("backup", str(into), "--data", str(data))
        assert told.returncode == 1
        assert "is in the data directory itself" in told.stderr
    (tmp_path / "file").write_text("")
    told = keystead("backup", str(tmp_path / "file"), "--keep", "1", "--data", str(data))
    assert (told.returncode, told.stdout) == (1, "")
    assert "cannot make the folder" in told.stderr
    told = keystead("backup", str(tmp_path / "none" / "b"), "--data", str(data))
    assert (told.returncode, told.stdout) == (1, "")
    assert f"there is no folder {tmp_path / 'none'}" in told.stderr
    for content in (b"", b"x", b"no database" * 1000):
        broken = tmp_path / "broken"
        broken.mkdir(exist_ok=True)
        shutil.copy(data / "root.key", broken)
        (broken / "keystead.db").write_bytes(content)
        told = keystead("backup", str(tmp_path / "b"), "--data", str(broken))
        assert (told.returncode, told.stdout) == (1, "")
        assert f"cannot read the database {broken / 'keystead.db'}" in told.stderr
        assert not (tmp_path / "b").exists()
    told = keystead("backup", "", "--data", str(data), cwd=tmp_path)
    assert told.returncode == 2
    assert "the backup has no name" in told.stderr
    told = keystead("backup", "-", "--data", str(data), cwd=tmp_path)
    assert (told.returncode, (tmp_path / "-").exists()) == (2, False)
    assert "goes to no standard output" in told.stderr
    told = keystead("backup", str(tmp_path / "b"), "--data", str(tmp_path / "nothing"))
    assert (told.returncode, told.stdout) == (1, "")
    assert "there is no data in" in told.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_disk_leaves_the_old_backups_and_no_half_one(data: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    into.mkdir()
    pages = back_up(data, tmp_path / "first").stat().st_size // 4096 + 1
    size = 4096 * (pages + pages // 2)  # for one, and no second one
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(into)], check=True)
    try:
        kept = back_up(data, into)
        told = keystead("backup", str(into), "--data", str(data), "--keep", "1")
        assert (told.returncode, told.stdout) == (1, "")
        assert "No space left" in told.stderr
        assert os.listdir(into) == [kept.name]
        assert verify(kept, data).returncode == 0
        told = keystead("backup", str(kept), "--data", str(data))  # in its place
        assert told.returncode == 1
        assert verify(kept, data).returncode == 0
    finally:
        subprocess.run(["umount", str(into)], check=True)


def test_a_damaged_log_is_backed_up_and_said(data: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    good = back_up(data, tmp_path / "backups")
    with sqlite3.connect(damaged / "keystead.db") as connection:
        connection.execute("UPDATE audit SET source = '203.0.113.7' WHERE sequence = 2")
    connection.close()
    told = keystead("backup", str(tmp_path / "backups"), "--data", str(damaged))
    assert told.returncode == 1
    assert good.exists()
    assert "the backup is made, but its audit log is damaged: record 2 of chain" in told.stderr
    proved = verify(Path(told.stdout.strip()), damaged)
    assert (proved.returncode, proved.stdout) == (5, "")
    assert "is damaged: record 2 of chain" in proved.stderr


def test_a_backup_that_is_not_proved_takes_no_other_s_place(data: Path, tmp_path: Path) -> None:
    into, named = tmp_path / "backups", tmp_path / "named.keystead"
    good = back_up(data, into)
    assert keystead("backup", str(named), "--data", str(data), "--verify").returncode == 0
    before = named.read_bytes()
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    with sqlite3.connect(damaged / "keystead.db") as connection:
        connection.execute("UPDATE keys SET description = 'another' WHERE position = 1")
    connection.close()
    for words, unproved in (
        ((str(named), "--verify"), tmp_path / "named.keystead.unproved"),
        ((str(into), "--keep", "1"), into / "0-unproved.keystead"),
        ((str(into), "--keep", "1", "--verify"), into / "0-unproved.keystead"),
    ):
        told = keystead("backup", *words, "--data", str(damaged))
        assert (told.returncode, told.stdout) == (5, "")
        assert f"the new backup was not proved, and is {unproved}: in " in told.stderr
        assert "rows that had been altered" in told.stderr
        assert verify(unproved, data).returncode == 5
    assert named.read_bytes() == before
    assert sorted(one.name for one in into.iterdir()) == ["0-unproved.keystead", good.name]
    told = keystead("backup", str(into), "--keep", "1", "--data", str(data))
    assert (told.returncode, told.stderr.count("removed ")) == (0, 1), told.stderr
    assert not good.exists()


def test_a_pipe_is_no_place_for_a_backup(data: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    told = keystead("backup", str(tmp_path / "pipe"), "--data", str(data))
    assert told.returncode == 1
    assert "is no file" in told.stderr


@pytest.mark.parametrize("verb", ["create", "list", "restore", "prune"])
def test_a_verb_of_another_program_is_no_name_for_a_backup(data: Path, tmp_path: Path, verb: str) -> None:
    told = keystead("backup", verb, "--data", str(data), cwd=tmp_path)
    assert told.returncode == 2
    assert f"backup has no verb {verb}" in told.stderr
    assert f"a file of that name is ./{verb}" in told.stderr
    assert not list(tmp_path.iterdir())
