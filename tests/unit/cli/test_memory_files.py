import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from keystead.cli import memory_files
from keystead.files.temporary_folder import names


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(memory_files, "in_memory", lambda _: True)
    return tmp_path


def interrupted(answer: bool) -> Callable[[Path], bool]:
    def kept(_: Path) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        for _step in range(1000):  # an interrupt comes at some later step
            pass
        return answer

    return kept


def test_an_interrupt_at_the_end_loses_nothing(place: Path) -> None:
    told: list[Path] = []
    with (
        pytest.raises(KeyboardInterrupt),
        memory_files.private_directory(False, interrupted(True), told.append) as made,
    ):
        (made.path / "typed").touch()
    assert told == [made.path]
    assert names(made.path) == {"typed"}
    # It is no longer taken for one that was left by accident.
    with memory_files.private_directory(False, lambda _: False, told.append):
        pass
    assert told == [made.path]
    assert list(place.iterdir()) == [made.path]


def test_an_interrupt_at_the_end_leaves_nothing(place: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        memory_files.private_directory(False, interrupted(False), lambda _: None) as made,
    ):
        (made.path / "copy").touch()
    assert not list(place.iterdir())
