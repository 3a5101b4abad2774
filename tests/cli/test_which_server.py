"""Every command acts on the server that is meant, or refuses; whatever else is in the environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.cli import COMMANDS
from tests.live import KEYSTEAD, STRANGE, LiveServer, keystead, live, without_ours

ROOT = Path(__file__).parents[2]
# What each command is tried with, and how its answer tells the server: by the one key that each server has.
ABOUT_A_SERVER = {
    "kms": ["kms", "ListKeys"],
    "ram": ["ram", "ListUsers"],
    "sts": ["sts", "GetCallerIdentity"],
    "file": ["file", "inspect", "--check", "CIPHER"],
    "exec": ["exec", "--env", "A=CIPHER", "--", "true"],
    "key": ["key", "import", "nowhere", "MATERIAL"],
    "status": ["status"],
    "doctor": ["doctor"],
}
ABOUT_A_DIRECTORY = {
    "audit": ["audit", "list", "--json"],
    "access": ["access", "suggest", "--as", "root"],
    "account": ["account", "list"],
    "access-key": ["access-key", "list"],
    "ca": ["ca", "show"],
    "wrapping-key": ["wrapping-key", "show"],
    "console": ["console", "login"],
    "env": ["env"],
    "backup": ["backup", "BACKUPS/"],
    "store": ["store", "verify"],
    "rootkey": ["rootkey", "status"],
    "node": ["node", "list"],
}
# `serve`, `run` and `restore` make the server; `config` reads a file, `completion` what was built.
NEITHER = {"serve", "run", "restore", "config", "completion"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, LiveServer]]:
    """The one of the default data directory, and another."""
    home = tmp_path_factory.mktemp("home")
    with live(home / "keystead", "--proxy") as default, live(home / "other", "--proxy") as other:
        for server in (default, other):
            server.client().ok("CreateKey")
        yield default, other


def marked(server: LiveServer) -> str:
    """A key that this server alone has."""
    (key,) = server.client().ok("ListKeys")["Keys"]["Key"]
    return str(key["KeyId"])


def listed(told: "subprocess.CompletedProcess[str]") -> list[str]:
    assert told.returncode == 0, told.stderr
    return [key["KeyId"] for key in json.loads(told.stdout)["Keys"]["Key"]]


def pair_of(server: LiveServer) -> dict[str, str]:
    key = server.client().access_key
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
    }


def test_every_command_is_here() -> None:
    assert ABOUT_A_SERVER.keys() | ABOUT_A_DIRECTORY.keys() | NEITHER == set(COMMANDS)


def test_kms_by_default_data_endpoint_and_within_run(servers: tuple[LiveServer, LiveServer]) -> None:
    default, other = servers
    mine, its = marked(default), marked(other)
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    data = ["--data", str(other.data)]
    assert listed(keystead("kms", "ListKeys", env=home)) == [mine]
    assert listed(keystead("kms", "ListKeys", *data, env=home)) == [its]
    assert listed(keystead("kms", "ListKeys", env={**home, "KEYSTEAD_DATA": str(other.data)})) == [its]
    found = other.description
    far = ["--endpoint", found["url"], "--ca", found["ca_file"]]
    assert listed(keystead("kms", "ListKeys", *far, env={**home, **pair_of(other)})) == [its]
    assert listed(keystead("run", *data, "--", *KEYSTEAD, "kms", "ListKeys", env=home)) == [its]
    assert listed(keystead("run", "--", *KEYSTEAD, "kms", "ListKeys", env=home)) == []
    inside = [*KEYSTEAD, "kms", "ListKeys", "--data", str(default.data)]
    assert listed(keystead("run", *data, "--", *inside, env=home)) == [mine]


def command_on(server: LiveServer, words: list[str], folder: Path) -> list[str]:
    """The words with what they are about: a ciphertext of this server's, and key material."""
    blob = server.client().ok("Encrypt", KeyId=marked(server), Plaintext="x")["CiphertextBlob"]
    (folder / "x.cipher").write_text(blob)
    (folder / "material").write_bytes(bytes(32))
    made = {"CIPHER": str(folder / "x.cipher"), "MATERIAL": str(folder / "material")}
    return [made.get(word, word.replace("CIPHER", made["CIPHER"])) for word in words]


@pytest.mark.parametrize(
    "words",
    [*ABOUT_A_DIRECTORY.values(), ["kms", "ListKeys"], ["restore", "BACKUP"], ["backup", "verify", "BACKUP"]],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_directory_without_a_name_is_not_the_current_one(words: list[str], tmp_path: Path) -> None:
    """As from a variable that is not set."""
    told = keystead(*words, "--data", "", cwd=tmp_path)
    assert told.returncode == 2
    assert "the data directory has no name" in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ABOUT_A_SERVER.values(), ids=ABOUT_A_SERVER)
def test_commands_about_a_server_by_default_data_and_endpoint(
    words: list[str], servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, other = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    found = other.description
    far = ["--endpoint", found["url"], "--ca", found["ca_file"]]
    for options, env, asked, left in (
        ([], home, default, other),
        (["--data", str(other.data)], home, other, default),
        ([], {**home, "KEYSTEAD_DATA": str(other.data)}, other, default),
        (far, {**home, **pair_of(other)}, other, default),
    ):
        command = command_on(asked, words, tmp_path)
        place = command.index("--") if "--" in command else len(command)
        before = records(asked), records(left)
        keystead(*command[:place], *options, *command[place:], env=env, cwd=tmp_path)
        assert (records(asked) > before[0], records(left)) == (True, before[1])


@pytest.mark.parametrize("words", ABOUT_A_SERVER.values(), ids=ABOUT_A_SERVER)
def test_commands_about_a_server_follow_the_environment_of_run(
    words: list[str], servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, other = servers
    command = command_on(other, words, tmp_path)
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    before = default.client().ok("ListKeys")
    count = records(other)
    keystead("run", "--data", str(other.data), "--", *KEYSTEAD, *command, env=home)
    assert records(other) > count
    # The default server was not asked: only this test's own two calls are there.
    calls = records(default)
    assert default.client().ok("ListKeys")["Keys"] == before["Keys"]
    keystead("run", "--", *KEYSTEAD, *command, env=home)
    assert records(default) == calls + 1


def records(server: LiveServer) -> int:
    told = keystead("audit", "export", "--data", str(server.data))
    assert told.returncode == 0, told.stderr
    return len(told.stdout.splitlines())


@pytest.mark.parametrize("words", ABOUT_A_DIRECTORY.values(), ids=ABOUT_A_DIRECTORY)
def test_commands_about_a_directory_refuse_where_there_is_none(
    words: list[str], servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, other = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    calls = records(default)
    for environment in (home, {**home, "KEYSTEAD_DATA": str(other.data)}):
        told = keystead("run", "--", *KEYSTEAD, *words, env=environment, cwd=tmp_path)
        # What the shell evaluates of `env` must fail there too.
        assert (told.returncode, told.stdout) == (2, "(exit 2)\n" if words == ["env"] else "")
        assert (
            "this command is about a data directory, and the environment names the server at" in told.stderr
        )
        assert "name the directory with --data DIR" in told.stderr
    elsewhere = {**home, "KEYSTEAD_ENDPOINT": other.description["url"]}
    assert keystead(*words, env=elsewhere, cwd=tmp_path).returncode == 2
    assert records(default) == calls
    # With a directory named, or inside of a run on one, it is that directory's.
    told = keystead("run", "--", *KEYSTEAD, *words, "--data", str(other.data), env=home, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    within = keystead("run", "--data", str(other.data), "--", *KEYSTEAD, *words, env=home, cwd=tmp_path)
    assert within.returncode == 0, within.stderr


def test_an_access_key_is_made_on_the_server_of_the_run(servers: tuple[LiveServer, LiveServer]) -> None:
    default, other = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    command = [*KEYSTEAD, "access-key", "create"]
    made = json.loads(keystead("run", "--data", str(other.data), "--", *command, env=home).stdout)
    there = keystead("access-key", "list", "--data", str(other.data), env=home).stdout
    assert made["AccessKey"]["AccessKeyId"] in there
    assert made["AccessKey"]["AccessKeyId"] not in keystead("access-key", "list", env=home).stdout


def test_a_strangers_access_key_is_not_used_for_a_server_found_by_its_directory(
    servers: tuple[LiveServer, LiveServer],
) -> None:
    default, _ = servers
    assert STRANGE["ALIBABA_CLOUD_ACCESS_KEY_ID"] != default.client().access_key[0]
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    assert listed(keystead("kms", "ListKeys", env=home)) == [marked(default)]
    told = keystead("env", env=home)
    assert f"export ALIBABA_CLOUD_ACCESS_KEY_ID={default.client().access_key[0]}\n" in told.stdout
    inside = ["sh", "-c", "printf %s $ALIBABA_CLOUD_ACCESS_KEY_ID"]
    told = keystead("run", "--data", str(default.data), "--", *inside, env=home)
    assert told.stdout == default.client().access_key[0]
    # One of the server's own is used, even if it may not sign: whoever set it is to hear that.
    made = json.loads(keystead("access-key", "create", env=home).stdout)["AccessKey"]
    own = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": made["AccessKeyId"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": made["AccessKeySecret"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
    }
    told = keystead("run", "--data", str(default.data), "--", *inside, env={**home, **own})
    assert told.stdout == made["AccessKeyId"]
    assert keystead("access-key", "deactivate", made["AccessKeyId"], env=home).returncode == 0
    told = keystead("kms", "ListKeys", env={**home, **own})
    assert (told.returncode, "Forbidden.AccessKey" in told.stderr) == (4, True)


def test_an_access_key_file_of_either_shape(servers: tuple[LiveServer, LiveServer], tmp_path: Path) -> None:
    default, _ = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    piped, written = tmp_path / "piped.json", tmp_path / "written.json"
    piped.write_text(keystead("access-key", "create", env=home).stdout)
    told = keystead("access-key", "create", "-o", str(written), env=home)
    assert told.returncode == 0, told.stderr
    secret = json.loads(written.read_text())["AccessKeySecret"]
    assert secret not in told.stdout
    assert written.stat().st_mode & 0o777 == 0o600
    for file in (piped, written):
        assert listed(keystead("kms", "ListKeys", "--access-key", str(file), env=home)) == [marked(default)]
    told = keystead("access-key", "create", "-o", str(written), env=home)
    assert (told.returncode, "exists already" in told.stderr) == (1, True)
    assert json.loads(written.read_text())["AccessKeySecret"] == secret
    (tmp_path / "other.json").write_text('{"AccessKeyId": "a"}')
    (tmp_path / "odd.json").write_text('{"AccessKey": 1}')
    for name, message in (
        ("none.json", "there is no AccessKey file"),
        ("other.json", "is not JSON with AccessKeyId and AccessKeySecret"),
        ("odd.json", "is not JSON with AccessKeyId and AccessKeySecret"),
        (".", "cannot read the AccessKey file"),
    ):
        told = keystead("kms", "ListKeys", "--access-key", str(tmp_path / name), env=home)
        assert (told.returncode, message in told.stderr) == (1, True), told.stderr
    # Nothing is left of a file whose AccessKey could not be made.
    told = keystead("access-key", "create", "-o", str(tmp_path / "new"), "--data", str(tmp_path))
    assert told.returncode == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(
    "words",
    [
        ["kms", "ListKeys", "--data", "DATA"],
        ["audit", "list", "--data", "DATA"],
        ["access-key", "list", "--data", "DATA"],
        ["env", "--data", "DATA"],
        ["ca", "show", "--data", "DATA"],
        ["run", "--data", "DATA", "--", "true"],
    ],
    ids=" ".join,
)
def test_another_user_is_told_whose_the_directory_is(words: list[str], tmp_path: Path) -> None:
    script = (
        "import importlib, os, pkgutil, sys, keystead\n"
        # All of it, while it can be read: the other user may not look into this environment.
        "for one in pkgutil.walk_packages(keystead.__path__, 'keystead.'):\n"
        "    if not one.name.endswith(('__main__', 'sitecustomize')): importlib.import_module(one.name)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(keystead.cli.main(sys.argv[1:]))"
    )
    with live(tmp_path / "data"):
        for place in (tmp_path, *tmp_path.parents[:2]):
            place.chmod(0o755)
        words = [word.replace("DATA", str(tmp_path / "data")) for word in words]
        # What measures coverage could write nothing as that user.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        told = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False, cwd=Path("/"),
            env={**environment, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert told.returncode != 0
    assert "cannot look into" in told.stderr, told.stderr
    assert "sudo -u root keystead" in told.stderr
    assert "Traceback" not in told.stderr


def test_kms_is_not_given_the_name_of_a_file_for_what_is_in_it(
    servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, _ = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    (tmp_path / "key.pem").write_text("secret")
    encrypt = ["kms", "Encrypt", "--KeyId", marked(default), "--Plaintext"]
    path = tmp_path / "key.pem"
    misspelt = [f"{form}{path}" for form in ("@", "fileb://", "fileb:", "File:", "FILE://", "file=", "<")]
    for value in (*misspelt, "fileb://nowhere"):
        told = keystead(*encrypt, value, env=home)
        assert (told.returncode, told.stdout) == (2, "")
        assert "names a file, and would be sent instead of what is in it" in told.stderr
        assert ("file:PATH" if "nowhere" in value else f"file:{path}") in told.stderr
        literal = json.loads(keystead(*encrypt, value, "--literal", env=home).stdout)["CiphertextBlob"]
        assert default.client().ok("Decrypt", CiphertextBlob=literal)["Plaintext"] == value
    for value in (f"file:{path}", f"file://{path}"):
        blob = json.loads(keystead(*encrypt, value, env=home).stdout)["CiphertextBlob"]
        assert default.client().ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "secret"
    # What names no file is a text, and may be meant as one.
    told = keystead(*encrypt, "@s3cret", env=home)
    assert told.returncode == 0
    assert told.stderr == (
        "warning: the value of --Plaintext begins with @, and there is no such file: it is sent as it is; "
        "--literal says that this is meant\n"
    )
    blob = json.loads(told.stdout)["CiphertextBlob"]
    assert default.client().ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "@s3cret"
    for words in (["@s3cret", "--literal"], ["a@s3cret"]):
        told = keystead(*encrypt, *words, env=home)
        assert (told.returncode, told.stderr) == (0, "")
    # So may the name of a file.
    for value in ("key.pem", "./key.pem", str(path)):
        told = keystead(*encrypt, value, env=home, cwd=tmp_path)
        assert told.returncode == 0
        assert told.stderr.startswith("warning: the name of a file is encrypted, not what is in it")
        assert f"file:{value} " in told.stderr
        told = keystead(*encrypt, value, "--literal", env=home, cwd=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
    for value in ("nowhere.pem", "file=nowhere", "<nowhere", "File:nowhere", "fileb:nowhere"):
        told = keystead(*encrypt, value, env=home, cwd=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
    told = keystead(*encrypt, "file://nowhere", env=home)
    assert (told.returncode, "cannot read //nowhere" in told.stderr) == (1, True)


def test_kms_takes_a_ciphertext_as_every_tool_writes_it_to_a_file(
    servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, _ = servers
    home = {"XDG_DATA_HOME": str(default.data.parent)}
    blob = default.client().ok("Encrypt", KeyId=marked(default), Plaintext="x\n")["CiphertextBlob"]
    for ending in ("\n", "\r\n", " \n\n"):
        (tmp_path / "blob").write_text(blob + ending)
        told = keystead("kms", "Decrypt", "--CiphertextBlob", f"file:{tmp_path / 'blob'}", env=home)
        assert json.loads(told.stdout)["Plaintext"] == "x\n"
    # A plaintext is sent as it is, its last line break too.
    (tmp_path / "text").write_text("x\n")
    told = keystead(
        "kms", "Encrypt", "--KeyId", marked(default), "--Plaintext", f"file:{tmp_path / 'text'}", env=home
    )
    made = json.loads(told.stdout)["CiphertextBlob"]
    assert default.client().ok("Decrypt", CiphertextBlob=made)["Plaintext"] == "x\n"


def test_the_audit_list_is_whole_or_says_that_it_is_not(
    servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    with live(tmp_path / "data") as server:
        client = server.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.ok("CreateAlias", AliasName="alias/mine", KeyId=key_id)
        blob = client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
        for _ in range(60):
            client.ok("Decrypt", CiphertextBlob=blob)

        def told(*words: str) -> "subprocess.CompletedProcess[str]":
            return keystead("audit", "list", "--json", "--data", str(server.data), *words)

        cut = told()
        assert (len(cut.stdout.splitlines()), cut.stderr) == (
            50,
            "the newest 50 of 63 records; --limit 63 shows all\n",
        )
        for words in (["--since", "30d"], ["--action", "Decrypt"], ["--key", key_id], ["--reveals"]):
            whole = told(*words)
            assert len(whole.stdout.splitlines()) >= 60
            assert whole.stderr == ""
        limited = told("--action", "Decrypt", "--limit", "7")
        assert len(limited.stdout.splitlines()) == 7
        assert limited.stderr == "the newest 7 of 60 records; --limit 60 shows all\n"
        named = told("--key", "alias/mine", "--action", "Decrypt")
        assert len(named.stdout.splitlines()) == 60
        assert named.stderr == f"alias/mine is key {key_id} now\n"
        arn = f"acs:kms:cn-hangzhou:{server.description['account']}:key/{key_id}"
        assert len(told("--key", arn, "--action", "Decrypt").stdout.splitlines()) == 60
        client.ok("DeleteAlias", AliasName="alias/mine")
        gone = [json.loads(line)["action"] for line in told("--key", "alias/mine").stdout.splitlines()]
        assert gone == ["CreateAlias", "DeleteAlias"]
        for words, hint in (
            (["--action", "decrypt"], "did you mean Decrypt?"),
            (["--action", "Zzz"], "keystead audit list shows"),
            (["--key", key_id[:-1]], "there is no key or alias"),
            (["--key", "alias/other"], "there is no key or alias"),
            (["--caller", client.access_key[0].lower()], f"did you mean {client.access_key[0]}?"),
            (["--since", "1d", "--until", "2d"], "--since is not before --until"),
        ):
            refused = told(*words)
            assert (refused.returncode, refused.stdout) == (2, "")
            assert hint in refused.stderr, refused.stderr


def test_a_server_elsewhere_by_variables(servers: tuple[LiveServer, LiveServer], tmp_path: Path) -> None:
    default, other = servers
    found, key = other.description, other.client().access_key
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"AccessKeyId": key[0], "AccessKeySecret": key[1]}))
    home = {"XDG_DATA_HOME": str(default.data.parent), "KEYSTEAD_REGION": ""}
    far = {
        **home,
        "KEYSTEAD_ENDPOINT": found["url"],
        "KEYSTEAD_CA_FILE": found["ca_file"],
        "KEYSTEAD_ACCESS_KEY_FILE": str(own),
    }
    assert listed(keystead("kms", "ListKeys", env=far)) == [marked(other)]
    # A region of which the server has no keys.
    elsewhere = {**far, "KEYSTEAD_REGION": "cn-beijing"}
    assert listed(keystead("kms", "ListKeys", env=elsewhere)) == []
    assert listed(keystead("kms", "ListKeys", "--region", "cn-hangzhou", env=elsewhere)) == [marked(other)]
    # Options go first.
    assert listed(keystead("kms", "ListKeys", "--data", str(default.data), env=far)) == [marked(default)]
    wrong = {**far, "KEYSTEAD_CA_FILE": "/nowhere", "KEYSTEAD_ACCESS_KEY_FILE": "/nowhere"}
    options = ["--ca", found["ca_file"], "--access-key", str(own)]
    assert listed(keystead("kms", "ListKeys", *options, env=wrong)) == [marked(other)]
    # The CA of another server than the one that is asked is not used; there the URL tells.
    for url in (found["url"], f"{found['url']}/"):
        assert listed(keystead("kms", "ListKeys", "--endpoint", url, env=far)) == [marked(other)]
    another = found["url"].replace("localhost", "127.0.0.1")
    told = keystead("kms", "ListKeys", "--endpoint", another, env=far)
    assert (told.returncode, "was not accepted" in told.stderr) == (1, True)
    alone = {**far, "KEYSTEAD_ENDPOINT": ""}
    assert listed(keystead("kms", "ListKeys", "--endpoint", found["url"], env=alone)) == [marked(other)]
    # A file of an AccessKey that another server has is passed by for one found by its directory, as other variables are.
    assert listed(keystead("kms", "ListKeys", env=alone)) == [marked(default)]
    for broken, told_ in (
        ({"KEYSTEAD_ACCESS_KEY_FILE": "/nowhere"}, "KEYSTEAD_ACCESS_KEY_FILE names it"),
        ({"KEYSTEAD_CA_FILE": "/nowhere"}, "cannot read the CA certificate /nowhere"),
        ({"KEYSTEAD_ENDPOINT": "nonsense"}, "'nonsense' is not an endpoint"),
    ):
        ended = keystead("kms", "ListKeys", env={**far, **broken})
        assert (ended.returncode, told_ in ended.stderr) == (1, True)


def test_the_child_of_run_has_an_environment_of_one_piece(
    servers: tuple[LiveServer, LiveServer], tmp_path: Path
) -> None:
    default, other = servers
    outside = {
        "XDG_DATA_HOME": str(default.data.parent),
        "KEYSTEAD_ENDPOINT": "https://elsewhere.example",
        "KEYSTEAD_CA_FILE": "/nowhere",
        "KEYSTEAD_ACCESS_KEY_FILE": "",
        "KEYSTEAD_REGION": "cn-beijing",
        "KEYSTEAD_PROXY": "false",
    }
    data = ["--data", str(other.data)]
    inside = [*KEYSTEAD, "kms", "ListKeys"]
    assert listed(keystead("run", *data, "--", *inside, env=outside)) == [marked(other)]
    told = keystead("run", "--", *inside, env=outside)
    assert (told.returncode, json.loads(told.stdout)["TotalCount"]) == (0, 0)
    assert "KEYSTEAD_ENDPOINT is not used" in told.stderr
    told = keystead("run", *data, "--region", "cn-shanghai", "--", *inside, env=outside)
    assert listed(told) == []
    # An AccessKey file of outside is not the one of the run.
    own = tmp_path / "own.json"
    key = other.client().access_key
    own.write_text(json.dumps({"AccessKeyId": key[0], "AccessKeySecret": key[1]}))
    kept = {**outside, "KEYSTEAD_ACCESS_KEY_FILE": str(own)}
    assert listed(keystead("run", "--", *inside, env=kept)) == []
    # `run --endpoint` takes both files from the environment, as other clients do.
    found = other.description
    far = {**kept, "KEYSTEAD_ENDPOINT": "", "KEYSTEAD_CA_FILE": found["ca_file"]}
    assert listed(keystead("run", "--endpoint", found["url"], "--", *inside, env=far)) == [marked(other)]
    # A server within has settings of its own: what `run` sets for programs means nothing to it.
    within = [*KEYSTEAD, "config", "check", "--data", str(tmp_path / "new")]
    ended = keystead("run", "--", *within, env={**outside, "KEYSTEAD_ENDPOINT": ""})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "proxy = false  # KEYSTEAD_PROXY" in ended.stdout
    assert 'region = "cn-hangzhou"  # KEYSTEAD_REGION' in ended.stdout


def test_env_sets_and_puts_back_what_clients_read(servers: tuple[LiveServer, LiveServer]) -> None:
    default, other = servers
    script = (
        'eval "$("$@" env --data "$DATA")"; "$@" kms ListKeys -q Keys.Key[].KeyId; '
        'echo "$KEYSTEAD_REGION,$KEYSTEAD_ACCESS_KEY_FILE"; eval "$("$@" env --unset)"; '
        'echo "$KEYSTEAD_REGION,$KEYSTEAD_ACCESS_KEY_FILE,$KEYSTEAD_ENDPOINT,$KEYSTEAD_RUN_PROXY"'
    )
    key = other.data / "root-access-key.json"
    environment = {
        **without_ours(), "DATA": str(other.data), "XDG_DATA_HOME": str(default.data.parent),
        "KEYSTEAD_REGION": "cn-beijing", "KEYSTEAD_ACCESS_KEY_FILE": str(key),
    }  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", script, "sh", *KEYSTEAD], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [marked(other), "cn-hangzhou,", f"cn-beijing,{key},,"], done.stderr


def test_run_tells_that_its_private_server_is_not_the_one_of_the_environment(
    servers: tuple[LiveServer, LiveServer],
) -> None:
    default, _ = servers
    data = {"KEYSTEAD_DATA": str(default.data)}
    told = keystead("run", "--", "true", env=data)
    assert (told.returncode, told.stderr) == (
        0,
        "a private server for the time of the command: KEYSTEAD_DATA is not used; --data DIR names another\n",
    )
    both = data | {"KEYSTEAD_ENDPOINT": "https://localhost:1"}
    told = keystead(
        "run", "--", *KEYSTEAD, "run", "--", "true", env=both
    )  # said once: the inner one's are the outer's
    assert told.stderr.count("\n") == 1
    assert (
        "KEYSTEAD_ENDPOINT and KEYSTEAD_DATA are not used; --endpoint URL or --data DIR names" in told.stderr
    )
    for words, env in (([], {}), (["--data", str(default.data)], data)):
        assert keystead("run", *words, "--", "true", env=env).stderr == ""
