"""What a server says of itself where its files are gone."""

from pathlib import Path

from keystead.server.data.directory import DataDirectory, Running
from keystead.server.service.facts import facts_of, size_of, sizes_of
from keystead.settings import Settings

RUNNING = Running(
    pid=1,
    url="https://localhost:8443",
    ca_file="/d/ca.pem",
    ops_url="http://127.0.0.1:8444",
    proxy_url="http://127.0.0.1:1",
    region="cn-hangzhou",
    account="1",
    version="1",
)


def test_what_is_gone_has_no_size(tmp_path: Path) -> None:
    facts = facts_of(
        RUNNING,
        DataDirectory(tmp_path / "gone"),
        Settings(data="/d", name=("a", "b")),
        {"name": "keystead.toml"},
        started=1.5,
        certificate_expires=7,
        front="none",
        problems=["gone"],
        sizes=sizes_of(DataDirectory(tmp_path / "gone")),
    )
    assert (facts.database, facts.wal, facts.free) == (0, 0, 0)
    assert (facts.started, facts.certificate_expires, facts.own_authority) == (1, 7, True)
    assert (facts.proxy_url, facts.problems) == ("http://127.0.0.1:1", ("gone",))
    shown = {one.name: (one.value, one.source) for one in facts.settings}
    assert shown["name"] == ('["a","b"]', "keystead.toml")
    assert shown["data"] == ('"/d"', "default")


def test_what_is_there_has_a_size_and_a_disk_with_room(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.database.write_bytes(bytes(5))
    facts = facts_of(
        RUNNING,
        directory,
        Settings(),
        {},
        started=1,
        certificate_expires=0,
        front="none",
        problems=[],
        sizes=sizes_of(directory),
    )
    assert (facts.database, facts.wal) == (5, 0)
    assert facts.free > 0
    assert size_of(directory.database) == 5
