import os
from pathlib import Path

import pytest

from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.files import atomic_file
from keystead.files.atomic_file import Whole


def whole(path: Path, *, replace: bool = False) -> Whole:
    return Whole(path, 0o640, SeededEntropy(), replace=replace)


@pytest.fixture(params=["nameless", "named"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of a file system with nameless files, and of a system without."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    return tmp_path


def test_it_is_there_whole_or_not_at_all(folder: Path) -> None:
    with whole(folder / "out") as file:
        file.write(b"a" * 100_000)
        assert not (folder / "out").exists()
        file.finish()
    assert (folder / "out").read_bytes() == b"a" * 100_000
    assert (folder / "out").stat().st_mode & 0o777 == 0o640
    with pytest.raises(ZeroDivisionError), whole(folder / "other") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [one.name for one in folder.iterdir()] == ["out"]


def test_what_is_there_is_replaced_only_if_told(folder: Path) -> None:
    (folder / "out").write_text("old")
    with pytest.raises(OperatorError, match="exists already"), whole(folder / "out"):
        pass
    with whole(folder / "out", replace=True) as file:
        file.write(b"new")
        assert (folder / "out").read_text() == "old"
        file.finish()
    assert (folder / "out").read_text() == "new"
    assert [one.name for one in folder.iterdir()] == ["out"]


def test_what_another_made_meanwhile_stays(folder: Path) -> None:
    with pytest.raises(OperatorError, match="out"), whole(folder / "out") as file:
        file.write(b"new")
        (folder / "out").write_text("theirs")
        file.finish()
    assert (folder / "out").read_text() == "theirs"
    assert [one.name for one in folder.iterdir()] == ["out"]


def test_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with whole(tmp_path / "pipe") as file:
        file.write(b"x")
        file.finish()
    assert os.read(reader, 10) == b"x"
    with pytest.raises(BrokenPipeError), whole(tmp_path / "pipe") as file:
        os.close(reader)
        file.write(b"x")
    with pytest.raises(OperatorError, match="No space left"), whole(Path("/dev/full")) as file:
        file.write(b"x")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="it is a directory"), whole(tmp_path):
        pass
    with pytest.raises(OperatorError, match="No such file"), whole(tmp_path / "none" / "out"):
        pass
    (tmp_path / "gone").mkdir()
    with pytest.raises(OperatorError, match="cannot write"), whole(tmp_path / "gone" / "out") as file:
        (tmp_path / "gone").rmdir()
        file.finish()


def test_a_folder_that_cannot_be_synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic_file, "sync_directory", fail)
    with pytest.raises(OperatorError, match="out is written, and a power cut may take it away"):
        with whole(folder / "out") as file:
            file.write(b"new")
            file.finish()
    assert (folder / "out").read_text() == "new"


def test_a_name_that_cannot_be_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(OperatorError, match=r"cannot write .*out: Read-only file system"):
        with whole(folder / "out", replace=True) as file:
            file.write(b"new")
            file.finish()
    assert not (folder / "out").exists()
