"""Folders that outlive a killed process only until the next one comes."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keystead.files.temporary_folder import TemporaryFolder

HOLD = """
import subprocess, sys
from keystead.files.temporary_folder import TemporaryFolder
folder = TemporaryFolder("test-", sys.argv[1])
(folder.path / "sub").mkdir()
(folder.path / "sub" / "file").write_text("content")
child = None
if sys.argv[2] == "child":
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[folder.lock])
print(folder.path, child.pid if child else 0, flush=True)
sys.stdin.read()
"""


def killed(where: Path, *, child: bool = False) -> tuple[Path, int]:
    """A folder whose process was killed, and the child that it left."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(where), "child" if child else "alone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    path, pid = process.stdout.readline().split()
    # While it lives nobody touches it.
    TemporaryFolder("test-", str(where)).close()
    assert (Path(path) / "sub" / "file").exists()
    process.kill()
    process.wait()
    return Path(path), int(pid)


def test_it_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with TemporaryFolder("test-", str(tmp_path)) as path:
        assert path.parent == tmp_path
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "file").touch()
        with TemporaryFolder("test-", str(tmp_path), mode=0o755) as other:
            assert other != path
            assert other.stat().st_mode & 0o777 == 0o755
            assert all(one.stat().st_mode & 0o077 == 0 for one in other.iterdir())
        assert (path / "file").exists()
    assert not list(tmp_path.iterdir())
    folder = TemporaryFolder("test-", str(tmp_path))
    folder.close()
    folder.close()


def test_the_next_one_removes_what_was_left(tmp_path: Path) -> None:
    left, _ = killed(tmp_path)
    TemporaryFolder("other-", str(tmp_path)).close()
    assert left.exists()
    TemporaryFolder("test-", str(tmp_path)).close()
    assert not list(tmp_path.iterdir())


def test_a_child_that_has_the_lock_keeps_it(tmp_path: Path) -> None:
    left, child = killed(tmp_path, child=True)
    TemporaryFolder("test-", str(tmp_path)).close()
    assert left.exists()
    os.kill(child, signal.SIGKILL)
    with (left / ".keystead-lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the child is gone
    TemporaryFolder("test-", str(tmp_path)).close()
    assert not left.exists()


def test_what_may_be_needed_stays_and_is_told(tmp_path: Path) -> None:
    left, _ = killed(tmp_path)
    told: list[Path] = []
    for _ in range(2):
        TemporaryFolder("test-", str(tmp_path), found=told.append).close()
    assert told == [left, left]
    (left / "sub" / "file").unlink()
    (left / "sub").rmdir()
    TemporaryFolder("test-", str(tmp_path), found=told.append).close()
    assert (len(told), left.exists()) == (2, False)


def test_one_that_is_to_stay_is_not_taken_for_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has opened its lock already."""
    staying = TemporaryFolder("test-", str(tmp_path))
    real = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        staying.leave()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    TemporaryFolder("test-", str(tmp_path)).close()
    assert staying.lock == -1
    assert staying.path.exists()


def test_what_only_looks_like_one_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, _ = killed(tmp_path)
    outside = tmp_path / "outside"
    left.rename(outside)
    (tmp_path / "test-link").symlink_to(outside)
    (tmp_path / "test-file").touch()
    (tmp_path / "test-earlier").mkdir()  # without a lock: of an earlier version, and perhaps in use
    (tmp_path / "test-lock").mkdir()
    (tmp_path / "test-lock" / ".keystead-lock").symlink_to(outside / ".keystead-lock")
    before = sorted(tmp_path.rglob("*"))
    TemporaryFolder("test-", str(tmp_path)).close()
    assert sorted(tmp_path.rglob("*")) == before
    # And what belongs to another user.
    outside.rename(left)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    TemporaryFolder("test-", str(tmp_path)).close()
    assert left.exists()
    monkeypatch.undo()
    TemporaryFolder("test-", str(tmp_path)).close()
    assert not left.exists()


def test_without_locks_nothing_is_taken_for_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, _ = killed(tmp_path)

    def none(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with TemporaryFolder("test-", str(tmp_path)) as path:
        monkeypatch.undo()
        TemporaryFolder("test-", str(tmp_path)).close()
        assert path.exists()
        assert not left.exists()
    assert not path.exists()


def test_one_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No such file"):
        TemporaryFolder("test-", str(tmp_path / "none"))

    def full(*_: object, **more: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: full() if ".new" in str(path) else real(path, *rest, **more)
    )
    with pytest.raises(OSError, match="No space"):
        TemporaryFolder("test-", str(tmp_path))
    assert not list(tmp_path.iterdir())
