"""Rows altered under a stopped and a running server: the calls that need them are refused, and all others answered."""

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.live import Client, LiveServer, keystead, live
from tests.unsealed import without_seals

ALTERED = "Rejected.StoredDataAltered"


def as_another_program(server: LiveServer, sql: str, *values: Any) -> None:
    connection = apsw.Connection(str(server.data / "keystead.db"))
    connection.execute("PRAGMA foreign_keys = OFF").fetchall()
    connection.execute(sql, values)
    assert connection.changes(), sql
    connection.close()


def ready(server: LiveServer) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.description['ops_url']}/ready", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def metric(server: LiveServer, name: str) -> float:
    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=10) as answer:
        (line,) = (one for one in answer.read().decode().splitlines() if one.startswith(f"{name} "))
        return float(line.split()[1])


def refused(client: Client, action: str, **parameters: str) -> None:
    status, members = client.call(action, **parameters)
    assert (status, members.get("Code")) == (409, ALTERED), members


def records(server: LiveServer, *words: str) -> list[dict[str, Any]]:
    told = keystead("audit", "list", "--json", "--data", str(server.data), *words)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


class World:
    """A server with two keys, aliases, a disabled key, and a user whose policy was narrowed."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        client = self.client = server.client()
        self.key, self.other = (client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
        self.blob = client.ok("Encrypt", KeyId=self.key, Plaintext="x")["CiphertextBlob"]
        self.disabled = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.ok("DisableKey", KeyId=self.disabled)
        client.ok("CreateAlias", AliasName="alias/a", KeyId=self.key)
        client.ok("CreateAlias", AliasName="alias/b", KeyId=self.other)

    def others_go_on(self) -> None:
        client = self.server.client()
        client.ok("Encrypt", KeyId=self.other, Plaintext="x")
        client.ok("Encrypt", KeyId="alias/b", Plaintext="x")
        client.ok("CreateKey")


def enable(world: World) -> None:
    as_another_program(world.server, "UPDATE keys SET state = 'Enabled' WHERE key_id = ?", world.disabled)


def move_alias(world: World) -> None:
    as_another_program(world.server, "UPDATE aliases SET key_id = ? WHERE name = 'alias/a'", world.other)


def remove_alias(world: World) -> None:
    as_another_program(world.server, "DELETE FROM aliases WHERE name = 'alias/a'")


def move_material(world: World) -> None:
    as_another_program(
        world.server,
        "UPDATE key_versions SET material = (SELECT material FROM key_versions WHERE key_id = ?) WHERE key_id = ?",
        world.other,
        world.key,
    )


def remove_key(world: World) -> None:
    as_another_program(world.server, "DELETE FROM keys WHERE key_id = ?", world.key)


MANIPULATIONS: list[tuple[Callable[[World], None], str, Callable[[World], tuple[str, dict[str, str]]]]] = [
    (enable, "keys ", lambda world: ("Encrypt", {"KeyId": world.disabled, "Plaintext": "x"})),
    (move_alias, "aliases ", lambda world: ("Encrypt", {"KeyId": "alias/a", "Plaintext": "x"})),
    (remove_alias, "aliases ", lambda world: ("DescribeKey", {"KeyId": "alias/a"})),
    (move_material, "key_versions ", lambda world: ("Decrypt", {"CiphertextBlob": world.blob})),
    (remove_key, "keys ", lambda world: ("DescribeKey", {"KeyId": world.key})),
]


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize(
    ("alter", "named", "use"), MANIPULATIONS, ids=lambda one: getattr(one, "__name__", "")
)
def test_what_was_altered_is_refused_told_and_recorded_and_all_else_goes_on(
    alter: Callable[[World], None],
    named: str,
    use: Callable[[World], tuple[str, dict[str, str]]],
    running: bool,
    tmp_path: Path,
) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    try:
        world = World(server)
        if not running:
            assert server.stop() == 0
        alter(world)
        if not running:
            server.start()
        action, parameters = use(world)
        refused(server.client(), action, **parameters)
        world.others_go_on()
        assert [one["code"] for one in records(server, "--action", action) if one["code"]][-1] == ALTERED
        events = records(server, "--action", "StoreAltered")
        assert any(named in json.dumps(one["parameters"]) for one in events)
        assert ready(server)["status"] == "ready"
        (warning,) = ready(server)["warnings"]
        assert named in warning
        assert metric(server, "keystead_store_altered_rows") >= 1
        assert metric(server, "keystead_store_foreign_writes_total") == int(running)
        doctor = keystead("doctor", "--data", str(server.data))
        assert "stored data" in doctor.stdout
        assert '"error"' in server.log.read_text()
        told = keystead("store", "verify", "--data", str(server.data))
        assert told.returncode == 1
        assert any(line.startswith(named) for line in told.stdout.splitlines())
    finally:
        server.stop()


def test_an_access_key_that_was_activated_again_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        made = keystead("access-key", "create", "--data", str(server.data))
        pair = json.loads(made.stdout)["AccessKey"]
        words = ("access-key", "deactivate", pair["AccessKeyId"], "--data", str(server.data))
        assert keystead(*words).returncode == 0
        as_another_program(
            server, "UPDATE access_keys SET status = 'Active' WHERE access_key_id = ?", pair["AccessKeyId"]
        )
        url, ca_file = server.description["url"], server.description["ca_file"]
        revoked = Client(url, ca_file, (pair["AccessKeyId"], pair["AccessKeySecret"]))
        refused(revoked, "ListKeys")
        server.client().ok("ListKeys")


@pytest.fixture
def stopped(tmp_path: Path) -> LiveServer:
    with live(tmp_path / "data") as server:
        server.client().ok("CreateKey")
    return server


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE meta SET value = 1 WHERE name = 'horizon'",
        "UPDATE wrapping_keys SET created = 0",
        "DELETE FROM seals",
        "DELETE FROM service_secrets",
        "UPDATE seals SET blob = x'00'",
    ],
)
def test_a_server_does_not_start_when_what_is_its_own_was_altered(stopped: LiveServer, sql: str) -> None:
    as_another_program(stopped, sql)
    told = keystead("serve", "--data", str(stopped.data), "--listen", "localhost:0")
    assert told.returncode == 1
    assert "hint: " in told.stderr
    assert "altered" in told.stderr or "taken away" in told.stderr


def test_a_store_cannot_be_made_one_that_was_never_sealed(stopped: LiveServer) -> None:
    as_another_program(stopped, "DELETE FROM service_secrets")
    as_another_program(stopped, "DELETE FROM seals")
    as_another_program(stopped, "UPDATE keys SET state = 'Disabled', seal = x''")
    told = keystead("serve", "--data", str(stopped.data), "--listen", "localhost:0")
    assert told.returncode == 1
    assert "the seals of this database, or their key, were taken away" in told.stderr


def test_a_store_of_the_version_before_is_sealed_at_its_first_start_and_recorded(stopped: LiveServer) -> None:
    without_seals(stopped.data)
    told = keystead("store", "verify", "--data", str(stopped.data))
    assert told.returncode == 1
    assert "keystead serve" in told.stderr
    stopped.start()
    try:
        stopped.client().ok("ListKeys")
        (record,) = records(stopped, "--action", "SealStore")
        assert (record["kind"], int(record["parameters"]["Rows"]) > 3) == ("ServiceEvent", True)
        assert keystead("store", "verify", "--data", str(stopped.data)).returncode == 0
    finally:
        stopped.stop()
    stopped.start()
    assert len(records(stopped, "--action", "SealStore")) == 1
    stopped.stop()


def test_yesterdays_file_is_refused_by_its_anchor(tmp_path: Path) -> None:
    data, anchor = tmp_path / "data", tmp_path / "elsewhere" / "anchor"
    anchor.parent.mkdir()
    with live(data, "--anchor", str(anchor)) as server:
        server.client().ok("CreateKey")
    shutil.copytree(data, tmp_path / "yesterday")
    with live(data, "--anchor", str(anchor)) as server:
        server.client().ok("ListKeys")
    shutil.copy(tmp_path / "yesterday" / "keystead.db", data / "keystead.db")
    told = keystead("serve", "--data", str(data), "--listen", "localhost:0", "--anchor", str(anchor))
    assert told.returncode == 1
    assert "has seen revision" in told.stderr
    assert keystead("store", "verify", "--data", str(data)).returncode == 0  # by itself it is whole


def test_what_is_no_text_any_more_is_told_and_no_traceback(stopped: LiveServer) -> None:
    as_another_program(stopped, "UPDATE keys SET description = CAST(x'ff' AS TEXT)")
    for words in (("serve", "--listen", "localhost:0"), ("store", "verify")):
        told = keystead(*words, "--data", str(stopped.data))
        assert told.returncode == 1
        assert "hint: " in told.stderr
        assert "Traceback" not in told.stderr
