"""kill -9 at any moment of a backup and of a restore: no half one, the last good one as it was, and the next try works."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bench.grow import Size, build
from tests.backups import back_up, restore, verify
from tests.live import KEYSTEAD, keystead, without_ours

CYCLES = 40 if os.environ.get("TEST_EVIDENCE") else 12
pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store") / "data"
    build(folder, Size(3_000, 3_000))
    return folder


def start(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*KEYSTEAD, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=without_ours()
    )


def took(*words: str) -> float:
    """Seconds that it takes when nobody kills it."""
    began = time.monotonic()
    assert start(*words).wait(timeout=300) == 0
    return time.monotonic() - began


def killed(delay: float, *words: str) -> bool:
    """Start it and kill it after so long; False if it had ended."""
    process = start(*words)
    try:
        process.wait(timeout=delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def left(folder: Path) -> list[str]:
    """What is there beside backups."""
    return [name for name in os.listdir(folder) if not name.endswith(".keystead")]


def test_a_backup_that_is_killed_at_any_moment(data: Path, tmp_path: Path) -> None:
    into, keys = tmp_path / "backups", tmp_path / "backup.keys"
    good = back_up(data, into, "--keys", str(keys))
    words = ("backup", str(into), "--keep", "2", "--data", str(data), "--keys", str(keys))
    longest, kills = took(*words), 0
    for cycle in range(CYCLES):
        kills += killed(longest * (cycle + 1) / CYCLES, *words)
        newest = max(into.glob("*.keystead"))
        told = verify(newest, data, "--keys", str(keys))
        assert told.returncode == 0, (cycle, told.stderr)
        for one in into.iterdir():  # a name that is not finished has nothing that could be taken for one
            assert one.name.startswith(".keystead-") or one in (good, newest) or one.suffix == ".keystead"
    assert kills > CYCLES // 3
    back_up(data, into, "--keep", "1", "--keys", str(keys))
    assert [name for name in os.listdir(data) if name.startswith(".keystead-aside")] == []
    assert sorted(path.name for path in data.iterdir() if path.name.startswith("restoring")) == []


def test_a_named_backup_that_is_killed_is_the_old_or_the_new_one(data: Path, tmp_path: Path) -> None:
    to = tmp_path / "keystead.backup"
    words = ("backup", str(to), "--data", str(data))
    longest = took(*words)
    for cycle in range(CYCLES):
        killed(longest * (cycle + 1) / CYCLES, *words)
        assert verify(to, data).returncode == 0
    assert left(tmp_path) == ["keystead.backup"]


def test_a_restore_that_is_killed_at_any_moment(data: Path, tmp_path: Path) -> None:
    backup = back_up(data, tmp_path / "backups")
    content = backup.read_bytes()
    shutil.copy(data / "root.key", tmp_path)
    to = tmp_path / "new"
    words = ("restore", str(backup), "--data", str(to), "--root-key", str(tmp_path / "root.key"))
    longest, kills = took(*words), 0
    shutil.rmtree(to)
    for cycle in range(CYCLES):
        was_killed = killed(longest * (cycle + 1) / CYCLES, *words)
        kills += was_killed
        if (to / "keystead.db").exists():
            # It had its name: then it is whole.
            assert keystead("audit", "verify", "--data", str(to)).returncode == 0
            shutil.rmtree(to)
            continue
        assert was_killed
        if (to / "restoring.db").exists():  # nothing serves half of one
            told = keystead("serve", "--data", str(to), "--listen", "localhost:0")
            assert told.returncode == 1
            assert "did not come to its end" in told.stderr
        if cycle % 2:
            restore(backup, tmp_path / "root.key", to)
            assert keystead("audit", "verify", "--data", str(to)).returncode == 0
            assert not [name for name in os.listdir(to) if name.startswith("restoring")]
            shutil.rmtree(to)
    assert kills > CYCLES // 3
    assert backup.read_bytes() == content


def full(folder: Path, size: int) -> None:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_restore_onto_a_disk_that_fills_up_leaves_it_empty(data: Path, tmp_path: Path) -> None:
    backup = back_up(data, tmp_path / "backups")
    size = os.stat(data / "keystead.db").st_size
    for share in (2, 4, 5, 7):  # quarters and more of what it needs: as it is read, migrated, renamed
        to = tmp_path / f"disk{share}"
        full(to, size * share // 8)
        try:
            told = keystead("restore", str(backup), "--data", str(to), "--root-key", str(data / "root.key"))
            assert told.returncode == 1, told.stdout
            assert "error: cannot" in told.stderr or "full" in told.stderr
            assert "Traceback" not in told.stderr
            assert set(os.listdir(to)) <= {"lock"}
        finally:
            subprocess.run(["umount", str(to)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_disk_beside_the_data_harms_nothing(data: Path, tmp_path: Path) -> None:
    backup = back_up(data, tmp_path / "backups")
    aside = tmp_path / "aside"
    full(aside, 1 << 20)
    try:
        for words in (["verify", str(backup)], [str(tmp_path / "another")]):
            told = keystead("backup", *words, "--data", str(data), "--aside", str(aside))
            assert (told.returncode, told.stdout) == (1, "")
            assert f"{aside} has " in told.stderr
            assert "hint: make room, or name another folder with --aside" in told.stderr
            assert os.listdir(aside) == []
    finally:
        subprocess.run(["umount", str(aside)], check=True)
    assert not (tmp_path / "another").exists()
