import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keystead.errors import OperatorError, WrongSetting
from keystead.server.data.directory import DataDirectory, Running

RUNNING = Running(
    pid=1,
    url="https://localhost:8443",
    ca_file=None,
    ops_url="http://127.0.0.1:8444",
    proxy_url=None,
    region="cn-hangzhou",
    account="1000000000000001",
    version="0.1.0",
)
HOLD = """
import sys
from keystead.server.data.directory import DataDirectory
directory = DataDirectory(sys.argv[1])
directory.lock()
print("held", flush=True)
sys.stdin.read()
"""
LEAVE_A_CHILD = """
import os, sys
from keystead.server.data.directory import DataDirectory
DataDirectory(sys.argv[1]).lock()
child = os.fork()
if child:
    os.write(1, b"%d\\n" % child)
else:
    os.write(1, b"up\\n")
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.prepare()
    return made


def start(program: str, directory: DataDirectory) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def test_a_new_directory_is_its_owners_alone(directory: DataDirectory) -> None:
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    directory.prepare()


def test_a_directory_without_a_name_is_none() -> None:
    with pytest.raises(WrongSetting, match="has no name"):
        DataDirectory("")


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="cannot make the data directory"):
        DataDirectory(tmp_path / "file").prepare()
    assert not DataDirectory(tmp_path / "file").locked()
    with pytest.raises(OperatorError, match="cannot open"):
        DataDirectory(tmp_path / "file").lock()


@pytest.mark.parametrize(
    "names",
    [
        ["lost+found"],
        [".gitkeep", ".gitignore", ".DS_Store", ".keep", ".nfs00000a1"],
        ["keystead.toml"],
        ["lock", "server.json", "control.sock", "root-access-key.json.new", "proxy", "ca.pem"],  # cut off
        ["keystead.log", "tls", "seed.txt"],  # of its own settings
        ["keystead.db", "anything", "etc"],
        ["root.key", "anything"],
        ["root-access-key.json", "anything"],
    ],
)
def test_a_directory_of_nobody_s_or_of_our_own_will_do(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "tls").unlink(missing_ok=True)
    (tmp_path / "tls").mkdir()
    beside = (
        "",
        "-",
        str(tmp_path / "keystead.log"),
        str(tmp_path / "tls" / "cert.pem"),
        str(tmp_path / "seed.txt"),
    )
    DataDirectory(tmp_path).prepare(beside)
    link = tmp_path.with_name(f"link to {tmp_path.name}")
    link.symlink_to(tmp_path)
    DataDirectory(link).prepare(beside)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["passwd"], "it holds passwd"),
        (["c", "b", "a"], "it holds a, b, c"),
        (["c", "b", "a", "d", "lost+found"], "it holds a, b, c and 1 more"),
        ([".bashrc"], r"it holds \.bashrc"),
        (["lock", "ca.pem", "keystead.db-wal"], "it holds keystead.db-wal"),
        (["not.new.toml.txt"], "it holds not"),
    ],
)
def test_a_directory_of_others_is_refused_and_left_as_it_is(
    names: list[str], told: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(WrongSetting, match=told) as error:
        DataDirectory(tmp_path).prepare(("", "-", "elsewhere/passwd"))
    assert error.value.hint == f"name an empty directory, or a new one, such as {tmp_path / 'keystead'}"
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_what_was_probably_meant_is_named(tmp_path: Path) -> None:
    backup = tmp_path / "20260101T000000.000Z"
    backup.mkdir()
    (backup / "keystead.db").touch()
    with pytest.raises(WrongSetting) as error:
        DataDirectory(tmp_path).prepare()
    assert error.value.hint.startswith(f"{backup} looks like a backup: keystead restore makes")
    (backup / "root.key").touch()
    with pytest.raises(WrongSetting) as error:
        DataDirectory(tmp_path).prepare()
    assert error.value.hint == f"the data directory {backup} is in it: name that"


def test_a_directory_that_cannot_be_written_is_named(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asked through os.access, since root may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OperatorError, match="cannot be written"):
        directory.prepare()


def test_a_lock_file_that_cannot_be_opened_is_named(directory: DataDirectory) -> None:
    (directory.path / "lock").mkdir()
    with pytest.raises(OperatorError, match="cannot open"):
        directory.locked()
    with pytest.raises(OperatorError, match="cannot open"):
        directory.lock()


def test_the_lock_keeps_a_second_process_out(directory: DataDirectory) -> None:
    assert not directory.locked()
    holder = start(HOLD, directory)
    try:
        assert said(holder) == "held"
        assert directory.locked()
        with pytest.raises(OperatorError, match="still starting or stopping"):
            directory.lock()
        directory.describe(RUNNING)
        with pytest.raises(OperatorError, match="pid 1, https://localhost:8443"):
            directory.lock()
    finally:
        end(holder)
    assert not directory.locked()
    directory.lock()
    directory.unlock()
    directory.unlock()


def test_a_lock_left_by_a_killed_process_is_free(directory: DataDirectory) -> None:
    holder = start(HOLD, directory)
    assert said(holder) == "held"
    holder.send_signal(signal.SIGKILL)
    end(holder)
    assert (directory.path / "lock").exists()
    directory.lock()
    directory.unlock()


def test_a_child_that_outlives_its_parent_does_not_hold_the_lock(directory: DataDirectory) -> None:
    parent = start(LEAVE_A_CHILD, directory)
    lines = {said(parent), said(parent)}
    assert "up" in lines
    assert parent.wait() == 0
    child = int(next(line for line in lines if line != "up"))
    os.kill(child, 0)  # it lives, with all descriptors that it could inherit
    assert not directory.locked()
    directory.lock()
    directory.unlock()
    end(parent)


def test_a_server_is_described_until_it_stops(directory: DataDirectory) -> None:
    assert directory.running() is None
    directory.describe(RUNNING)
    directory.control.touch()
    assert directory.running() == RUNNING
    assert stat.S_IMODE(directory.description.stat().st_mode) == 0o600
    directory.forget()
    assert directory.running() is None
    assert not directory.control.exists()
    directory.forget()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"pid":"x"}'])
def test_a_damaged_description_is_none(directory: DataDirectory, content: bytes) -> None:
    directory.description.write_bytes(content)
    assert directory.running() is None


def test_a_file_is_replaced_at_once_and_closed_to_others(directory: DataDirectory) -> None:
    path = directory.root_access_key
    directory.write(path, {"old": 1})
    reader = path.open("rb")
    (directory.path / "root-access-key.json.new").write_text("left by a crash")
    directory.write(path, {"new": "密"})
    with reader:
        assert reader.read() == b'{\n  "old": 1\n}\n'
    assert path.read_bytes() == b'{\n  "new": "\\u5bc6"\n}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in directory.path.iterdir()) == ["root-access-key.json"]


def test_a_write_that_fails_leaves_the_old_content(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directory.root_access_key
    directory.write(path, {"old": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        directory.write(path, {"new": 1})
    assert path.read_bytes() == b'{\n  "old": 1\n}\n'
