"""`keystead backup`: what it copies opens elsewhere, with the root key and not without it."""

import errno
import fcntl
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

from keystead.clock import SystemClock
from keystead.server import operator
from tests.live import LiveServer, keystead, live

TEXT = "对称加密 secret"


def made(told: "subprocess.CompletedProcess[str]") -> Path:
    assert told.returncode == 0, told.stderr
    return Path(told.stdout.strip())


def back_up(data: Path, into: Path, *more: str) -> Path:
    return made(keystead("backup", str(into), "--data", str(data), *more))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def restore(backup: Path, root_key: Path, to: Path) -> Path:
    """As the page says it: the backup, and the root key that was kept apart."""
    shutil.copytree(backup, to)
    shutil.copy(root_key, to)
    return to


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
    assert re.fullmatch(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z", backup.name)
    assert sorted(one.name for one in backup.iterdir()) == ["ca.pem", "keystead.db"]
    assert backup.stat().st_mode & 0o777 == into.stat().st_mode & 0o777 == 0o700
    assert (backup / "keystead.db").stat().st_mode & 0o777 == 0o600
    copied = b"".join(one.read_bytes() for one in backup.iterdir())
    root_key = (data / "root.key").read_text().splitlines()[1]
    for secret in (root_key, access_key[1], TEXT):
        assert secret.encode() not in copied

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
    shutil.copytree(backup, alone)
    told = keystead("serve", "--data", str(alone), "--listen", "localhost:0")
    assert told.returncode == 1
    assert "the root key file" in told.stderr


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
    (into / ".20200101T000000.000Z.part").mkdir()  # of one that was killed
    (into / ".99990101T000000.000Z.part").mkdir()  # of one that may be under way
    others = {"20200101T000000.000Z-mine", "notes", ".99990101T000000.000Z.part"}
    third = back_up(data, into)
    assert {first.name, second.name, third.name} < set(os.listdir(into))
    fourth = back_up(data, into, "--keep", "2")
    assert set(os.listdir(into)) == {third.name, fourth.name, *others}
    fifth = back_up(data, into, "--keep", "1")
    assert set(os.listdir(into)) == {fifth.name, *others}
    sixth = back_up(data, into, "--keep", "999999")
    assert set(os.listdir(into)) == {fifth.name, sixth.name, *others}
    # A clock that was ahead once does not cost the backups that are made since.
    fifth.rename(into / "99990101T000000.000Z")
    told = keystead("backup", str(into), "--data", str(data), "--keep", "1")
    assert set(os.listdir(into)) == {made(told).name, "99990101T000000.000Z", *others}
    assert (
        f"warning: {into / '99990101T000000.000Z'} is not counted, and stays: it is dated in" in told.stderr
    )


def test_only_the_backups_of_the_same_server_are_counted_and_removed(data: Path, tmp_path: Path) -> None:
    into, elsewhere = tmp_path / "backups", tmp_path / "other"
    with live(elsewhere):
        pass
    theirs = [back_up(elsewhere, into).name for _ in range(2)]
    ours = [back_up(data, into).name for _ in range(2)]
    kinds = ["empty", "more", "cut", "none", "link", "file", "restored"]
    strange = {kind: into / f"2020010{day}T000000.000Z" for day, kind in enumerate(kinds, 1)}
    for kind in ("more", "cut", "none", "restored"):
        shutil.copytree(into / ours[0], strange[kind])
    strange["empty"].mkdir()
    (strange["more"] / "notes").write_text("mine")
    (strange["cut"] / "keystead.db").write_bytes((into / ours[0] / "keystead.db").read_bytes()[:1000])
    (strange["none"] / "keystead.db").write_bytes(b"no database" * 1000)
    strange["link"].symlink_to(into / ours[0])
    strange["file"].write_text("mine")
    shutil.copy(data / "root.key", strange["restored"])  # somebody serves it perhaps
    before = {path: path.stat().st_mtime_ns for path in into.rglob("*")}
    told = keystead("backup", str(into), "--data", str(data), "--keep", "2")
    assert {path.name for path in into.iterdir()} == {
        *theirs, *ours[1:], made(told).name, *(one.name for one in strange.values()),
    }  # fmt: skip
    for path in strange.values():
        assert (
            f"warning: {path} is not counted, and stays: it is named as a backup, and is not" in told.stderr
        )
    assert "backups of other servers, which are not counted and stay: 2\n" in told.stderr
    assert f"removed {into / ours[0]}\n" in told.stderr
    for path, when in before.items():  # looking leaves nothing
        if path.name != ours[0] and path.parent.name != ours[0] and path != strange["link"]:
            assert path.stat().st_mtime_ns == when
    # One that was looked into, or that an earlier version made, is one still.
    assert keystead("audit", "verify", "--data", str(into / ours[1])).returncode == 0
    keystead("serve", "--data", str(into / ours[1]), "--listen", "localhost:0")
    with sqlite3.connect(into / ours[1] / "keystead.db") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    for one in (*strange.values(), *(into / name for name in theirs)):
        one.unlink() if one.is_symlink() or one.is_file() else shutil.rmtree(one)
    told = keystead("backup", str(into), "--data", str(data), "--keep", "1")
    assert os.listdir(into) == [made(told).name]
    assert "warning" not in told.stderr
    assert "other servers" not in told.stderr


def test_a_part_that_is_under_way_is_left_alone(data: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    under_way, left, strange = (into / f".2020010{day}T000000.000Z.part" for day in (1, 2, 3))
    for one in (under_way, left, strange):
        one.mkdir(parents=True)
        (one / "keystead.db").touch()
    (strange / "notes").write_text("mine")
    descriptor = os.open(under_way, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        kept = back_up(data, into, "--keep", "1")
        assert set(os.listdir(into)) == {kept.name, under_way.name, strange.name}
    finally:
        os.close(descriptor)
    kept = back_up(data, into, "--keep", "1")
    assert set(os.listdir(into)) == {kept.name, strange.name}


def test_a_part_of_another_server_is_left_alone(data: Path, tmp_path: Path) -> None:
    into, other = tmp_path / "backups", tmp_path / "other"
    with live(other):
        pass
    for number, whose in ((1, data), (2, other)):
        (into / f".2020010{number}T000000.000Z.part").mkdir(parents=True)
        shutil.copy(whose / "keystead.db", into / f".2020010{number}T000000.000Z.part")
    kept = back_up(data, into, "--keep", "1")
    assert set(os.listdir(into)) == {kept.name, ".20200102T000000.000Z.part"}


@pytest.mark.parametrize(("age", "left"), [(86_300, True), (86_500, False)])
def test_where_nothing_can_be_locked_the_age_of_a_part_tells(
    age: float, left: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, how: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    part, clock = tmp_path / "backups" / ".20200101T000000.000Z.part", SystemClock()
    part.mkdir(parents=True)
    (part / "keystead.db").touch()
    began = clock.now() - age
    os.utime(part, (began, began))
    made = operator.back_up(str(data), tmp_path / "backups", 1, clock)
    assert part.exists() == left
    assert (part in made.removed) == (not left)


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
    told = keystead("backup", str(tmp_path / "file"), "--data", str(data))
    assert (told.returncode, told.stdout) == (1, "")
    assert "cannot make the backup" in told.stderr
    for content in (b"", b"x", b"no database" * 1000):
        broken = tmp_path / "broken"
        broken.mkdir(exist_ok=True)
        (broken / "keystead.db").write_bytes(content)
        told = keystead("backup", str(tmp_path / "b"), "--data", str(broken))
        assert (told.returncode, told.stdout) == (1, "")
        assert f"cannot read the database {broken / 'keystead.db'}" in told.stderr
        assert not (tmp_path / "b").exists()
    told = keystead("backup", "", "--data", str(data), cwd=tmp_path)
    assert told.returncode == 2
    assert "the folder has no name" in told.stderr
    told = keystead("backup", "-", "--data", str(data), cwd=tmp_path)
    assert (told.returncode, (tmp_path / "-").exists()) == (2, False)
    assert "a backup is a folder" in told.stderr
    told = keystead("backup", str(tmp_path / "b"), "--data", str(tmp_path / "nothing"))
    assert (told.returncode, told.stdout) == (1, "")
    assert "there is no data in" in told.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_disk_leaves_the_old_backups_and_no_half_one(data: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    into.mkdir()
    size = 3 * (data / "keystead.db").stat().st_size // 2
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(into)], check=True)
    try:
        kept = back_up(data, into)
        told = keystead("backup", str(into), "--data", str(data), "--keep", "1")
        assert (told.returncode, told.stdout) == (1, "")
        assert "error: cannot " in told.stderr
        assert "hint: check the free space there" in told.stderr
        assert os.listdir(into) == [kept.name]
        assert keystead("audit", "verify", "--data", str(kept)).returncode == 0
    finally:
        subprocess.run(["umount", str(into)], check=True)


def test_a_damaged_log_is_backed_up_and_said(data: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    good = back_up(data, tmp_path / "backups")
    with sqlite3.connect(damaged / "keystead.db") as connection:
        connection.execute("UPDATE audit SET source = '203.0.113.7' WHERE sequence = 2")
    connection.close()
    told = keystead("backup", str(tmp_path / "backups"), "--keep", "1", "--data", str(damaged))
    assert told.returncode == 1
    assert good.exists()  # it is what is left
    assert "the backup is made, but its audit log is damaged: record 2 of chain" in told.stderr
    assert (Path(told.stdout.strip()) / "keystead.db").exists()
