import os
from pathlib import Path

import pytest

from keystead.cli.commands.file.reading import walked
from keystead.cli.output import WrongCommandLine
from keystead.errors import OperatorError


def test_every_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("d/b", "d/a", "d/.git/x", "d/e/c"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("d/link").symlink_to("a")
    Path("d/around").symlink_to(".")
    os.mkfifo("d/pipe")
    assert list(walked(["d"])) == ["d/a", "d/b", "d/e/c"]
    assert list(walked(["d/b", "d", "./d/a"])) == ["d/b", "d/a", "d/e/c"]
    # A link that is named is meant; it is the same file.
    assert list(walked(["d/link", "d"])) == ["d/link", "d/b", "d/e/c"]
    assert list(walked(["nowhere"])) == ["nowhere"]
    with pytest.raises(WrongCommandLine):
        list(walked(["d", "-"]))


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "sub").mkdir()
    found = walked([str(tmp_path)])
    assert next(found) == str(tmp_path / "a")
    (tmp_path / "sub").rmdir()
    with pytest.raises(OperatorError, match=r"cannot read .*/sub: No such file or directory"):
        next(found)
