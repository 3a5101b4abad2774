"""Several servers on one PostgreSQL: what one has done is so for the others at once, and each says how it is."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveServer, keystead
from tests.postgres import Cluster, cluster, until
from tests.several import Shared, another, servers


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, postgres: Cluster
) -> Iterator[tuple[str, Shared, Shared]]:
    """A database, and two servers on it."""
    with postgres.database() as url, servers(tmp_path_factory.mktemp("nodes"), url, 2) as (one, two):
        yield url, one, two


def ready(server: LiveServer) -> dict[str, Any]:
    """What /ready tells, ready or not."""
    try:
        with urllib.request.urlopen(f"{server.description['ops_url']}/ready", timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refusal:
        return dict(json.load(refusal))


def nodes(server: Shared, **env: str) -> list[dict[str, Any]]:
    told = keystead("node", "list", "--json", "--data", str(server.data), env=env)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def own(server: Shared) -> str:
    return str(json.loads((server.data / "node.json").read_text())["server"])


def started(data: Path, *options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit status of a start that can't be, and what it says."""
    told = keystead("serve", "--data", str(data), "--listen", "localhost:0", *options, env=env)
    assert "Traceback" not in told.stderr
    return told.returncode, told.stderr


def test_a_key_made_on_one_is_used_on_the_other_at_once(shared: tuple[str, Shared, Shared]) -> None:
    _, one, two = shared
    a, b = one.client(), two.client()
    for _ in range(20):
        key = a.ok("CreateKey")["KeyMetadata"]["KeyId"]
        blob = b.ok("Encrypt", KeyId=key, Plaintext="aGk=")["CiphertextBlob"]
        assert a.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "aGk="
        b.ok("CreateAlias", KeyId=key, AliasName=f"alias/{key}")
        assert a.ok("Encrypt", KeyId=f"alias/{key}", Plaintext="aGk=")["KeyId"] == key


def test_a_key_disabled_on_one_is_used_by_neither(shared: tuple[str, Shared, Shared]) -> None:
    _, one, two = shared
    a, b = one.client(), two.client()
    key = a.ok("CreateKey")["KeyMetadata"]["KeyId"]
    blob = b.ok("Encrypt", KeyId=key, Plaintext="aGk=")["CiphertextBlob"]
    for _ in range(20):
        a.ok("DisableKey", KeyId=key)
        assert b.call("Encrypt", KeyId=key, Plaintext="aGk=")[1]["Code"] == "Rejected.Disabled"
        assert b.call("Decrypt", CiphertextBlob=blob)[1]["Code"] == "Rejected.Disabled"
        b.ok("EnableKey", KeyId=key)
        a.ok("Decrypt", CiphertextBlob=blob)


def test_a_request_that_one_has_accepted_is_accepted_by_no_other(shared: tuple[str, Shared, Shared]) -> None:
    _, one, two = shared
    a, b = one.client(), two.client()
    for _ in range(20):
        target = a.sign("ListKeys")
        assert a.send(target)[0] == 200
        for client in (b, a):
            status, told = client.send(target)
            assert (status, told["Code"]) == (400, "SignatureNonceUsed")


def test_what_one_restarts_with_is_there_and_it_has_another_chain(shared: tuple[str, Shared, Shared]) -> None:
    _, one, two = shared
    key = two.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
    before = {node["NodeId"]: node for node in nodes(one)}
    assert two.stop() == 0
    assert {node["NodeId"]: node["State"] for node in nodes(one)} == {
        own(one): "running",
        own(two): "stopped",
    }
    two.start()
    after = {node["NodeId"]: node for node in nodes(one)}
    assert after[own(two)]["Starts"] == before[own(two)]["Starts"] + 1
    assert (after[own(two)]["State"], after[own(two)]["Own"], after[own(one)]["Own"]) == (
        "running",
        False,
        True,
    )
    two.client().ok("DescribeKey", KeyId=key)
    two.kill()
    until(lambda: {node["NodeId"]: node["State"] for node in nodes(one)}[own(two)] == "lost")
    two.start()
    two.client().ok("DescribeKey", KeyId=key)


def test_it_says_what_the_database_does_not_promise(shared: tuple[str, Shared, Shared]) -> None:
    url, one, _ = shared
    told = ready(one)
    assert (told["status"], told["warnings"]) == ("ready", [])
    assert any(text.startswith("synchronous_standby_names is empty") for text in told["database"])
    assert "the database does not keep all that is promised" in one.log.read_text()
    with urllib.request.urlopen(f"{one.description['ops_url']}/metrics", timeout=30) as answer:
        metrics = answer.read().decode()
    assert "\nkeystead_database_connected 1.0\n" in metrics
    assert "\nkeystead_database_clock_skew_seconds " in metrics
    assert f"\nkeystead_database_weaknesses {len(told['database'])}.0\n" in metrics
    assert "\nkeystead_database_problems 0.0\n" in metrics
    assert '\nkeystead_database_bytes{file="database"} ' in metrics
    assert "keystead_backup_age_seconds" not in metrics
    status = keystead(
        "status", "--data", str(one.data), "--access-key", str(one.data / "root-access-key.json")
    )
    assert "warning         synchronous_standby_names is empty" in status.stdout
    doctor = keystead("doctor", "--data", str(one.data), "--output", "json", env={"KEYSTEAD_STORE": url})
    found = [one for one in json.loads(doctor.stdout)["Findings"] if one["Level"] == "warning"]
    assert any("synchronous_standby_names" in one["Text"] for one in found)


def test_nodes_are_listed_as_a_table_with_a_server_and_without(
    tmp_path: Path, shared: tuple[str, Shared, Shared]
) -> None:
    url, one, two = shared
    told = keystead("node", "list", "--data", str(one.data)).stdout.splitlines()
    assert told[0].split() == ["ID", "HOST", "STATE", "STARTS", "STARTED", "LAST", "SEEN"]
    assert len(told) == len(nodes(one)) + 1
    assert ["(this one)" in line for line in told[1:]].count(True) == 1
    late = another(tmp_path, "late", one, url)
    assert keystead("node", "list", "--data", str(late.data)).returncode == 1  # it never joined
    late.start()
    late.stop()
    told_by_itself = keystead("node", "list", "--data", str(late.data))
    assert "no setting says so" in told_by_itself.stderr
    by_itself, by_another = nodes(late, KEYSTEAD_STORE=url), nodes(two)
    assert [one.pop("NodeId") for one in by_itself if one.pop("Own")] == [own(late)]
    assert [one.pop("NodeId") for one in by_another if one.pop("Own")] == [own(two)]
    for node in (*by_itself, *by_another):
        node.pop("LastSeen")  # it goes on meanwhile
        node.pop("NodeId", None)
    assert by_itself == by_another


def test_one_is_retired_and_answers_no_call_any_more(
    tmp_path: Path, shared: tuple[str, Shared, Shared]
) -> None:
    url, one, _ = shared
    third = another(tmp_path, "third", one, url)
    third.start()
    try:
        for words, why in (
            (["nowhere"], "the database knows no such server"),
            ([own(third)], "runs, on"),
            ([own(one)], "is the server of this directory itself"),
        ):
            told = keystead("node", "retire", *words, "--data", str(one.data))
            assert (told.returncode, why in told.stderr) == (1, True), told.stderr
        client = third.client()
        client.ok("ListKeys")
        told = keystead("node", "retire", "--force", own(third), "--data", str(one.data))
        assert told.returncode == 0, told.stderr
        assert (
            told.stdout
            == f"{own(third)} is retired: it commits nothing from here on, and can't start again\n"
        )
        status, answer = client.call("ListKeys")
        assert (status, answer["Code"]) == (503, "ServiceUnavailableTemporary")
        found = ready(third)
        assert found["status"] == "not ready"
        assert found["problems"] == [
            "this server was retired, or another process runs with its data directory, or its store was moved"
        ]
    finally:
        third.stop()
    status, why = started(third.data, "--store", url)
    assert (status, f"this server, {own(third)}, was retired from" in why) == (1, True), why
    told = keystead("node", "retire", own(third), "--data", str(one.data))
    assert "is retired already" in told.stderr
    records = keystead(
        "audit",
        "list",
        "--action",
        "RetireNode",
        "--json",
        "--data",
        str(one.data),
        env={"KEYSTEAD_STORE": url},
    )
    (record,) = [json.loads(line) for line in records.stdout.splitlines()]
    assert record["parameters"] == {"NodeId": own(third), "Force": "true"}


def test_a_stopped_server_retires_another(tmp_path: Path, database_url: str) -> None:
    with servers(tmp_path, database_url, 2) as (one, two):
        pass
    env = {"KEYSTEAD_STORE": database_url}
    told = keystead("node", "retire", own(two), "--data", str(one.data), env=env)
    assert told.returncode == 0, told.stderr
    states = {node["NodeId"]: node["State"] for node in nodes(one, **env)}
    assert states == {own(one): "stopped", own(two): "retired"}
    told = keystead("node", "retire", own(one), "--data", str(one.data), env=env)
    assert "is the server of this directory itself" in told.stderr
    told = keystead("node", "retire", "--force", own(one), "--data", str(one.data), env=env)
    assert told.returncode == 0, told.stderr
    assert "was retired" in started(one.data, env=env)[1]


def test_a_directory_with_its_own_database_has_one_node(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "own")
    server.start()
    try:
        told = keystead("node", "list", "--json", "--data", str(server.data))
        (node,) = [json.loads(line) for line in told.stdout.splitlines()]
        assert (node["State"], node["Own"], len(node["NodeId"])) == ("running", True, 36)
    finally:
        server.stop()
    told = keystead("node", "list", "--data", str(server.data))
    assert "stopped" in told.stdout
    told = keystead("node", "retire", node["NodeId"], "--data", str(server.data))
    assert (told.returncode, "no other server uses it" in told.stderr) == (1, True)


def test_what_is_for_a_database_in_the_directory_says_what_to_use_instead(
    tmp_path: Path, shared: tuple[str, Shared, Shared]
) -> None:
    url, one, _ = shared
    env = {"KEYSTEAD_STORE": url}
    told = keystead("backup", str(tmp_path / "backups/"), "--data", str(one.data), env=env)
    assert (told.returncode, told.stdout) == (1, "")
    assert "which keystead backup does not copy\nhint: pg_dump does, or pgBackRest" in told.stderr
    status, why = started(tmp_path / "new", "--store", url, "--backup-into", str(tmp_path))
    assert (status, "backup-into is for a database in the data directory" in why) == (2, True)


def test_rotations_of_the_root_key_wait_for_all_to_stop(tmp_path: Path, database_url: str) -> None:
    env = {"KEYSTEAD_STORE": database_url}
    with servers(tmp_path, database_url, 2) as (one, two):
        key = one.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
        one.stop()
        told = keystead("rootkey", "rotate", "--to", "file", "--data", str(one.data), env=env)
        assert (told.returncode, "other servers use the database: on" in told.stderr) == (1, True), (
            told.stderr
        )
        two.client().ok("DescribeKey", KeyId=key)
        two.stop()
        told = keystead("rootkey", "rotate", "--to", "file", "--data", str(one.data), env=env)
        assert told.returncode == 0, told.stderr
        one.start()
        status, why = started(two.data, env=env)
        assert (status, "copy it from the data directory of the server" in why) == (1, True), why
        (two.data / "root.key").write_bytes((one.data / "root.key").read_bytes())
        two.start()
        two.client().ok("Encrypt", KeyId=key, Plaintext="aGk=")


@pytest.mark.parametrize(
    ("options", "env", "status", "why"),
    [
        (["--store", "postgresql://u:s3cret@h/d"], {}, 2, "store has a password in it"),
        (["--store", "mysql://h/d"], {}, 2, "store must be empty, or begin with postgresql://"),
        ([], {"KEYSTEAD_STORE": "postgresql://h/d?sslmode=full"}, 2, "sslmode in store must be"),
        (["--store-password-file", "/none"], {}, 2, "is for a store on PostgreSQL, and there is none"),
        (["--store", "postgresql://127.0.0.1:1/d"], {}, 1, "cannot open the database 127.0.0.1:1/d"),
        (
            ["--store", "postgresql://127.0.0.1:1/d", "--store-password-file", "/none"],
            {"KEYSTEAD_STORE_PASSWORD": "s3cret"}, 2, "exclude each other",
        ),
        (["--store", "postgresql://127.0.0.1:1/d", "--store-password-file", "/none"], {}, 1, "cannot read /none"),
    ],
)  # fmt: skip
def test_bad_settings(options: list[str], env: dict[str, str], status: int, why: str, tmp_path: Path) -> None:
    told = started(tmp_path / "data", *options, env=env)
    assert (told[0], why in told[1]) == (status, True), told[1]
    assert "s3cret" not in told[1]
    if status == 2:
        checked = keystead("config", "check", "--data", str(tmp_path / "data"), *options, env=env)
        assert (checked.returncode, why in checked.stderr, "s3cret" in checked.stdout) == (2, True, False)


def test_a_password_and_tls_and_nothing_shows_them(tmp_path: Path) -> None:
    with cluster(password="s3cret pass'word", tls=True, durable=False) as own_cluster:
        own_cluster.create_database("kms")
        url = own_cluster.url("kms").replace(
            own_cluster.url("kms").partition("//")[2].partition("@")[0], "keystead"
        )
        password = tmp_path / "password"
        password.write_text("s3cret pass'word\n")
        password.chmod(0o600)
        with servers(tmp_path, url, 1, "--store-password-file", str(password), "--log-level", "debug") as (
            one,
        ):
            one.client().ok("CreateKey")
            shown = [
                Path(f"/proc/{one.process.pid}/cmdline").read_bytes().decode() if one.process else "",
                json.dumps(ready(one)),
                *(path.read_text() for path in (one.log, one.data / "node.json", one.data / "server.json")),
            ]
            assert not any("s3cret" in text for text in shown)
            state = own_cluster.run(
                "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'keystead'"
            )
            assert (True,) in state
            assert (False,) not in state
        first = one.data
        env = {"KEYSTEAD_STORE": url, "KEYSTEAD_STORE_PASSWORD": "s3cret pass'word"}
        told = keystead("node", "list", "--data", str(first), env=env)
        assert told.returncode == 0, told.stderr
        status, why = started(first, env={**env, "KEYSTEAD_STORE_PASSWORD": "wrong"})
        assert (status, "password authentication failed" in why) == (1, True), why
        assert "wrong" not in why
        by_another = own_cluster.url("kms", sslrootcert=str(first / "ca.pem"))
        env["KEYSTEAD_STORE"] = f"{url.partition('?')[0]}?{by_another.partition('?')[2]}"
        status, why = started(first, env=env)
        assert (status, "certificate verify failed" in why) == (1, True), why
