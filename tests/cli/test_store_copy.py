"""`keystead store copy`: one server becomes two, and one again, and clients notice nothing of it."""

import json
from pathlib import Path

from tests.live import Client, LiveServer, keystead
from tests.postgres import cluster
from tests.several import Shared, another

TEXT = "secret 对称"


def copy(source: str | Path, target: str | Path, *more: str, **env: str) -> str:
    """Move it; gives what is told of it."""
    told = keystead("store", "copy", "--from", str(source), "--to", str(target), *more, env=env)
    assert told.returncode == 0, told.stderr
    return told.stdout + told.stderr


def refuses(server: LiveServer) -> str:
    """What a server says that does not start."""
    told = keystead("serve", "--data", str(server.data), "--listen", "localhost:0", env=server.env)
    assert told.returncode == 1, told.stdout
    return told.stderr


def proved(data: Path, **env: str) -> str:
    """The chains, all of which hold."""
    told = keystead("audit", "verify", "--data", str(data), env=env)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_one_server_becomes_two_and_one_again(tmp_path: Path, database_url: str) -> None:
    alone = LiveServer(tmp_path / "data")
    alone.start()
    client = alone.client()
    key = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    disabled = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok("DisableKey", KeyId=disabled)
    blob = client.ok("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
    replayed = client.sign("CreateKey")
    assert client.send(replayed)[0] == 200
    assert alone.stop() == 0

    def as_before(client: Client) -> None:
        assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
        assert client.call("Encrypt", KeyId=disabled, Plaintext="x")[1]["Code"] == "Rejected.Disabled"
        assert client.send(replayed)[1]["Code"] == "SignatureNonceUsed"

    told = copy(alone.data, database_url)
    assert "moved           " in told
    assert "keys            3\n" in told
    assert f'set store = "{database_url}"' in refuses(alone)
    first = Shared(alone.data, database_url)
    second = another(tmp_path, "second", first, database_url)
    for server in (first, second):
        server.start()
        as_before(server.client())
    proved(alone.data, KEYSTEAD_STORE=database_url)
    told_running = keystead("store", "copy", "--from", database_url, "--to", str(tmp_path / "new"))
    assert told_running.returncode == 1
    assert "is connected to the store" in told_running.stderr or "is in use" in told_running.stderr
    assert (first.stop(), second.stop()) == (0, 0)

    copy(database_url, alone.data)
    assert f"was moved to {alone.data}" in refuses(second)
    alone.start()
    as_before(alone.client())
    assert alone.stop() == 0
    chains = proved(alone.data)
    assert len(chains.splitlines()) >= 5, (
        chains
    )  # of both single servers, of two others, and of the first move
    listed = keystead("audit", "list", "--json", "--action", "MoveStore", "--data", str(alone.data))
    moves = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [one["parameters"]["To"] == str(alone.data) for one in moves] == [False, True]


def test_a_trial_says_that_it_is_one(tmp_path: Path, database_url: str) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    key = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
    assert server.stop() == 0
    told = copy(server.data, database_url, "--trial")
    assert "warning: both may be used from here on" in told
    assert "copied          " in told
    server.start()
    server.client().ok("DescribeKey", KeyId=key)
    assert server.stop() == 0
    tried = another(tmp_path, "tried", Shared(server.data, database_url), database_url)
    tried.start()
    tried.client().ok("DescribeKey", KeyId=key)
    assert tried.stop() == 0


def test_a_password_is_given_as_a_server_gives_it_and_never_shown(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    assert server.stop() == 0
    password = "a word nobody guesses"
    with cluster(durable=False, password=password) as running, running.database() as url:
        place = url.replace(f":{password.replace(' ', '%20')}@", "@")
        assert password not in place
        words = ("store", "copy", "--from", str(server.data), "--to", place)
        told = keystead(*words)
        assert told.returncode == 1
        assert "cannot open the database" in told.stderr
        assert "has a password in it" in keystead(*words[:-1], url).stderr
        file = tmp_path / "password"
        file.write_text(f"{password}\n")
        file.chmod(0o600)
        told_all = copy(server.data, place, "--store-password-file", str(file))
        told_all += copy(
            place,
            tmp_path / "back",
            "--root-key",
            str(server.data / "root.key"),
            KEYSTEAD_STORE_PASSWORD=password,
        )
        assert password not in told_all
