"""`keystead key usage`, and the warning before a key is taken out of use, against a live server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Client, LiveServer, keystead, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("usage") / "data") as server:
        yield server


@pytest.fixture
def client(server: LiveServer) -> Client:
    return server.client()


def used(client: Client) -> str:
    key_id = str(client.ok("CreateKey")["KeyMetadata"]["KeyId"])
    client.ok("Encrypt", KeyId=key_id, Plaintext="x")
    return key_id


def test_uses_are_shown_by_id_alias_and_arn(server: LiveServer, client: Client) -> None:
    key_id = used(client)
    client.ok("CreateAlias", KeyId=key_id, AliasName="alias/shown")
    metadata = client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    data = ("--data", str(server.data))
    for name in (key_id, "alias/shown", metadata["Arn"]):
        told = keystead("key", "usage", name, *data)
        assert told.returncode == 0, told.stderr
        head, row = told.stdout.splitlines()
        assert head.split() == ["VERSION", "CALLER", "ACCESSKEY", "OPERATION", "LAST", "CALLS", "REFUSED"]
        cells = row.split()
        assert cells[0] == metadata["PrimaryKeyVersion"]
        assert cells[1].startswith("root@")
        assert (cells[2], cells[3], *cells[5:]) == (client.access_key[0], "Encrypt", "1", "0")
        assert "counted since" in told.stderr
        assert f"keystead audit list --key {key_id}" in told.stderr
    (use,) = json.loads(keystead("key", "usage", key_id, "--json", *data).stdout)["Uses"]["Use"]
    assert (use["Action"], use["Count"]) == ("Encrypt", 1)


def test_a_key_that_nobody_used_and_one_that_is_not_there(server: LiveServer, client: Client) -> None:
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    data = ("--data", str(server.data))
    told = keystead("key", "usage", key_id, *data)
    assert (told.returncode, told.stdout) == (0, "")
    assert "nobody used it since" in told.stderr
    told = keystead("key", "usage", "alias/none", *data)
    assert (told.returncode, "Forbidden.AliasNotFound" in told.stderr) == (4, True)
    told = keystead("key", "usage", *data)
    assert told.returncode == 2


@pytest.mark.parametrize(
    ("action", "more"),
    [("DisableKey", ()), ("ScheduleKeyDeletion", ("--PendingWindowInDays", "7"))],
)
def test_a_warning_comes_before_a_used_key_is_taken_out_of_use(
    server: LiveServer, client: Client, action: str, more: tuple[str, ...]
) -> None:
    data = ("--data", str(server.data))
    key_id, unused = used(client), client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    told = keystead("kms", action, "--KeyId", key_id, *more, *data)
    assert (told.returncode, list(json.loads(told.stdout))) == (0, ["RequestId"])
    assert "warning: the key was used within the last 30 days, by root@" in told.stderr
    assert f"by Encrypt; keystead key usage {key_id} shows all" in told.stderr
    told = keystead("kms", action, "--KeyId", unused, *more, *data)
    assert (told.returncode, told.stderr) == (0, "")
    # What was refused alone is no use, and a refusal is as it was.
    told = keystead("kms", action, "--KeyId", "nowhere", *more, *data)
    assert (told.returncode, "warning" in told.stderr) == (4, False)
    told = keystead("kms", action, *more, *data)
    assert (told.returncode, "warning" in told.stderr) == (4, False)


def test_uses_are_kept_over_a_stop_and_a_kill_loses_a_minute_of_them_at_most(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data) as server:
        key_id = used(server.client())
    with live(data) as server:
        server.client().ok("Encrypt", KeyId=key_id, Plaintext="x")
        server.kill()
    with live(data) as server:
        told = keystead("key", "usage", key_id, "--json", "--data", str(data))
    (use,) = json.loads(told.stdout)["Uses"]["Use"]
    assert use["Count"] in (1, 2)
