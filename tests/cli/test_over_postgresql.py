"""Commands on a data directory whose store is a PostgreSQL database say what they say of one with a database of its own."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.test_access import ENCRYPT, World, policy
from tests.live import LiveServer, keystead
from tests.postgres import Cluster
from tests.several import Shared, another

ALIKE = [
    "audit list",
    "audit list --json --reveals --action Decrypt",
    "audit list --caller shop --outcome failure",
    "audit list --key alias/work --limit 2",
    "audit verify",
    "audit export",
    "audit export --format records",
    "audit export --format actiontrail",
    "audit report alias/work",
    "key usage alias/work",
    "access explain Encrypt alias/work --as shop",
    "access simulate --action Encrypt --resource alias/work --as shop POLICY",
    "access suggest --as shop",
    "access diff --as shop POLICY",
    "rootkey status",
    "ca show",
    "account list",
    "access-key list",
    "status",
]
# In this order: what is one thing in both, and has another name or number in each.
SAME = (
    (r"(?m)^.*\bJoinServer\b.*\n", ""),  # the first record of a server that shares its store
    (r'"(sequence|revision)": ?\d+', "COUNT"),
    (r"of \d+ verified", "of all verified"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.1)?", "ID"),
    (r"\d\d\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z)?", "TIME"),
    (r'"time": ?\d+', "TIME"),
    (r"runs for .*, process \d+", "RUNS"),
    (r"counted since .*; ", ""),  # from when on that is counted
    (r"LTAI[0-9A-F]+", "ACCESSKEY"),
    (r"\b\d{16,}\b", "NUMBER"),
    (r"(localhost|127\.0\.0\.1):\d+", "HOST"),
    (r"(?m)^warning .*\n", ""),  # of the database of the tests
    (r"(ID|NUMBER)\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", "KEY"),
    (r"\b([0-9a-f]{2}:?){8,}\b|\b([0-9A-F]{2}:){8,}[0-9A-F]{2}\b|CA [0-9a-f]{8}", "HASH"),
    (r" {2,}|-{3,}", "  "),  # columns are as wide as what is in them
)


class Side:
    """A server with a store of one kind; its commands."""

    def __init__(self, server: LiveServer, env: dict[str, str]) -> None:
        self.server = server
        self.env = env

    def run(self, *words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        return keystead(*words, "--data", str(self.server.data), env=self.env, **more)

    def told(self, command: str, document: Path) -> tuple[int, str, str]:
        """What a command says, without what is another in each run."""
        done = self.run(*(str(document) if word == "POLICY" else word for word in command.split()))
        return done.returncode, self._same(done.stdout), self._same(done.stderr)

    def _same(self, text: str) -> str:
        text = text.replace(str(self.server.data), "DATA")
        for pattern, name in SAME:
            text = re.sub(pattern, name, text)
        return text


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[tuple[Side, Side]]:
    folder = tmp_path_factory.mktemp("sides")
    with postgres.database() as url:
        own, shared = LiveServer(folder / "own"), Shared(folder / "shared", url)
        found = Side(own, {}), Side(shared, {"KEYSTEAD_STORE": url})
        try:
            for side in found:
                side.server.start()
                World(side.server)
            yield found
        finally:
            for side in found:
                side.server.stop()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "policy.json"
    path.write_text(policy(ENCRYPT))
    return path


@pytest.mark.parametrize("command", ALIKE)
def test_commands_say_the_same(sides: tuple[Side, Side], document: Path, command: str) -> None:
    own, shared = (side.told(command, document) for side in sides)
    assert shared == own
    assert own[0] == 0, own


def test_all_that_is_stored_is_verified(sides: tuple[Side, Side]) -> None:
    for side in sides:
        done = side.run("store", "verify")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(
            r"\d+ rows at revision \d+ and \d+ audit records: all are as they were written\n", done.stdout
        )


def test_the_doctor_looks_at_the_database_and_the_root_key(sides: tuple[Side, Side]) -> None:
    _, shared = sides
    done = shared.run("doctor")
    place = shared.env["KEYSTEAD_STORE"].rpartition("@")[2]
    assert re.search(rf"ok +database +{re.escape(place)}\n", done.stdout), done.stdout
    assert re.search(r"ok +root key ", done.stdout)
    assert not re.search(r"(warning|ok|problem) +backup ", done.stdout)
    unset = keystead("doctor", "--data", str(shared.server.data))
    assert re.search(
        rf"ok +database +postgresql://.*{re.escape(place)}; it was not looked for: ", unset.stdout
    )
    gone = {"KEYSTEAD_STORE": shared.env["KEYSTEAD_STORE"] + "x"}
    wrong = keystead("doctor", "--data", str(shared.server.data), env=gone)
    assert re.search(r"problem +database +cannot read the database ", wrong.stdout), wrong.stdout
    assert wrong.returncode == 1


def test_what_reads_needs_to_know_where_the_store_is_and_what_calls_does_not(
    sides: tuple[Side, Side],
) -> None:
    _, shared = sides
    data = str(shared.server.data)
    done = keystead("audit", "list", "--data", data)
    assert done.returncode == 1
    assert "is a database that servers share, and no setting says so" in done.stderr
    assert "KEYSTEAD_STORE" in done.stderr
    listed = shared.run("access-key", "list")
    key = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": json.loads(listed.stdout)["AccessKeys"]["AccessKey"][0]["AccessKeyId"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": shared.server.client().access_key[1],
    }
    for env in ({}, shared.env):
        for given in ({}, key):
            called = keystead("kms", "ListKeys", "--data", data, env={**env, **given})
            assert called.returncode == 0, called.stderr


@pytest.fixture
def alone(tmp_path: Path, database_url: str) -> Side:
    """A server that has run, and runs no more."""
    server = Shared(tmp_path / "node-1", database_url)
    server.start()
    server.client().ok("CreateKey")
    server.stop()
    return Side(server, {"KEYSTEAD_STORE": database_url})


def test_a_command_without_a_server_is_this_directorys_server_for_a_moment(alone: Side) -> None:
    assert alone.run("account", "list").returncode == 0
    done = alone.run("audit", "verify")
    assert done.returncode == 0, done.stderr
    chains = sorted(line.split(" ")[-1] for line in done.stdout.splitlines())
    assert [chain.partition(".")[2] for chain in chains] == ["1", "2"]
    assert len({chain.partition(".")[0] for chain in chains}) == 1
    assert alone.run("store", "verify").returncode == 0


def test_what_was_altered_is_named_and_accepted(alone: Side) -> None:
    with psycopg.connect(alone.env["KEYSTEAD_STORE"]) as other:
        other.execute("UPDATE keys SET description = 'x'")
    wrong = alone.run("store", "verify")
    assert wrong.returncode == 1
    assert [line.split(" ")[0] for line in wrong.stdout.splitlines()] == ["keys"]
    beside = another(alone.server.data.parent, "node-2", alone.server, alone.env["KEYSTEAD_STORE"])  # type: ignore[arg-type]
    beside.start()
    refused = alone.run("store", "accept", "--yes")
    assert refused.returncode == 1
    assert "other servers" in refused.stderr
    beside.stop()
    done = alone.run("store", "accept", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accepted: keys ")
    whole = alone.run("store", "verify")
    assert whole.returncode == 0, whole.stdout
    listed = alone.run("audit", "list", "--json", "--action", "AcceptStore")
    assert json.loads(listed.stdout)["kind"] == "OperatorCommand"


def test_shares_of_a_root_key_name_the_server(alone: Side) -> None:
    node = json.loads((alone.server.data / "node.json").read_text())["server"]
    done = alone.run("rootkey", "export", "--shares", "2/3", "--into", str(alone.server.data.parent / "out"))
    assert done.returncode == 0, done.stderr
    pages = [path.read_text() for path in (alone.server.data.parent / "out").iterdir()]
    assert any(node in page for page in pages)


def test_the_password_may_come_from_a_descriptor_that_is_read_once(alone: Side) -> None:
    """Though a command asks for the database more than once."""
    end, start = os.pipe()
    os.write(start, b"any\n")
    os.close(start)
    try:
        done = keystead(
            "store", "verify", "--data", str(alone.server.data),
            env={**alone.env, "KEYSTEAD_STORE_PASSWORD_FILE": f"fd:{end}"}, pass_fds=(end,),
        )  # fmt: skip
    finally:
        os.close(end)
    assert done.returncode == 0, done.stderr
