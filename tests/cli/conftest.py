"""What several modules of commands have in common: a module that needs another server has a fixture of its own."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live import LiveServer, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose one key is alias/work."""
    with live(tmp_path_factory.mktemp("server") / "data") as running:
        client = running.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.ok("CreateAlias", KeyId=key_id, AliasName="alias/work")
        client.close()
        yield running


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the test's own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def memory_of_our_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where nobody else edits."""
    with TemporaryDirectory(dir="/dev/shm") as place:
        monkeypatch.setenv("XDG_RUNTIME_DIR", place)
        yield Path(place)
