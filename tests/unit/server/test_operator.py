"""Operator commands on a data directory without a server; with one they are tests/cli's."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from keystead import __version__
from keystead.client.access_key import read_access_key
from keystead.clock import SystemClock
from keystead.crypto.primitives import libcrypto
from keystead.crypto.root_key import create_file
from keystead.domain.accounts import RootKeyFacts
from keystead.domain.audit import Kind
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.operator import (
    Wanted,
    is_root_access_key,
    look_at_database,
    look_at_root_key,
    open_audit,
    run_operation,
    sm2_problem,
)
from keystead.store.sqlite import SqliteStore


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
    status, made = run_operation(data, "CreateAccessKey", {}, "tests")[:2]
    assert status == 200
    status, listed = run_operation(data, "ListAccessKeys", {}, "tests")[:2]
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
    status, members = run_operation(data, "DeleteAccessKey", {"AccessKeyId": "nobody"}, "tests")[:2]
    assert (status, members["Code"]) == (404, "InvalidAccessKeyId.NotFound")
    status, members = run_operation(data, "Nonsense", {}, "tests")[:2]
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


def test_a_root_key_that_is_missing_or_another_ones(data: str, tmp_path: Path) -> None:
    directory = DataDirectory(data)
    look = look_at_root_key(directory)
    assert (look.shown, look.problem, look.unseen) == (str(directory.root_key), None, "")
    directory.root_key.rename(tmp_path / "kept")
    missing = look_at_root_key(directory).problem
    assert missing is not None
    assert "is missing" in missing.message
    create_file(directory.root_key, SystemEntropy())
    other = look_at_root_key(directory).problem
    assert other is not None
    assert "sealed under another root key" in other.message


def test_a_root_key_that_needs_a_person_or_a_setting_is_not_looked_for(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = DataDirectory(data)
    for setting, why in (
        ("passphrase", "it is asked for on a terminal"),
        ("passphrase:fd:3", "it is read from a descriptor, once"),
        ("credential:root-key", "systemd gives it to the service alone"),
        ("pkcs11:token=t;object=o?module-path=/m.so", "it is asked for on a terminal"),
    ):
        monkeypatch.setenv("KEYSTEAD_ROOT_KEY", setting)
        look = look_at_root_key(directory)
        assert (look.shown, look.problem, look.unseen) == (setting, None, why)
    monkeypatch.setenv("KEYSTEAD_ROOT_KEY", "nonsense")
    wrong = look_at_root_key(directory).problem
    assert wrong is not None
    assert wrong.message.startswith("root-key must begin with")
    monkeypatch.delenv("KEYSTEAD_ROOT_KEY")
    # One that the data names, and that no setting does.
    store = SqliteStore.open(directory.database, clock=SystemClock(), entropy=SystemEntropy())
    store.begin()
    (row,) = store.keyring.all()
    kms = "kms:https://kms.example.org?key=alias/root"
    facts = RootKeyFacts(fingerprint=row.root_fingerprint, provider=kms, parameters="", since=1)
    store.keyring.put_root(facts)
    store.commit()
    store.close()
    look = look_at_root_key(directory)
    assert (look.shown, look.problem, bool(look.unseen)) == (kms, None, True)


def test_a_database_that_cannot_be_read(data: str) -> None:
    directory = DataDirectory(data)
    assert look_at_database(directory).problem is None
    directory.database.write_bytes(b"no database" * 1000)
    problem = look_at_database(directory).problem
    assert problem is not None
    assert problem.message.startswith(f"cannot read the database {directory.database}")
    assert look_at_root_key(directory).problem is None


def test_whether_the_machine_has_sm2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sm2_problem() is None

    def missing() -> None:
        raise libcrypto.Unavailable

    monkeypatch.setattr(libcrypto, "load", missing)
    assert isinstance(sm2_problem(), libcrypto.Unavailable)
