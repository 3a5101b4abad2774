"""`keystead access` on a real data directory, with its server and without it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keystead.domain.products import RAM
from tests.live import Client, LiveServer, keystead, live, without_room

ENCRYPT = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}
OFFICE = {
    "Effect": "Allow",
    "Action": "kms:Decrypt",
    "Resource": "*",
    "Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}},
}


def policy(*statements: object) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


class World:
    """A server where shop, in the group team, has encrypted and described, and was refused."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        root = server.client()
        self.account = root.ok("GetCallerIdentity", Version="2015-04-01")["AccountId"]
        self.key_id = root.ok("CreateKey")["KeyMetadata"]["KeyId"]
        self.arn = f"acs:kms:cn-hangzhou:{self.account}:key/{self.key_id}"
        root.ok("CreateAlias", KeyId=self.key_id, AliasName="alias/work")

        def ram(action: str, **parameters: str) -> dict[str, Any]:
            return root.ok(action, Version=RAM.version, **parameters)

        ram("CreateUser", UserName="shop")
        ram("CreatePolicy", PolicyName="use", PolicyDocument=policy(ENCRYPT, OFFICE))
        ram("AttachPolicyToUser", UserName="shop", PolicyType="Custom", PolicyName="use")
        ram("CreateGroup", GroupName="team")
        ram("AddUserToGroup", UserName="shop", GroupName="team")
        ram(
            "AttachPolicyToGroup", GroupName="team", PolicyType="System", PolicyName="AliyunKMSReadOnlyAccess"
        )
        ram("CreateUser", UserName="idle")
        made = ram("CreateAccessKey", UserName="shop")["AccessKey"]
        found = server.description
        shop = Client(found["url"], found["ca_file"], (made["AccessKeyId"], made["AccessKeySecret"]))
        for _ in range(2):
            shop.ok("Encrypt", KeyId="alias/work", Plaintext="x")
        sealed = shop.ok("Encrypt", KeyId="alias/work", Plaintext="x")["CiphertextBlob"]
        shop.ok("DescribeKey", KeyId=self.key_id)
        assert shop.call("Decrypt", CiphertextBlob=sealed)[0] == 403
        assert shop.call("DescribeKey", KeyId="none")[0] == 404
        shop.close()
        root.close()

    def run(self, *words: str, data: Path | None = None, **more: Any) -> "subprocess.CompletedProcess[str]":
        return keystead("access", *words, "--data", str(data or self.server.data), **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with live(tmp_path_factory.mktemp("access") / "data") as running:
        yield World(running)


# --- explain


def test_explain_shows_each_statement_and_what_settles_it(world: World) -> None:
    told = world.run("explain", "--as", "shop", "encrypt", "alias/work")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        "allowed",
        "action          kms:Encrypt",
        f"resource        {world.arn}",
        f"caller          acs:ram::{world.account}:user/shop",
        "because         Statement[0] of the policy use allows it, and nothing denies it",
        "",
        "POLICY  TYPE    THROUGH  STATEMENT  EFFECT  VERDICT",
        "use     Custom           0          Allow   applies",
    ]
    told = world.run("explain", "--as", "shop", "DescribeKey", world.key_id)
    assert (told.returncode, told.stdout.splitlines()[-1].split()[:3]) == (
        0, ["AliyunKMSReadOnlyAccess", "System", "team"],
    )  # fmt: skip


def test_explain_says_which_condition_is_not_met(world: World) -> None:
    told = world.run(
        "explain", "--as", "shop", "Decrypt", world.key_id, "--context", "acs:SourceIp=198.51.100.1"
    )
    assert (told.returncode, told.stderr) == (6, "")
    lines = told.stdout.splitlines()
    assert (lines[0], lines[4]) == ("refused", "because         no statement that applies allows it")
    assert lines[-1].endswith("condition not met: IpAddress acs:SourceIp 192.0.2.0/24: it is 198.51.100.1")
    told = world.run("explain", "--as", "shop", "Decrypt", world.key_id)
    assert told.stdout.endswith("192.0.2.0/24: there is none\n")
    told = world.run(
        "explain", "--as", "shop", "Decrypt", world.key_id, "--context", "acs:SourceIp=192.0.2.1"
    )
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, "allowed")


def test_explain_as_json(world: World) -> None:
    told = world.run("explain", "--as", "root", "Decrypt", world.arn, "--output", "json")
    assert told.returncode == 0
    answer = json.loads(told.stdout)
    assert (answer["Principal"], answer["Allowed"]) == (f"acs:ram::{world.account}:root", True)
    assert answer["Needs"]["Need"][0]["Reason"].startswith("the account's root user")


def test_explain_tells_what_else_is_needed(world: World) -> None:
    told = world.run("explain", "--as", "shop", "CreateAlias", "alias/new")
    assert (told.returncode, told.stderr) == (
        6, "kms:CreateAlias also needs to be allowed on a key; name it for the whole answer\n",
    )  # fmt: skip
    told = world.run("explain", "--as", "shop", "DescribeRegions")
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == "kms:DescribeRegions needs nothing: whoever has an AccessKey may do it\n"
    told = world.run("explain", "--as", "shop", "Encrypt", f"{world.arn[:-4]}none")
    assert (told.returncode, "so that only the policies of identities have a say" in told.stderr) == (0, True)


def test_explain_shows_the_key_s_own_policy(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        world = World(server)
        statement = {
            "Sid": "kept from shop",
            "Effect": "Deny",
            "Action": "kms:*",
            "Principal": {"RAM": [f"acs:ram::{world.account}:user/shop"]},
            "Resource": ["*"],
        }
        client = server.client()
        client.ok("SetKeyPolicy", KeyId=world.key_id, Policy=policy(statement))
        client.close()
        told = world.run("explain", "--as", "shop", "Encrypt", "alias/work")
        assert told.returncode == 6
        assert (
            "because         Statement[0] (kept from shop) of the policy of the key denies it" in told.stdout
        )
        assert told.stdout.splitlines()[-1].split() == [
            *("default", "Key", "0", "kept", "from", "shop", "Deny", "applies"),
        ]


@pytest.mark.parametrize(
    ("words", "status", "error", "hint"),
    [
        (["Decrypt", "alias/work", "--as", "shpo"], 2, "(did you mean shop?)", "ListUsers"),
        (["Decyrpt", "alias/work", "--as", "shop"], 2, "did you mean Decrypt?", "--help"),
        (["Decrypt", "--as", "shop"], 2, "kms:Decrypt is about a key: name it", "--help"),
        (["Decrypt", "nokey", "--as", "shop"], 2, "there is no key 'nokey'", "ListKeys"),
        (["Decrypt", "alias/none", "--as", "shop"], 2, "there is no alias", "--help"),
        (["Decrypt", "acs:kms:x", "--as", "shop"], 2, "acs:kms:x is no ARN", "--help"),
        (["ListKeys", "alias/work", "--as", "shop"], 2, "is not about", "--help"),
        (["ListKeys", "--as", "shop", "--context", "x"], 2, "is not NAME=VALUE", "--context"),
        (["ListKeys", "--as", "shop", "--context", "acs:SourcIp=x"], 2, "mean acs:SourceIp?", "--help"),
        (["ListKeys", "--as", "shop", "--account", "1000000000000009"], 2, "there is no account 1000000000000009", ""),
        (["ListKeys", "--as", "shop@1", "--region", "x"], 2, "there is no account '1'", ""),
        (["ListKeys"], 2, "--as", ""),
    ],
)  # fmt: skip
def test_wrong_words(world: World, words: list[str], status: int, error: str, hint: str) -> None:
    told = world.run("explain", *words)
    assert (told.returncode, told.stdout) == (status, "")
    first, *rest = told.stderr.splitlines()
    assert first.startswith("error: "), told.stderr
    assert error in first
    assert hint in "".join(rest)


# --- simulate


def test_policies_are_tried_before_they_are_attached(world: World, tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(policy({**ENCRYPT, "Action": "kms:Decrypt"}))
    both = ("--action", "Decrypt", "--action", "Encrypt", "--resource", "alias/work", "--output", "json")

    def decisions(*words: str, **more: Any) -> list[str]:
        told = world.run("simulate", *words, *both, cwd=tmp_path, **more)
        answer = json.loads(told.stdout)
        assert told.returncode == (0 if answer["Allowed"] else 6)
        return [one["Decision"] for one in answer["Needs"]["Need"]]

    assert decisions("new.json") == ["Allow", "ImplicitDeny"]
    assert decisions("new.json", "--as", "shop") == ["Allow", "Allow"]
    deny = policy({"Effect": "Deny", "Action": "kms:De*", "Resource": "*"})
    assert decisions("new.json", "-", input=deny) == ["ExplicitDeny", "ImplicitDeny"]


def test_an_action_that_no_operation_has_is_warned_of(world: World, tmp_path: Path) -> None:
    text = policy({**ENCRYPT, "Action": ["kms:Decript", "kms:Encrypt", "KMS:encrypt*", "ecs:*", "*"]})
    (tmp_path / "typo.json").write_text(text)
    told = world.run("simulate", "typo.json", "--action", "Encrypt", "--resource", "alias/work", cwd=tmp_path)
    said = "no operation here has the action {}, so that it allows and denies nothing{}"
    assert (told.returncode, told.stderr.splitlines()) == (
        0,
        [
            f"warning: typo.json: {said.format('kms:Decript', ' (did you mean kms:Decrypt?)')}",
            f"warning: typo.json: {said.format('ecs:*', '')}",
        ],
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"Version": "1", "Statement": [{"Effect": "Alow", "Action": "*", "Resource": "*"}]}', "Statement[0].Effect"),
        (b'{"Version": "1", "Statement": [', "line 1"),
        (b"", "line 1"),
        (b"\xff", "not UTF-8"),
        (b" " * 2049, "at most 2,048 characters"),
    ],
)  # fmt: skip
def test_a_malformed_policy_is_refused_with_the_place(
    world: World, tmp_path: Path, content: bytes, place: str
) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    told = world.run("simulate", "bad.json", "--action", "ListKeys", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (4, "")
    assert told.stderr.startswith("error: MalformedPolicyDocument: bad.json: ")
    assert place in told.stderr


def test_files_that_can_t_be_read(world: World, tmp_path: Path) -> None:
    told = world.run("simulate", "none.json", "--action", "ListKeys", cwd=tmp_path)
    assert (told.returncode, told.stderr.splitlines()[0]) == (
        1, "error: cannot read none.json: No such file or directory",
    )  # fmt: skip
    told = world.run("simulate", ".", "--action", "ListKeys", cwd=tmp_path)
    assert (told.returncode, "Is a directory" in told.stderr) == (1, True)
    told = world.run("simulate", "-", "-", "--action", "ListKeys", input="")
    assert (told.returncode, "can be read once" in told.stderr) == (2, True)


# --- suggest


def test_suggest_prints_the_least_policy(world: World, tmp_path: Path) -> None:
    told = world.run("suggest", "--as", "shop", "--since", "1h")
    assert (told.returncode, told.stderr.splitlines()) == (
        0,
        [
            "4 calls",
            "left out: 1 call refused for want of permission; --refused allows them, too",
            "left out: 1 call that failed for other reasons",
        ],
    )
    assert json.loads(told.stdout)["Statement"] == [
        {"Effect": "Allow", "Action": ["kms:DescribeKey", "kms:Encrypt"], "Resource": [world.arn]}
    ]
    more = world.run("suggest", "--as", "shop", "--refused")
    (statement,) = json.loads(more.stdout)["Statement"]
    assert statement["Action"] == ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"]
    # What is suggested is taken as it is, and refuses nothing of the past.
    (tmp_path / "shop.json").write_text(told.stdout)
    told = world.run("diff", "shop.json", "--as", "shop", "--alone", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, "nothing would change\n")


def test_suggest_for_the_account_itself(world: World) -> None:
    told = world.run("suggest", "--as", "root")
    assert told.returncode == 0
    allowed = {action for one in json.loads(told.stdout)["Statement"] for action in one["Action"]}
    assert {"kms:CreateKey", "ram:CreateUser", "ram:AttachPolicyToGroup"} < allowed
    assert "sts:GetCallerIdentity" not in allowed


def test_suggest_has_nothing_to_say(world: World) -> None:
    told = world.run("suggest", "--as", "idle")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: there is no call of idle that a policy has to allow\nhint: --since")
    told = world.run("suggest", "--as", "shop", "--since", "yesterday")
    assert (told.returncode, "is not a time" in told.stderr) == (2, True)


def test_suggest_writes_files(world: World, tmp_path: Path) -> None:
    told = world.run("suggest", "--as", "shop", "--into", "policies/new", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, "policies/new/shop.json\n")
    made = tmp_path / "policies" / "new" / "shop.json"
    assert json.loads(made.read_text())["Version"] == "1"
    before = made.read_text()
    told = world.run("suggest", "--as", "shop", "--into", "policies/new", cwd=tmp_path)
    assert (told.returncode, "is there already" in told.stderr, made.read_text()) == (1, True, before)
    (tmp_path / "file").write_text("")
    told = world.run("suggest", "--as", "shop", "--into", "file", cwd=tmp_path)
    assert (told.returncode, "cannot write into file" in told.stderr) == (1, True)


def test_suggest_of_more_than_a_policy_may_hold(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        world = World(server)
        client = server.client()
        for _ in range(160):
            client.ok("DescribeKey", KeyId=client.ok("CreateKey")["KeyMetadata"]["KeyId"])
        client.close()
        told = world.run("suggest", "--as", "root")
        assert (told.returncode, told.stdout) == (1, "")
        assert "that takes 8 policies, since one has at most 2,048 characters" in told.stderr
        assert "--into DIR writes each into a file; a user has at most 5 custom policies" in told.stderr
        told = world.run("suggest", "--as", "root", "--into", str(tmp_path / "out"))
        assert told.returncode == 0
        names = told.stdout.splitlines()
        assert names == [str(tmp_path / "out" / f"root-{number}.json") for number in range(1, 9)]
        assert "warning: a user has at most 5 custom policies, as has a group" in told.stderr
        # Each is taken as it stands, line end and all.
        for number, name in enumerate(names):
            made = keystead(
                *("ram", "CreatePolicy", "--data", str(server.data), "--PolicyName", f"p{number}"),
                *("--PolicyDocument", f"file:{name}"),
            )
            assert made.returncode == 0, made.stderr


def test_suggest_on_a_full_disk_leaves_no_half_file(world: World, tmp_path: Path) -> None:
    told = without_room(
        tmp_path, "access", "suggest", "--as", "shop", "--into", "out", "--data", str(world.server.data)
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert "error: " in told.stderr
    assert list((tmp_path / "out").iterdir()) == []


# --- diff


def test_diff_lists_what_would_be_refused_and_allowed(world: World, tmp_path: Path) -> None:
    (tmp_path / "use.json").write_text(policy({**ENCRYPT, "Action": "kms:Decrypt"}))
    told = world.run("diff", "use.json", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (6, "use.json in place of the policy use: 5 calls of 1 user\n")
    lines = told.stdout.splitlines()
    assert (lines[0], lines[1].split()) == (
        "would be refused", ["CALLS", "ACTION", "RESOURCE", "CALLER", "LAST", "BECAUSE"],
    )  # fmt: skip
    assert lines[2].split()[:4] == ["3", "kms:Encrypt", world.arn, "shop"]
    assert lines[2].endswith("no statement that applies allows it")
    assert (lines[3], lines[5].split()[:4]) == ("would be allowed", ["1", "kms:Decrypt", world.arn, "shop"])
    told = world.run("diff", "use.json", "--output", "json", cwd=tmp_path)
    answer = json.loads(told.stdout)
    assert (told.returncode, answer["Calls"], answer["RefusedAnyway"], answer["Unknown"]) == (6, 5, 0, 0)
    assert [(one["Calls"], one["Action"], one["User"]) for one in answer["Refused"]] == [
        (3, "kms:Encrypt", "shop")
    ]
    assert [one["Action"] for one in answer["Allowed"]] == ["kms:Decrypt"]


def test_diff_in_place_of_others_alone_and_beside(world: World, tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(policy(ENCRYPT))

    def refused(*words: str) -> tuple[int, list[str]]:
        told = world.run("diff", "new.json", *words, "--output", "json", cwd=tmp_path)
        return told.returncode, [one["Action"] for one in json.loads(told.stdout)["Refused"]]

    assert refused("--as", "shop", "--alone") == (6, ["kms:DescribeKey"])
    assert refused("--replaces", "AliyunKMSReadOnlyAccess") == (6, ["kms:DescribeKey"])
    assert refused("--replaces", "use", "--group", "team") == (0, [])
    assert refused("--group", "team", "--alone") == (6, ["kms:DescribeKey"])
    assert refused("--as", "shop") == refused("--group", "team") == (0, [])
    (tmp_path / "new.json").write_text(policy({**ENCRYPT, "Effect": "Deny"}))
    assert refused("--as", "shop") == refused("--group", "team") == (6, ["kms:Encrypt"])
    assert refused("--as", "shop", "--since", "2020-01-01") == (6, ["kms:Encrypt"])
    assert refused("--as", "shop", "--since", "2999-01-01") == (0, [])
    told = world.run("diff", "-", "--as", "shop", input=policy(ENCRYPT))
    assert (told.returncode, told.stderr) == (0, "the policy beside what shop has: 5 calls of 1 user\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["new.json"], "there is no policy 'new' in account"),
        (["new.json", "--replaces", "usee"], "there is no policy 'usee' in account"),
        (["new.json", "--replaces", "use", "--as", "idle"], "idle does not have the policy use"),
        (["new.json", "--group", "tema"], "there is no group 'tema' in account"),
        (["new.json", "--alone"], "--alone is about one user or group"),
        (["new.json", "--as", "root"], "the account's root user needs no policy"),
        (["new.json", "--as", "shop", "--group", "team"], "not allowed with"),
        (["new.json", "--replaces", "use", "--alone", "--as", "shop"], "not allowed with"),
    ],
)
def test_wrong_words_of_diff(world: World, tmp_path: Path, words: list[str], error: str) -> None:
    (tmp_path / "new.json").write_text(policy(ENCRYPT))
    told = world.run("diff", *words, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (2, "")
    assert error in told.stderr.splitlines()[0]


def test_a_policy_that_nobody_has_changes_nothing(world: World, tmp_path: Path) -> None:
    made = keystead(
        *("ram", "CreatePolicy", "--data", str(world.server.data), "--PolicyName", "unused"),
        *("--PolicyDocument", policy({**ENCRYPT, "Action": ["kms:Encrypt", "ram:GetUsers"]})),
    )
    said = (
        "PolicyDocument: no operation here has the action ram:GetUsers, so that it allows and denies nothing"
    )
    assert (made.returncode, made.stderr) == (0, f"warning: {said} (did you mean ram:GetUser?)\n")
    (tmp_path / "unused.json").write_text(policy(ENCRYPT))
    told = world.run("diff", "unused.json", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, "nothing would change\n")
    assert told.stderr == "unused.json in place of the policy unused: 0 calls of 0 users\n"


# --- where


def test_they_only_read_with_a_server_and_without(world: World, tmp_path: Path) -> None:
    """The same answers of a copy that no server runs on, which stays as it is."""
    copy = tmp_path / "copy"
    shutil.copytree(world.server.data, copy, ignore=shutil.ignore_patterns("*.sock", "server.json"))
    (tmp_path / "use.json").write_text(policy(ENCRYPT))
    (tmp_path / "use.json").touch()
    for words in (
        ["explain", "--as", "shop", "Encrypt", "alias/work"],
        ["simulate", "use.json", "--action", "Encrypt", "--resource", "alias/work"],
        ["suggest", "--as", "shop"],
        ["diff", "use.json"],
    ):
        running = world.run(*words, cwd=tmp_path)
        alone = world.run(*words, data=copy, cwd=tmp_path)
        assert (running.returncode, running.stdout) == (alone.returncode, alone.stdout)
    actions = {
        json.loads(line)["action"]
        for line in keystead("audit", "export", "--data", str(copy)).stdout.splitlines()
    }
    assert not actions & {"ExplainAccess", "SimulatePolicy"}


def test_what_is_no_data_directory(tmp_path: Path) -> None:
    for words in (["explain", "--as", "a", "ListKeys"], ["suggest", "--as", "a"]):
        told = keystead("access", *words, "--data", str(tmp_path / "none"))
        assert (told.returncode, told.stdout) == (1, "")
        assert "there is no data in" in told.stderr
    damaged = tmp_path / "damaged"
    damaged.mkdir(mode=0o700)
    (damaged / "keystead.db").write_bytes(os.urandom(8192))
    told = keystead("access", "explain", "--as", "a", "ListKeys", "--data", str(damaged))
    assert (told.returncode, "cannot read the database" in told.stderr) == (1, True)


def test_users_of_another_account(world: World, tmp_path: Path) -> None:
    data = str(world.server.data)
    key_file = tmp_path / "other.json"
    told = keystead("account", "create", "--data", data, "--name", "other", "-o", str(key_file))
    assert told.returncode == 0, told.stderr
    listed = json.loads(keystead("account", "list", "--data", data).stdout)
    other = listed["Accounts"]["Account"][-1]["AccountId"]
    made = keystead("ram", "CreateUser", "--data", data, "--access-key", str(key_file), "--UserName", "ann")
    assert made.returncode == 0, made.stderr
    for words in (
        ["--as", f"ann@{other}"],
        ["--as", f"acs:ram::{other}:user/ann"],
        ["--as", "ann", "--account", other],
    ):
        told = world.run("explain", *words, "ListKeys")
        assert (told.returncode, f"caller          acs:ram::{other}:user/ann" in told.stdout) == (6, True)
    # A key of the first account, which does not let her in.
    told = world.run("explain", "--as", f"ann@{other}", "Encrypt", world.key_id)
    assert (told.returncode, "its policy does not let this caller in" in told.stdout) == (6, True)
    told = world.run("explain", "--as", f"ann@{other}", "--account", world.account, "ListKeys")
    assert (told.returncode, "different accounts" in told.stderr) == (2, True)
