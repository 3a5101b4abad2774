import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from keystead import portable

CONTENT = b"-----BEGIN PRIVATE KEY-----\n" * 9000  # more than a pipe holds


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_in_memory(temporary: Path) -> None:
    before = descriptors()
    with portable.file_with(CONTENT) as path:
        assert list(temporary.iterdir()) == []
        assert os.readlink(path).startswith("/memfd:")
        assert Path(path).read_bytes() == CONTENT
    assert descriptors() == before


@pytest.mark.parametrize("where", ["/proc/self/fd", "/dev/fd"])
def test_a_file_that_has_lost_its_name(where: str, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(portable, "_DESCRIPTORS", ("/nowhere", where))
    before = descriptors()
    with portable.file_with(CONTENT) as path:
        assert path.startswith(f"{where}/")
        assert list(temporary.iterdir()) == []
        status = os.stat(path)
        assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 0)
        # Where opening the path is a dup, it is read from where the descriptor stands.
        assert os.lseek(int(Path(path).name), 0, os.SEEK_CUR) == 0
        assert Path(path).read_bytes() == CONTENT
    assert descriptors() == before


@pytest.mark.parametrize("memfd", [True, False])
def test_a_file_with_a_name_where_descriptors_have_no_paths(
    memfd: bool, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not memfd:
        monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(portable, "_DESCRIPTORS", ("/nowhere", "/nowhere/either"))
    before = descriptors()
    with pytest.raises(ZeroDivisionError):
        with portable.file_with(CONTENT) as path:
            assert list(temporary.iterdir()) == [Path(path)]
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert Path(path).read_bytes() == CONTENT
            raise ZeroDivisionError
    assert list(temporary.iterdir()) == []
    assert descriptors() == before


@pytest.mark.parametrize("length", [portable.SOCKET_PATH, portable.SOCKET_PATH + 1, 200])
def test_a_socket_by_a_path_of_any_length(length: int, tmp_path: Path, temporary: Path) -> None:
    here = Path(tempfile.mkdtemp(dir="/tmp"))
    folder = here / ("d" * (length - len(str(here)) - len("//s")))
    folder.mkdir()
    path = folder / "s"
    assert len(os.fsencode(path)) == length
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with portable.socket_path(path) as address:
            assert (address == str(path)) == (length <= portable.SOCKET_PATH)
            server.bind(address)
        assert path.is_socket()
        server.listen()
        with portable.socket_path(path) as address:
            client.connect(address)
    assert list(temporary.iterdir()) == []
    path.unlink()
    folder.rmdir()
    here.rmdir()


def test_what_is_written_is_had_on_the_disk_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has a call of its own for that, which some file systems do not take."""
    done: list[str] = []

    def full(descriptor: int, command: int) -> int:
        assert command == 51
        done.append("full")
        if refused:
            raise OSError(45, "Operation not supported")
        return 0

    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("fsync"))
    refused = False
    portable.sync_directory(tmp_path)
    monkeypatch.setattr(portable, "_FULL_SYNC", 51)
    portable.sync_directory(tmp_path)
    refused = True
    portable.sync_directory(tmp_path)
    assert done == ["fsync", "full", "full", "fsync"]


def test_a_failed_sync_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    before = descriptors()
    with pytest.raises(OSError, match="Input/output"):
        portable.sync_directory(tmp_path)
    assert descriptors() == before


def test_a_directory_and_those_above_it_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(portable, "sync_directory", synced.append)
    there, made = tmp_path / "there", tmp_path / "there" / "a" / "b"
    there.mkdir()
    for _ in range(2):
        portable.make_directory(made, 0o700)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert synced == [made.parent, there]
    with pytest.raises(FileExistsError):
        (there / "file").touch()
        portable.make_directory(there / "file", 0o700)


def test_a_directory_in_one_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(portable, "sync_directory", refuse)
    portable.make_directory(tmp_path / "made", 0o700)
    assert (tmp_path / "made").is_dir()


def _stood_back(before: str = "") -> list[str]:
    """The priority and the class of a process that stood back."""
    program = (
        f"import os\n{before}\nfrom keystead.portable import stand_back\nstand_back()\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), getattr(os, 'sched_getscheduler', lambda _: None)(0))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return told.stdout.split()


def test_who_stands_back_takes_what_is_left_over() -> None:
    assert _stood_back() == ["19", str(getattr(os, "SCHED_IDLE", None))]
    without = "vars(os).pop('SCHED_IDLE', None); vars(os).pop('sched_getscheduler', None)"
    assert _stood_back(without) == ["19", "None"]


def test_who_may_not_stand_back_goes_on() -> None:
    refused = "def no(*_): raise PermissionError\nos.nice = os.sched_setscheduler = no"
    assert _stood_back(refused)[0] == str(os.getpriority(os.PRIO_PROCESS, 0))
