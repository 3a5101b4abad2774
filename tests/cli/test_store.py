"""`keystead store`: verify and accept, on stopped and running directories."""

import json
import os
from pathlib import Path

import apsw
import pytest

from keystead import owners
from tests.live import LiveServer, keystead, live


@pytest.fixture
def stopped(tmp_path: Path) -> LiveServer:
    with live(tmp_path / "data") as server:
        server.client().ok("CreateKey")
    return server


def alter(server: LiveServer, sql: str) -> None:
    connection = apsw.Connection(str(server.data / "keystead.db"))
    connection.execute(sql)
    assert connection.changes()
    connection.close()


def test_what_is_whole_is_told_with_its_revision_whether_a_server_runs_or_not(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        server.client().ok("CreateKey")
        running = keystead("store", "verify", "--data", str(server.data))
    after = keystead("store", "verify", "--data", str(server.data))
    assert running.returncode == after.returncode == 0
    assert " rows at revision " in running.stdout
    assert after.stdout == running.stdout
    assert after.stderr == ""


def test_everything_that_is_wrong_is_named(stopped: LiveServer) -> None:
    alter(stopped, "UPDATE keys SET description = 'x'")
    alter(stopped, "UPDATE audit SET code = 'Forbidden.KeyNotFound'")
    alter(stopped, "DELETE FROM stretches")
    told = keystead("store", "verify", "--data", str(stopped.data))
    assert told.returncode == 1
    assert [line.split(" ")[0] for line in told.stdout.splitlines()] == ["keys", "audit:", "stretches"]
    assert "error: 3 things found that the service did not write" in told.stderr
    assert "hint: " in told.stderr


def test_accepting_needs_to_be_meant_and_is_recorded_with_what_was_wrong(stopped: LiveServer) -> None:
    data = str(stopped.data)
    alter(stopped, "UPDATE keys SET state = 'Disabled'")
    unsure = keystead("store", "accept", "--data", data)
    assert (unsure.returncode, unsure.stdout) == (2, "")
    assert keystead("store", "verify", "--data", data).returncode == 1
    done = keystead("store", "accept", "--yes", "--data", data)
    assert done.returncode == 0
    assert done.stdout.startswith("accepted: keys ")
    assert keystead("store", "verify", "--data", data).returncode == 0
    listed = keystead("audit", "list", "--json", "--action", "AcceptStore", "--data", data)
    (record,) = map(json.loads, listed.stdout.splitlines())
    assert (record["kind"], record["principal"]) == ("OperatorCommand", owners.name_of(os.geteuid()))
    assert record["parameters"]["Found"].startswith("keys ")
    stopped.start()
    try:
        status, members = stopped.client().call(
            "Encrypt", KeyId=record["parameters"]["Found"].split(" ")[3].rstrip(":"), Plaintext="x"
        )
        assert (status, members["Code"]) == (409, "Rejected.Disabled")
        while_running = keystead("store", "accept", "--yes", "--data", data)
        assert while_running.returncode == 1
        assert "another server holds" in while_running.stderr
    finally:
        stopped.stop()
    again = keystead("store", "accept", "--yes", "--data", data)
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing had been altered" in again.stderr


@pytest.mark.parametrize(
    "taken",
    ["DELETE FROM seals", "DELETE FROM service_secrets", "UPDATE meta SET value = 7 WHERE name = 'horizon'"],
)
def test_a_server_that_does_not_start_any_more_does_so_after_it_is_accepted(
    stopped: LiveServer, taken: str
) -> None:
    alter(stopped, taken)
    data = str(stopped.data)
    assert keystead("store", "verify", "--data", data).returncode == 1
    assert keystead("serve", "--data", data, "--listen", "localhost:0").returncode == 1
    assert keystead("store", "accept", "--yes", "--data", data).returncode == 0
    assert keystead("store", "verify", "--data", data).returncode == 0
    stopped.start()
    stopped.client().ok("ListKeys")
    stopped.stop()


@pytest.mark.parametrize("words", [("verify",), ("accept", "--yes")])
def test_there_must_be_data_and_its_root_key(
    stopped: LiveServer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    told = keystead("store", *words, "--data", str(tmp_path / "none"))
    assert told.returncode == 1
    assert "there is no data in" in told.stderr
    (stopped.data / "root.key").rename(tmp_path / "aside")
    told = keystead("store", *words, "--data", str(stopped.data))
    assert told.returncode == 1
    assert "root key" in told.stderr
    assert "Traceback" not in told.stderr
