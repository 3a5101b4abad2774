"""Settings by flags, variables and a file; what a start, a reload and `config check` refuse of them."""

import json
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from keystead.settings import SETTINGS, Settings
from tests.live import KEYSTEAD, LiveServer, keystead, live, without_ours


def checked(told: "subprocess.CompletedProcess[str]") -> dict[str, tuple[object, str]]:
    """What `config check` printed: each setting, and where it comes from."""
    assert told.returncode == 0, told.stderr
    sources = [line.rpartition("  # ")[2] for line in told.stdout.splitlines()]
    return dict(
        zip(
            tomllib.loads(told.stdout), zip(tomllib.loads(told.stdout).values(), sources, strict=True), strict=True
        )
    )  # fmt: skip


def test_config_check_prints_every_setting_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text('region = "cn-beijing"\nname = ["a"]\nidle-seconds = 5\n')
    data = {"XDG_DATA_HOME": str(tmp_path)}
    variables = {"KEYSTEAD_NAME": "b,c", "KEYSTEAD_IDLE_SECONDS": "6", "KEYSTEAD_LISTEN": ""}
    told = keystead(
        "config", "check", "--config", str(file), "--idle-seconds", "7", env={**data, **variables}
    )
    found = checked(told)
    assert list(found) == [one.name for one in SETTINGS]
    assert found["region"] == ("cn-beijing", str(file))
    assert found["name"] == (["b", "c"], "KEYSTEAD_NAME")
    assert found["idle-seconds"] == (7, "--idle-seconds")
    assert found["listen"] == (Settings().listen, "default")
    # What it prints is a configuration file, which makes the same settings.
    again = tmp_path / "again.toml"
    again.write_text(told.stdout)
    after = checked(keystead("config", "check", env={**data, "KEYSTEAD_CONFIG": str(again)}))
    assert {name: value for name, (value, _) in after.items()} == {
        name: value for name, (value, _) in found.items()
    }
    assert {source for _, source in after.values()} == {str(again)}
    assert list(tmp_path.iterdir()) in ([file, again], [again, file])


BROKEN = [
    ('http = true\nlisten = "0.0.0.0:0"\n', {}, 2, "plain HTTP on 0.0.0.0"),
    ('listen = "8443"\n', {}, 2, "is not an address"),
    ('name = ["not a name"]\n', {}, 2, "neither a host name"),
    ("colour = 1\n", {}, 2, "no setting 'colour'"),
    ("colour =\n", {}, 2, "not valid TOML"),
    ("", {"KEYSTEAD_LOG_LEVEL": "loud"}, 2, "KEYSTEAD_LOG_LEVEL must be"),
    ("", {"KEYSTEAD_LISTN": "localhost:0"}, 2, "did you mean KEYSTEAD_LISTEN?"),
    ("", {"KEYSTEAD_CONFIG": "/nowhere.toml"}, 2, "cannot read the configuration file /nowhere.toml"),
    ("", {"KEYSTEAD_TLS_CERT": "/nowhere/c"}, 2, "belong together"),
    ('tls-cert = "/nowhere/c"\ntls-key = "/nowhere/k"\n', {}, 1, "cannot read /nowhere/c"),
    ('log-file = "/nowhere/log"\n', {}, 1, "cannot open the log file"),
    ('seed = "/nowhere/seed"\n', {}, 1, "cannot read the seed"),
    ('data = "/dev/null/data"\n', {}, 1, "cannot make the data directory"),
    ('listen = "198.51.100.7:0"\n', {}, 1, "cannot listen on 198.51.100.7"),
]


@pytest.mark.parametrize(("content", "env", "status", "told"), BROKEN, ids=[one[3] for one in BROKEN])
def test_a_check_refuses_what_a_start_refuses_in_the_same_words(
    content: str, env: dict[str, str], status: int, told: str, tmp_path: Path
) -> None:
    words = []
    if "KEYSTEAD_CONFIG" not in env:
        (tmp_path / "k.toml").write_text(content)
        words = ["--config", str(tmp_path / "k.toml")]
    home = {"XDG_DATA_HOME": str(tmp_path), **env}
    check, start = (keystead(*command, *words, env=home) for command in (("config", "check"), ("serve",)))
    assert (check.returncode, check.stdout) == (status, "")
    assert told in check.stderr
    assert (start.returncode, start.stderr) == (status, check.stderr)
    # Nothing was made.
    assert {one.name for one in tmp_path.iterdir()} <= {"k.toml"}


def test_flags_are_refused_in_words() -> None:
    for words, told in (
        (["--idle-seconds", "x"], "error: --idle-seconds must be a whole number, 1 to 3600\n"),
        (["--log-level", "wraning"], "error: --log-level must be debug, info, warning or error\n"),
        (["--front-process", "maybe"], "error: --front-process must be auto, yes or no\n"),
    ):
        for command in (["serve"], ["config", "check"]):
            ended = keystead(*command, *words)
            assert (ended.returncode, ended.stderr.startswith(told)) == (2, True)
    assert "hint: did you mean warning?" in keystead("serve", "--log-level", "wraning").stderr


def test_a_server_by_variables_alone(tmp_path: Path) -> None:
    environment = {
        **without_ours(),
        "KEYSTEAD_DATA": str(tmp_path / "data"),
        "KEYSTEAD_LISTEN": "localhost:0",
        "KEYSTEAD_REGION": "cn-shanghai",
        "KEYSTEAD_HTTP": "yes",
        "KEYSTEAD_FRONT_PROCESS": "no",
        "KEYSTEAD_LOG_FILE": str(tmp_path / "log"),
        # Of a client: nothing to a server.
        "KEYSTEAD_ENDPOINT": "https://elsewhere.example",
        "KEYSTEAD_CA_FILE": "/nowhere",
        "KEYSTEAD_ACCESS_KEY_FILE": "/nowhere",
        # Somebody's own.
        "KEYSTEAD_HOME": "/opt/keystead",
    }
    with (tmp_path / "err").open("wb") as err:
        server = subprocess.Popen([*KEYSTEAD, "serve"], env=environment, stderr=err)
    try:
        found: dict[str, str] = {}
        deadline = time.monotonic() + 60
        while not found:
            assert server.poll() is None, (tmp_path / "err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
            if (tmp_path / "data" / "server.json").exists():
                found = json.loads((tmp_path / "data" / "server.json").read_text())
        assert (found["region"], found["url"].partition(":")[0]) == ("cn-shanghai", "http")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    assert "warning: the variable KEYSTEAD_HOME means nothing to a server\n" in (tmp_path / "err").read_text()
    assert '"serving"' in (tmp_path / "log").read_text()


def test_settings_of_a_server_mean_nothing_to_a_client(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        of_a_server = {
            "KEYSTEAD_LISTEN": "nonsense",
            "KEYSTEAD_HTTP": "nonsense",
            "KEYSTEAD_TLS_CERT": "/nowhere",
            "KEYSTEAD_PROXY": "true",
            "KEYSTEAD_CONFIG": "/nowhere",
        }
        told = keystead("kms", "ListKeys", "--data", str(server.data), env=of_a_server)
        assert (told.returncode, told.stderr) == (0, "")


def test_a_misspelt_variable_is_a_warning_where_no_settings_are_read(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        told = keystead("kms", "ListKeys", "--data", str(server.data), env={"KEYSTEAD_ENDPIONT": "https://x"})
        assert told.returncode == 0
        assert (
            told.stderr
            == "warning: there is no variable KEYSTEAD_ENDPIONT; did you mean KEYSTEAD_ENDPOINT?\n"
        )
        told = keystead("kms", "ListKeys", "--data", str(server.data), env={"KEYSTEAD_HOME": "/x"})
        assert (told.returncode, told.stderr) == (0, "")


def events(server: LiveServer, name: str) -> list[dict[str, object]]:
    lines = server.log.read_text().splitlines()
    return [one for one in (json.loads(line) for line in lines if line[:1] == "{") if one["event"] == name]


def test_a_reload_refuses_what_the_next_start_would(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text("")
    with live(tmp_path / "data", "--config", str(file)) as server:
        assert server.process is not None
        for content, told in (
            ('tls-cert = "/nowhere/c"\ntls-key = "/nowhere/k"\n', "cannot read /nowhere/c"),
            ('seed = "/nowhere/seed"\n', "cannot read the seed"),
            ('ops-listen = "198.51.100.7:1"\n', "cannot listen on 198.51.100.7:1"),
            ('front-process = "no"\nfront-confinement = "yes"\n', "there is no front process"),
            ('data = "/dev/null/data"\nhttp = true\n', ""),
        ):
            count = len(events(server, "not reloaded")) + len(events(server, "reloaded"))
            file.write_text(f"idle-seconds = 5\n{content}")
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 60
            while len(events(server, "not reloaded")) + len(events(server, "reloaded")) == count:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            if told:
                assert told in str(events(server, "not reloaded")[-1]["reason"])
        # A flag wins over the file: what it says of the data directory means nothing, and the rest is taken.
        assert events(server, "reloaded")[-1]["names"] == ["idle-seconds"]
        assert server.client().ok("ListKeys")["TotalCount"] == 0
