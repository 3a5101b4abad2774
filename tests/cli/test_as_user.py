"""`keystead run --as`, `keystead env --as`, accounts and their AccessKeys, and what the audit says of users."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import KEYSTEAD, LiveServer, keystead, live

SEED = """
[[key]]
id = "work"
aliases = ["alias/work"]
[[key.version]]
id = "11111111-aaaa-4111-8111-000000000001"
material = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

[[policy]]
name = "encrypt"
document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}'

[[user]]
name = "ann"
policies = ["encrypt"]

[[user]]
name = "bob"
"""
WHO = [*KEYSTEAD, "sts", "GetCallerIdentity", "-q", "Arn"]
ENCRYPT = [*KEYSTEAD, "kms", "Encrypt", "--KeyId", "alias/work", "--Plaintext", "x"]
PAUSE = "import sys; print('here', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("as")
    (folder / "seed.toml").write_text(SEED)
    with live(folder / "data", "--proxy", "--seed", str(folder / "seed.toml")) as running:
        yield running


def access_keys(server: LiveServer, *more: str) -> list[dict[str, Any]]:
    told = keystead("access-key", "list", "--data", str(server.data), *more)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)["AccessKeys"]["AccessKey"]
    assert isinstance(found, list)
    return found


def users(server: LiveServer) -> list[str]:
    return [one["UserName"] for one in access_keys(server)]


def test_a_program_runs_as_a_user_of_a_server(server: LiveServer) -> None:
    data = ["--data", str(server.data)]
    told = keystead("run", *data, "--as", "ann", "--", *WHO)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.strip() == "acs:ram::1000000000000001:user/ann"
    assert keystead("run", *data, "--as", "ann", "--", *ENCRYPT).returncode == 0
    told = keystead("run", *data, "--as", "bob", "--", *ENCRYPT)
    assert (told.returncode, "Forbidden.NoPermission" in told.stderr) == (4, True)
    assert "needs kms:Encrypt on acs:kms:cn-hangzhou:1000000000000001:key/work" in told.stderr
    assert users(server) == [""]


def test_it_needs_no_root_access_key(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text(SEED)
    with live(tmp_path / "data", "--seed", str(tmp_path / "seed.toml")) as server:
        root = server.client().access_key[0]
        data = ["--data", str(server.data)]
        assert keystead("access-key", "delete", root, *data).returncode == 0
        (server.data / "root-access-key.json").unlink()
        assert keystead("run", *data, "--", *WHO).returncode != 0
        assert keystead("run", *data, "--as", "ann", "--", *WHO).returncode == 0


def test_the_access_key_is_there_for_the_time_of_the_run(server: LiveServer) -> None:
    command = [*KEYSTEAD, "run", "--data", str(server.data), "--as", "ann", "--", sys.executable, "-c", PAUSE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "here\n"
        (lent,) = [one for one in access_keys(server) if one["UserName"] == "ann"]
        assert lent["ExpireDate"] > lent["CreateDate"]
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert users(server) == [""]


def test_the_access_key_of_a_killed_run_ends_by_itself(server: LiveServer) -> None:
    command = [*KEYSTEAD, "run", "--data", str(server.data), "--as", "ann", "--", sys.executable, "-c", PAUSE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "here\n"
        running.kill()
        running.communicate(timeout=60)
    (left,) = [one for one in access_keys(server) if one["UserName"] == "ann"]
    ends = time.strptime(left["ExpireDate"], "%Y-%m-%dT%H:%M:%SZ")
    made = time.strptime(left["CreateDate"], "%Y-%m-%dT%H:%M:%SZ")
    assert time.mktime(ends) - time.mktime(made) == 3600
    assert keystead("access-key", "delete", left["AccessKeyId"], "--data", str(server.data)).returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--as", "eve"], 125, "EntityNotExist.User: The user does not exist: eve."),
        (["--as", "ann@9999999999999999"], 125, "hint: keystead account list shows all"),
        (["--as", "ann@x"], 125, "write it as USER or as USER@ACCOUNT"),
        (["--as", ""], 125, "MissingParameter"),
        (["--as", "a b"], 125, "write it as USER or as USER@ACCOUNT"),
        (["--as", ""], 125, "write it as USER or as USER@ACCOUNT"),
        (["--as", "root"], 125, "the account itself needs no --as"),
    ],
)
def test_a_user_that_there_is_not(server: LiveServer, words: list[str], status: int, told: str) -> None:
    ended = keystead("run", "--data", str(server.data), *words, "--", "true")
    assert ended.returncode == status
    assert told in ended.stderr
    assert "hint: " in ended.stderr
    assert users(server) == [""]


def test_a_server_elsewhere_makes_none() -> None:
    ended = keystead("run", "--endpoint", "http://localhost:1", "--as", "ann", "--", "true")
    assert (ended.returncode, "--as is for a server of this machine" in ended.stderr) == (2, True)


def test_a_private_server_has_the_users_of_its_seed(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text(SEED)
    seed = ["--seed", str(tmp_path / "seed.toml")]
    assert keystead("run", *seed, "--as", "ann", "--", *ENCRYPT).returncode == 0
    assert keystead("run", *seed, "--as", "bob", "--", *ENCRYPT).returncode == 4
    ids = {keystead("run", *seed, "--as", "ann", "--", *[*WHO[:-1], "UserId"]).stdout for _ in range(2)}
    assert len(ids) == 1
    for words in (seed, []):
        for name in ("eve", ""):
            ended = keystead("run", *words, "--as", name, "--", "true")
            assert (ended.returncode, f"this server has no RAM user {name!r}" in ended.stderr) == (125, True)


def test_env_is_a_users_too(server: LiveServer) -> None:
    told = keystead("env", "--data", str(server.data), "--as", "ann")
    assert told.returncode == 0, told.stderr
    shell = f"{told.stdout}\n{' '.join(WHO)}\n"
    ended = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.strip() == "acs:ram::1000000000000001:user/ann", ended.stderr
    (lent,) = [one for one in access_keys(server) if one["UserName"] == "ann"]
    assert keystead("access-key", "delete", lent["AccessKeyId"], "--data", str(server.data)).returncode == 0
    told = keystead("env", "--data", str(server.data), "--as", "eve")
    assert (told.returncode, told.stdout) == (1, "(exit 1)\n")


def test_accounts_from_their_making_to_their_end(server: LiveServer, tmp_path: Path) -> None:
    data = ["--data", str(server.data)]

    def accounts() -> list[tuple[str, str]]:
        told = json.loads(keystead("account", "list", *data).stdout)
        return [(one["AccountName"], one["Status"]) for one in told["Accounts"]["Account"]]

    kept = tmp_path / "team.json"
    told = keystead("account", "create", "--name", "team", "-o", str(kept), *data)
    assert (told.returncode, told.stderr) == (0, "")
    account = json.loads(told.stdout)["Account"]["AccountId"]
    assert json.loads(kept.read_text())["AccessKeySecret"] not in told.stdout
    assert oct(kept.stat().st_mode & 0o777) == "0o600"
    root = ["--data", str(server.data), "--access-key", str(kept)]
    assert keystead("ram", "CreateUser", "--UserName", "ann", *root).returncode == 0
    assert accounts()[1:] == [("team", "Active")]
    assert keystead("account", "rename", account, "web", *data).returncode == 0
    assert keystead("account", "disable", account, *data).returncode == 0
    assert accounts()[1:] == [("web", "Disabled")]
    assert keystead("account", "rename", account, "", *data).returncode == 0
    assert accounts()[1:] == [("", "Disabled")]
    told = keystead("ram", "ListUsers", *root)
    assert (told.returncode, "Forbidden.AccessKey" in told.stderr) == (4, True)
    refused = keystead("audit", "list", "--account", account, "--outcome", "failure", "--json", *data)
    assert [json.loads(line)["action"] for line in refused.stdout.splitlines()] == ["ListUsers"]
    assert keystead("account", "enable", account, *data).returncode == 0
    assert keystead("ram", "ListUsers", *root).returncode == 0
    user = f"ann@{account}"
    told = keystead("run", *data, "--as", user, "--", *WHO)
    assert told.stdout.strip() == f"acs:ram::{account}:user/ann"
    made = keystead("access-key", "create", "--account", account, "--description", "second", *data)
    assert "the secret is shown this once" in made.stderr
    rows = access_keys(server, "--account", account)
    assert [row["Description"] for row in rows] == ["", "second"]
    assert users(server) == [""]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["account", "disable", "1000000000000001"], "the server's first account cannot be disabled"),
        (["account", "enable", "9999999999999999"], "hint: keystead account list shows all"),
        (["account", "rename", "1000000000000001", "x" * 65], "a name has at most 64 characters"),
        (["account", "create", "--name", "x" * 65], "a name has at most 64 characters"),
        (["access-key", "list", "--account", "9999999999999999"], "hint: keystead account list shows all"),
    ],
)
def test_accounts_that_there_are_not(server: LiveServer, words: list[str], told: str) -> None:
    ended = keystead(*words, "--data", str(server.data))
    assert ended.returncode == 4
    assert told in ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["account", "disable", "1"],
        ["account", "rename", "", "x"],
        ["access-key", "create", "--account", "100000000000000x"],
        ["access-key", "list", "--account", ""],
        ["audit", "list", "--account", ""],
    ],
)
def test_what_is_no_account_id(server: LiveServer, words: list[str]) -> None:
    ended = keystead(*words, "--data", str(server.data))
    assert (ended.returncode, "an account id is 16 digits" in ended.stderr) == (2, True)


def test_the_audit_names_users(server: LiveServer) -> None:
    data = ["--data", str(server.data)]
    assert keystead("run", *data, "--as", "bob", "--", *ENCRYPT).returncode == 4
    told = keystead("audit", "list", "--caller", "bob", "--limit", "1", *data)
    head, row = (line.split() for line in told.stdout.splitlines())
    assert (row[head.index("CALLER")], row[1:3]) == ("bob", ["Encrypt", "Forbidden.NoPermission"])
    (record,) = [
        json.loads(line)
        for line in keystead(
            "audit", "list", "--caller", "bob", "--limit", "1", "--json", *data
        ).stdout.splitlines()
    ]
    by_id = keystead("audit", "list", "--caller", record["principal"], "--json", *data).stdout
    assert json.loads(by_id.splitlines()[-1]) == record
    exported = keystead("audit", "export", "--format", "actiontrail", *data).stdout
    (event,) = [
        one for one in map(json.loads, exported.splitlines()) if one["eventId"] == record["request_id"]
    ]
    assert event["userIdentity"] == {
        "accountId": "1000000000000001",
        "principalId": record["principal"],
        "type": "ram-user",
        "accessKeyId": record["access_key_id"],
        "userName": "bob",
    }
    # Under the name that it has now, and the one that it had then.
    asked = ["ram", "UpdateUser", "--UserName", "bob", "--NewUserName"]
    try:
        assert keystead(*asked, "rob", *data).returncode == 0
        for name in ("bob", "rob"):
            found = keystead("audit", "list", "--caller", name, "--json", *data).stdout
            assert record in [json.loads(line) for line in found.splitlines()]
    finally:
        asked[3] = "rob"
        keystead(*asked, "bob", *data)
    told = keystead("audit", "list", "--caller", "nobody", *data)
    assert (told.returncode, "there is no user, account or AccessKey of this name" in told.stderr) == (
        2,
        True,
    )
    told = keystead("audit", "list", "--account", "9" * 16, *data)
    assert (told.returncode, "there is no account of this id" in told.stderr) == (2, True)


def test_ram_takes_a_document_from_a_file(server: LiveServer, tmp_path: Path) -> None:
    data = ["--data", str(server.data)]
    document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}\n'
    (tmp_path / "policy.json").write_text(document)
    asked = ["ram", "CreatePolicy", "--PolicyName", "all", "--PolicyDocument", "file:policy.json"]
    assert keystead(*asked, *data, cwd=tmp_path).returncode == 0
    told = keystead(
        "ram",
        "GetPolicy",
        "--PolicyType",
        "Custom",
        "--PolicyName",
        "all",
        "-q",
        "Policy.PolicyDocument",
        *data,
    )
    assert json.loads(told.stdout) == json.loads(document)
    (tmp_path / "policy.json").write_text("{")
    told = keystead(*asked, *data, cwd=tmp_path)
    assert (told.returncode, "MalformedPolicyDocument" in told.stderr) == (4, True)
    assert os.listdir(tmp_path) == ["policy.json"]
