import json
import os
from pathlib import Path

import pytest

from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.node import Node

URL = "postgresql://localhost/keystead"


def joined(directory: DataDirectory, store: str = URL, epoch: int = 1) -> Node:
    """As after the server of the directory has started so often."""
    return node.keep(directory, Node(server="e0a7a2c5-0f3a-4c54-9f0c-0d2a25a2b2d1", store=store, epoch=epoch))


def test_a_directory_keeps_its_server(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    assert node.read(directory) is None
    assert node.joined(directory) is None
    made = node.make(directory, URL, SystemEntropy())
    assert len(made.server) == 36
    assert (made.store, made.epoch) == (URL, 0)
    assert node.joined(directory) is None
    assert directory.node.stat().st_mode & 0o777 == 0o600
    assert json.loads(directory.node.read_text()) == {"server": made.server, "store": URL, "epoch": 0}
    again = node.make(directory, "postgresql://db2/keystead", SystemEntropy())
    assert (again.server, again.store) == (made.server, "postgresql://db2/keystead")
    kept = joined(directory)
    assert node.read(directory) == node.joined(directory) == kept


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"server": 1, "store": ""}'])
def test_one_that_is_damaged_is_not_replaced(tmp_path: Path, content: str) -> None:
    directory = DataDirectory(tmp_path)
    directory.node.write_text(content)
    with pytest.raises(OperatorError, match="is damaged: it says which server") as caught:
        node.make(directory, URL, SystemEntropy())
    assert "keystead node list" in caught.value.hint
    assert directory.node.read_text() == content


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    (tmp_path / "file").touch()
    assert node.read(DataDirectory(tmp_path / "file")) is None
    os.mkdir(directory.node)
    with pytest.raises(OperatorError, match="cannot read"):
        node.read(directory)
