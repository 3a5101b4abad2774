"""Operator commands on a data directory without a server; with one they are tests/cli's."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from keystead import __version__
from keystead.client.access_key import read_access_key
from keystead.clock import SystemClock
from keystead.domain.audit import Kind
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.operator import Wanted, is_root_access_key, open_audit, run_operation


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A data directory that a server has made and left."""
    directory = DataDirectory(tmp_path / "data")
    directory.prepare()
    directory.lock()
    open_store(directory, SystemClock(), SystemEntropy()).store.close()
    directory.unlock()
    return str(directory.path)


def actions(data: str) -> list[tuple[str, str]]:
    reader = open_audit(data)
    try:
        return [(record.action, record.code) for record in reader.all()]
    finally:
        reader.close()


def test_an_operation_is_carried_out_recorded_and_kept(data: str) -> None:
    status, made = run_operation(data, "CreateAccessKey", {}, "tests")
    assert status == 200
    status, listed = run_operation(data, "ListAccessKeys", {}, "tests")
    assert status == 200
    ids = [row["AccessKeyId"] for row in listed["AccessKeys"]["AccessKey"]]
    assert ids == [read_access_key(Path(data) / "root-access-key.json")[0], made["AccessKey"]["AccessKeyId"]]
    assert actions(data) == [("CreateAccessKey", ""), ("ListAccessKeys", "")]
    reader = open_audit(data)
    (record, _) = reader.list(Wanted())
    (verdict,) = reader.verify()
    reader.close()
    user = pwd.getpwuid(os.getuid()).pw_name
    assert (record.kind, record.principal, record.source) == (
        Kind.OPERATOR_COMMAND,
        user,
        f"unix:{os.getuid()}",
    )
    assert record.user_agent == f"keystead/{__version__} tests"
    assert made["AccessKey"]["Creator"] == user
    assert (verdict.head.count, verdict.bad) == (2, "")
    assert made["AccessKey"]["AccessKeySecret"] not in str(record)


def test_a_refusal_is_recorded_and_changes_nothing(data: str) -> None:
    status, members = run_operation(data, "DeleteAccessKey", {"AccessKeyId": "nobody"}, "tests")
    assert (status, members["Code"]) == (404, "InvalidAccessKeyId.NotFound")
    status, members = run_operation(data, "Nonsense", {}, "tests")
    assert (status, members["Code"]) == (404, "InvalidAction.NotFound")
    assert actions(data) == [
        ("DeleteAccessKey", "InvalidAccessKeyId.NotFound"),
        ("Nonsense", "InvalidAction.NotFound"),
    ]


def test_a_directory_without_data_is_told_and_left_alone(tmp_path: Path) -> None:
    for call in (lambda data: run_operation(data, "ListAccessKeys", {}, "tests"), open_audit):
        with pytest.raises(OperatorError, match="there is no data in"):
            call(str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_let_go_after_success_and_failure(data: str) -> None:
    directory = DataDirectory(data)
    run_operation(data, "ListAccessKeys", {}, "tests")
    assert not directory.locked()
    root_key = directory.root_key.read_bytes()
    directory.root_key.unlink()
    with pytest.raises(OperatorError, match=r"root\.key"):
        run_operation(data, "ListAccessKeys", {}, "tests")
    directory.root_key.write_bytes(root_key)
    directory.root_key.chmod(0o600)
    assert not directory.locked()
    assert run_operation(data, "ListAccessKeys", {}, "tests")[0] == 200


def test_a_damaged_database_is_told(data: str) -> None:
    database = DataDirectory(data).database
    database.write_bytes(b"\xff" * 4096)
    for call in (lambda: run_operation(data, "ListAccessKeys", {}, "tests"), lambda: open_audit(data)):
        with pytest.raises(OperatorError) as error:
            call()
        assert str(database) in error.value.message
        assert error.value.hint


def test_reading_the_records_writes_no_file_but_sqlites_own(data: str) -> None:
    run_operation(data, "ListAccessKeys", {}, "tests")
    before = {file.name: file.read_bytes() for file in Path(data).iterdir()}
    assert actions(data) == [("ListAccessKeys", "")]
    after = {file.name: file for file in Path(data).iterdir()}
    assert {name: after[name].read_bytes() for name in before} == before
    new = after.keys() - before.keys()
    assert new <= {"keystead.db-wal", "keystead.db-shm"}
    assert all(stat.S_IMODE(after[name].stat().st_mode) == 0o600 for name in new)


def test_the_root_access_key_is_known(data: str) -> None:
    root = read_access_key(Path(data) / "root-access-key.json")[0]
    assert is_root_access_key(data, root)
    assert not is_root_access_key(data, "other")
    (Path(data) / "root-access-key.json").unlink()
    assert not is_root_access_key(data, root)
