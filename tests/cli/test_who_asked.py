"""Who asked: what the records say of our own commands and their users, and what nobody may write down."""

import argparse
import json
import os
import pwd
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keystead import __version__, cli
from tests.live import KEYSTEAD, LiveServer, keystead, live, without_room

# Each command that calls a server, and the names by which it does; what it is given must show in none.
CALLS = {
    "kms": (["kms", "DescribeKey", "--KeyId", "KEY"], "kms DescribeKey"),
    "ram": (["ram", "GetUser", "--UserName", "canary"], "ram GetUser"),
    "sts": (["sts", "GetCallerIdentity"], "sts GetCallerIdentity"),
    "file encrypt": (["file", "encrypt", "--key", "KEY", "canary.txt"], "file encrypt"),
    "file decrypt": (["file", "decrypt", "canary.txt.cipher", "-o", "out"], "file decrypt"),
    "file inspect": (["file", "inspect", "--check", "canary.txt.cipher"], "file inspect"),
    "file edit": (["file", "edit", "canary.txt.cipher"], "file edit"),
    "file reencrypt": (["file", "reencrypt", "canary.txt.cipher"], "file reencrypt"),
    "exec": (["exec", "--env", "A=canary.txt.cipher", "--", "true", "canary-argument"], "exec"),
    "key import": (["key", "import", "EXTERNAL", "canary.bin"], "key import"),
    "key usage": (["key", "usage", "KEY"], "key usage"),
    "access-key create": (["access-key", "create", "--description", "canary"], "access-key create"),
    "access-key list": (["access-key", "list"], "access-key list"),
    "access-key activate": (["access-key", "activate", "canary"], "access-key activate"),
    "access-key deactivate": (["access-key", "deactivate", "canary"], "access-key deactivate"),
    "access-key delete": (["access-key", "delete", "canary"], "access-key delete"),
    "account create": (["account", "create", "--name", "canary"], "account create"),
    "account list": (["account", "list"], "account list"),
    "account rename": (["account", "rename", "1234567890123456", "canary"], "account rename"),
    "account disable": (["account", "disable", "1234567890123456"], "account disable"),
    "account enable": (["account", "enable", "1234567890123456"], "account enable"),
    "audit checkpoint": (["audit", "checkpoint"], "audit checkpoint"),
    "audit key": (["audit", "key"], "audit key"),
    "console login": (["console", "login"], "console login"),
    "console code": (["console", "code"], "console code"),
    "ca rotate": (["ca", "rotate", "--name", "canary.example.org"], "ca rotate"),
    "rootkey export": (["rootkey", "export", "--shares", "2/3", "--into", "canary"], "rootkey export"),
    "ca retire": (["ca", "retire"], "ca retire"),
    "wrapping-key show": (["wrapping-key", "show"], "wrapping-key show"),
    "wrapping-key rotate": (["wrapping-key", "rotate"], "wrapping-key rotate"),
    "status": (["status"], "status"),
    "doctor": (["doctor"], "doctor"),
}
# They call none: `run` and `env` only say where one is, others read what is in the directory. `node` calls a server whose
# database others share.
NO_CALLS = {
    "serve", "run", "env", "config check", "audit list", "audit export", "audit verify", "audit report", "ca show", "backup",
    "restore", "file check", "store verify", "store accept", "store copy", "rootkey status", "rootkey rotate", "rootkey import", "completion",
    "access explain",
    "access simulate", "access suggest", "access diff", "node list", "node retire",
}  # fmt: skip
USER = pwd.getpwuid(os.getuid()).pw_name


def leaves(parser: argparse.ArgumentParser, name: str = "") -> Iterator[str]:
    actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not actions:
        yield name
    for action in actions:
        for word, child in action.choices.items():
            yield from leaves(child, f"{name} {word}".strip())


def records(server: LiveServer) -> list[dict[str, Any]]:
    told = keystead("audit", "export", "--data", str(server.data))
    assert told.returncode == 0, told.stderr
    found = [json.loads(line) for line in told.stdout.splitlines()]
    # What the service does by itself, as wrapping everything anew, comes when it comes.
    return [one for one in found if one["kind"] != "ServiceEvent"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("who") / "data") as running:
        yield running


def test_every_command_is_here() -> None:
    assert set(leaves(cli.parser())) == CALLS.keys() | NO_CALLS


def test_every_command_names_itself_and_nothing_that_it_was_given(server: LiveServer, tmp_path: Path) -> None:
    client = server.client()
    key = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    external = client.ok("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    (tmp_path / "canary.txt").write_text("canary-text")
    (tmp_path / "canary.bin").write_bytes(bytes(32))
    for name, (words, agent) in CALLS.items():
        before = len(records(server))
        given = [{"KEY": key, "EXTERNAL": external}.get(word, word) for word in words]
        # Before what a command's own command line begins.
        place = given.index("--") if "--" in given else len(given)
        given[place:place] = ["--data", str(server.data)]
        told = keystead(*given, cwd=tmp_path, env={"VISUAL": "", "EDITOR": "true"})
        assert told.returncode in (0, 4), (name, told.stderr)
        agents = {record["user_agent"] for record in records(server)[before:]}
        assert agents == {f"keystead/{__version__} {agent}"}, name


def test_a_word_that_is_no_operation_is_not_named(server: LiveServer) -> None:
    told = keystead("kms", "canarySecret", "--force", "--data", str(server.data))
    assert told.returncode == 4
    assert records(server)[-1]["user_agent"] == f"keystead/{__version__} kms"


def test_a_client_under_run_keeps_its_own_name(server: LiveServer) -> None:
    program = (
        "import os, urllib.request\n"
        "request = urllib.request.Request(os.environ['CALL'], headers={'User-Agent': 'theirs/1'}, method='POST')\n"
        "print(urllib.request.urlopen(request).status)\n"
    )
    call = "https://kms.cn-hangzhou.aliyuncs.com" + server.client().sign("ListKeys")
    words = ["run", "--data", str(server.data), "--", sys.executable, "-c", program]
    told = keystead(*words, env={"CALL": call})
    assert told.stdout == "200\n", told.stderr
    assert records(server)[-1]["user_agent"] == "theirs/1"
    told = keystead("run", "--data", str(server.data), "--", *KEYSTEAD, "kms", "ListKeys")
    assert told.returncode == 0, told.stderr
    assert records(server)[-1]["user_agent"] == f"keystead/{__version__} kms ListKeys"


def test_an_access_key_has_a_maker_a_purpose_and_a_last_use_with_a_server_and_without(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    made = []
    with live(tmp_path / "data") as server:
        words = ["access-key", "create", "--description", "nginx on web-1, 密", *data]
        # What a variable says of who it was is anybody's word.
        told = keystead(*words, env={"SUDO_USER": "mallory", "USER": "mallory", "LOGNAME": "mallory"})
        made.append(json.loads(told.stdout)["AccessKey"])
        client = server.client()
        root = client.access_key[0]
        client.access_key = (made[0]["AccessKeyId"], made[0]["AccessKeySecret"])
        client.ok("ListKeys")
    made.append(json.loads(keystead("access-key", "create", *data).stdout)["AccessKey"])
    rows = json.loads(keystead("access-key", "list", *data).stdout)["AccessKeys"]["AccessKey"]
    told_of = {row["AccessKeyId"]: (row["Creator"], row["Description"]) for row in rows}
    assert told_of == {
        root: ("", "root, made at the first start"),
        made[0]["AccessKeyId"]: (USER, "nginx on web-1, 密"),
        made[1]["AccessKeyId"]: (USER, ""),
    }
    assert [bool(row["LastUsedDate"]) for row in rows] == [False, True, False]
    with live(tmp_path / "data") as server:  # it is kept
        rows = json.loads(keystead("access-key", "list", *data).stdout)["AccessKeys"]["AccessKey"]
        assert [bool(row["LastUsedDate"]) for row in rows] == [False, True, False]
    created = [record for record in records(server) if record["action"] == "CreateAccessKey"]
    for record, one in zip(created, made, strict=True):
        assert (record["principal"], record["source"]) == (USER, f"unix:{os.getuid()}")
        assert record["resources"] == [f"acs:ram::{record['account']}:accesskey/{one['AccessKeyId']}"]
        assert one["AccessKeySecret"] not in json.dumps(record)
    listed = keystead("audit", "list", "--caller", USER, "--action", "CreateAccessKey", *data).stdout
    assert [line.split()[3] for line in listed.splitlines()[1:]] == [USER, USER]
    assert f"accesskey/{made[1]['AccessKeyId']}" in listed
    events = keystead("audit", "export", "--format", "actiontrail", *data).stdout
    found = [json.loads(line) for line in events.splitlines() if "CreateAccessKey" in line]
    assert found[0]["referencedResources"] == {"ACS::KMS": [], "ACS::RAM": created[0]["resources"]}


def test_a_pasted_secret_is_written_down_nowhere(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    with live(tmp_path / "data", "--log-level", "debug") as server:
        made = json.loads(keystead("access-key", "create", *data).stdout)["AccessKey"]
        secret, known = made["AccessKeySecret"], made["AccessKeyId"]
        pasted = [secret, f"{known}{secret}", f"{known}:{secret}", f"{known} {secret}", f"{secret}\n"]
        told = ""
        ended = keystead("access-key", "delete", known, secret, *data)  # as two words
        assert (ended.returncode, "more words than this command takes" in ended.stderr) == (2, True)
        told += ended.stdout + ended.stderr
        for word in pasted:
            for verb in ("deactivate", "activate", "delete"):
                ended = keystead("access-key", verb, word, *data)
                assert ended.returncode == 4
                assert "your shell's history" in ended.stderr
                told += ended.stdout + ended.stderr
            ended = keystead("audit", "list", "--caller", word, *data)
            assert ended.returncode == 2
            told += ended.stdout + ended.stderr
            # The two exchanged, or the one for both.
            for pair in ((word.strip(), known), (word.strip(), secret)):
                client = server.client()
                client.access_key = pair
                assert client.call("ListKeys")[0] == 404
                client.close()
            ended = keystead("kms", "ListKeys", "--access-key", word, *data)
            assert (ended.returncode, "there is no AccessKey file of that name" in ended.stderr) == (1, True)
            told += ended.stdout + ended.stderr
    for word, status in ((secret, 4), (known, 0)):
        ended = keystead("access-key", "delete", word, *data)  # without a server
        assert ended.returncode == status
        told += ended.stdout + ended.stderr
    assert secret not in told
    assert secret not in server.log.read_text()
    for file in (tmp_path / "data").iterdir():
        assert file.is_socket() or secret.encode() not in file.read_bytes(), file.name
    assert secret not in json.dumps(records(server))


@pytest.mark.parametrize("words", [["delete", b"\xff"], ["create", "--description", b"\xff"]])
def test_words_that_are_no_text_are_refused(words: list[str], server: LiveServer) -> None:
    ended = keystead("access-key", *words, "--data", str(server.data))
    assert (ended.returncode, "is not UTF-8 text" in ended.stderr) == (2, True)


def test_a_description_that_is_too_long_makes_nothing(server: LiveServer, tmp_path: Path) -> None:
    listing = ("access-key", "list", "--data", str(server.data))
    before = json.loads(keystead(*listing).stdout)["AccessKeys"]
    words = ["create", "--description", "x" * 257, "-o", str(tmp_path / "key.json")]
    ended = keystead("access-key", *words, "--data", str(server.data))
    assert (ended.returncode, "at most 256 characters" in ended.stderr) == (4, True)
    assert not (tmp_path / "key.json").exists()
    assert json.loads(keystead(*listing).stdout)["AccessKeys"] == before


def test_a_secret_that_can_not_be_written_down_makes_no_access_key(
    server: LiveServer, tmp_path: Path
) -> None:
    def ids() -> list[str]:
        told = keystead("access-key", "list", "--data", str(server.data)).stdout
        return re.findall('"AccessKeyId": "(.*)"', told)

    before = ids()
    told = without_room(tmp_path, "access-key", "create", "-o", "file", "--data", str(server.data))
    assert told.returncode == 1
    assert told.stderr.startswith("error: cannot write file: File too large\nhint: ")
    assert "no AccessKey was made" in told.stderr
    assert not (tmp_path / "file").exists()
    assert ids() == before != []
