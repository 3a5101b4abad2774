"""`keystead status` says which server commands are about and how it is, to people and, by its exit status, to scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keystead import __version__, cli
from keystead.cli.diagnosis import scene
from keystead.crypto.authority import Authority
from tests.live import KEYSTEAD, STRANGE, LiveServer, keystead, live
from tests.strangers import AnswersWith


def told(*words: str, **env: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, members and what was said on standard error."""
    ended = keystead("status", "--output", "json", *words, env=env)
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def key_of(server: LiveServer) -> dict[str, str]:
    key = server.client().access_key
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
    }


def far(server: LiveServer) -> list[str]:
    return ["--endpoint", server.description["url"], "--ca", str(server.data / "ca.pem")]


def test_a_server_by_its_directory(server: LiveServer) -> None:
    status, found, said = told("--data", str(server.data))
    assert (status, said) == (0, "")
    running, key = server.description, server.client().access_key
    assert server.process is not None
    assert {name: found[name] for name in ("State", "Url", "Because", "Data", "Pid", "OpsUrl")} == {
        "State": "ready",
        "Url": running["url"],
        "Because": "--data",
        "Data": str(server.data),
        "Pid": server.process.pid,
        "OpsUrl": running["ops_url"],
    }
    assert (found["Version"], found["ClientVersion"]) == (__version__, __version__)
    assert (found["Account"], found["Region"]) == (running["account"], "cn-hangzhou")
    assert found["AccessKey"] == {
        "AccessKeyId": key[0], "Source": str(server.data / "root-access-key.json")
    }  # fmt: skip
    assert found["Certificate"]["Names"] == ["localhost", "127.0.0.1", "::1"]
    assert found["Certificate"]["NotAfter"] < found["CA"]["NotAfter"]
    assert (found["CA"]["File"], found["Problem"]) == (str(server.data / "ca.pem"), None)
    if sys.platform == "linux":
        assert found["Started"]


def test_a_server_by_its_address(server: LiveServer) -> None:
    status, found, said = told(*far(server), **key_of(server))
    assert (status, found["State"], said) == (0, "ready", "")
    assert (found["Because"], found["Data"], found["Version"]) == ("--endpoint", None, None)
    assert found["Account"] == server.description["account"]
    assert found["AccessKey"]["Source"] == "ALIBABA_CLOUD_ACCESS_KEY_ID"
    status, found, _ = told(*far(server), "--region", "cn-beijing", **key_of(server))
    assert (status, found["Region"]) == (0, "cn-beijing")


def test_which_region_calls_are_about(server: LiveServer) -> None:
    data = ["--data", str(server.data)]
    assert told(*data)[1]["RegionSource"] == "the server's"
    _, found, _ = told(*data, KEYSTEAD_REGION="cn-beijing")
    assert (found["Region"], found["RegionSource"]) == ("cn-beijing", "KEYSTEAD_REGION")
    _, found, _ = told(*data, "--region", "cn-shanghai", KEYSTEAD_REGION="cn-beijing")
    assert (found["Region"], found["RegionSource"]) == ("cn-shanghai", "--region")
    # A name of the vendor's says it before the parameter does.
    assert scene._region("cn-beijing", "kms.cn-wuhan-lr.aliyuncs.com", None) == (
        "cn-wuhan-lr",
        "the endpoint's name",
    )
    assert scene._region(None, "kms.example.com", None) == ("", "")


def test_doctor_warns_of_another_region(server: LiveServer) -> None:
    doctor = ["doctor", "--data", str(server.data)]
    warned = "KEYSTEAD_REGION is cn-beijing, and the server's own region is cn-hangzhou"
    assert warned in keystead(*doctor, env={"KEYSTEAD_REGION": "cn-beijing"}).stdout
    for env in ({}, {"KEYSTEAD_REGION": "cn-hangzhou"}):
        assert "server's own region" not in keystead(*doctor, env=env).stdout
    assert "own region" not in keystead(*doctor, "--region", "cn-beijing").stdout


def test_why_this_server(server: LiveServer) -> None:
    by_environment = {
        "KEYSTEAD_ENDPOINT": server.description["url"],
        "KEYSTEAD_CA_FILE": str(server.data / "ca.pem"),
    }
    _, found, _ = told(**by_environment, **key_of(server))
    assert (found["State"], found["Because"]) == ("ready", "KEYSTEAD_ENDPOINT")
    _, found, _ = told(KEYSTEAD_DATA=str(server.data))
    assert (found["State"], found["Because"]) == ("ready", "KEYSTEAD_DATA")
    _, found, _ = told(XDG_DATA_HOME=str(server.data.parent))
    assert found["Because"] == "the default data directory"
    within = keystead("run", "--", *KEYSTEAD, "status", "--output", "json")
    found = json.loads(within.stdout)
    assert (within.returncode, found["Because"]) == (0, "KEYSTEAD_ENDPOINT, set by keystead run")
    assert (found["Account"], found["Certificate"]) == ("1000000000000001", None)
    within = keystead("run", "--data", str(server.data), "--", *KEYSTEAD, "status", "--output", "json")
    found = json.loads(within.stdout)
    assert (within.returncode, found["Data"], found["Version"]) == (0, str(server.data), __version__)


def test_within_env(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--proxy") as server:
        line = f'eval "$({" ".join(KEYSTEAD)} env --data {server.data})" && {" ".join(KEYSTEAD)} status --output json'
        ended = keystead_shell(line)
        assert json.loads(ended)["Because"] == "KEYSTEAD_ENDPOINT, set by keystead env"


def keystead_shell(line: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD_")}
    return subprocess.run(
        ["sh", "-ec", line], env={**clean, **STRANGE}, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_a_stopped_server(tmp_path: Path) -> None:
    status, found, said = told("--data", str(tmp_path / "data"))
    assert (status, found["State"], found["Url"]) == (3, "stopped", None)
    hint = f"start one with keystead serve --data {tmp_path}/data"
    assert found["Problem"] == {"Message": f"no server runs on {tmp_path}/data", "Hint": hint}
    assert said == f"error: no server runs on {tmp_path}/data\nhint: {hint}\n"
    with live(tmp_path / "data"):
        pass
    shown = keystead("status", "--data", str(tmp_path / "data"))
    assert (shown.returncode, shown.stderr) == (3, said)
    assert shown.stdout.splitlines() == [
        "server          none (--data)",
        f"data directory  {tmp_path}/data",
        "state           stopped",
    ]


@pytest.mark.parametrize("kind", ["file", "foreign"])
def test_what_is_no_data_directory_is_told_as_serve_does(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x")
    else:
        place.mkdir()
        (place / "photo.jpg").write_text("x")
    shown = keystead("status", "--data", str(place))
    assert shown.returncode == 3
    assert f"data directory  {place}, which is none\n" in shown.stdout
    assert "start one" not in shown.stderr
    started = keystead(
        "serve", "--data", str(place), "--listen", "localhost:0", "--ops-listen", "localhost:0"
    )
    assert shown.stderr == started.stderr
    empty = keystead("status", "--data", str(tmp_path / "new"))
    assert f"{tmp_path / 'new'}, with nothing in it" in empty.stdout
    assert "start one" in empty.stderr


def test_the_other_scheme_is_told(server: LiveServer) -> None:
    _, _, where = server.description["url"].partition("//")
    for words in (["kms", "ListKeys"], ["status"]):
        shown = keystead(*words, "--endpoint", f"http://{where}", env=key_of(server))
        assert shown.returncode == 3
        assert f"it speaks HTTPS: write https://{where}" in shown.stderr
    with AnswersWith(lambda path: (400, {})) as url:
        there = url.partition("//")[2]
        for words in (["kms", "ListKeys"], ["status"]):
            shown = keystead(*words, "--endpoint", f"https://{there}", env=key_of(server))
            assert shown.returncode == 3
            assert f"https://{there}: it does not speak TLS\n" in shown.stderr
            assert f"if it serves plain HTTP, write http://{there}\n" in shown.stderr


def test_a_name_that_nobody_knows_and_a_file_that_is_not_there(server: LiveServer, tmp_path: Path) -> None:
    none = {"ALIBABA_CLOUD_ACCESS_KEY_ID": ""}
    for words in (["kms", "ListKeys"], ["status"]):
        shown = keystead(*words, env={"KEYSTEAD_ENDPOINT": "https://kms.exmaple.invalid", **none})
        assert shown.returncode == 3
        assert "cannot reach https://kms.exmaple.invalid" in shown.stderr
        assert "hint: check how kms.exmaple.invalid is spelt" in shown.stderr
    shown = keystead("kms", "ListKeys", env={"KEYSTEAD_ENDPOINT": server.description["url"], **none})
    assert "there is no AccessKey for" in shown.stderr
    nowhere = str(tmp_path / "none")
    here = key_of(server) | {"KEYSTEAD_ENDPOINT": server.description["url"]}
    shown = keystead("kms", "ListKeys", env=here | {"KEYSTEAD_CA_FILE": nowhere})
    assert shown.stderr.endswith("hint: check KEYSTEAD_CA_FILE\n")
    shown = keystead("kms", "ListKeys", "--ca", nowhere, env=here)
    assert shown.stderr.endswith("hint: check --ca\n")


def test_a_server_that_was_killed(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        server.kill()
        status, found, _ = told("--data", str(server.data))
        assert (status, found["State"]) == (3, "stopped")


def test_no_answer_a_refusal_and_a_stranger(server: LiveServer, tmp_path: Path) -> None:
    status, found, _ = told("--endpoint", "https://localhost:1", **key_of(server))
    assert (status, found["State"]) == (3, "unreachable")
    status, found, said = told(*far(server))
    assert (status, found["State"]) == (4, "refused")
    assert said.startswith("error: the server refuses the AccessKey: InvalidAccessKeyId.NotFound: ")
    none = dict.fromkeys(key_of(server), "")
    status, found, said = told(*far(server), **none)
    assert (status, found["State"], found["AccessKey"]) == (1, "unknown", None)
    assert said.startswith("error: there is no AccessKey for https://localhost:")
    other = Authority.create("Other CA", dns=["localhost"], addresses=[], now=2_000_000_000, lifetime=86400)
    (tmp_path / "ca.pem").write_bytes(other.certificate_pem)
    url = server.description["url"]
    status, found, said = told("--endpoint", url, "--ca", str(tmp_path / "ca.pem"), **key_of(server))
    assert (status, found["State"]) == (1, "not believed")
    assert found["Certificate"]["Problem"]
    assert "keystead ca show -o FILE" in said
    status, found, said = told("--endpoint", "https://someone:password@host", **key_of(server))
    assert (status, found["Url"], "password" in json.dumps(found) + said) == (1, None, False)
    status, found, said = told("--access-key", "/nowhere/key.json", "--data", str(server.data))
    assert (status, found["State"]) == (1, "unknown")


def test_a_server_that_is_not_ready(server: LiveServer) -> None:
    description = server.data / "server.json"
    kept = description.read_text()
    busy = AnswersWith(lambda path: (503, {"status": "not ready", "problems": ["disk full"]}))
    try:
        with busy as url:
            description.write_text(json.dumps({**json.loads(kept), "ops_url": url}))
            status, found, said = told("--data", str(server.data))
    finally:
        description.write_text(kept)
    assert (status, found["State"], found["Started"]) == (3, "not ready", None)
    assert said.startswith("error: the server is not ready: disk full\nhint: ")
    with AnswersWith(lambda path: (503, {"Code": "ServiceUnavailable", "RequestId": "1"})) as url:
        status, found, said = told("--endpoint", url)
    assert (status, found["State"]) == (3, "not ready")


def test_for_people(server: LiveServer) -> None:
    shown = keystead("status", "--data", str(server.data))
    assert (shown.returncode, shown.stderr) == (0, "")
    names = [line[:16].strip() for line in shown.stdout.splitlines()]
    assert names == [
        "server", "data directory", "state", "version", "account", "region", "AccessKey", "certificate", "CA",
        "health, metrics", "checkpoints",
    ]  # fmt: skip
    assert "state           ready" in shown.stdout
    assert server.client().access_key[1] not in shown.stdout
    text = keystead("status", "--data", str(server.data), "--output", "text").stdout
    assert "State\tready\n" in text


def test_on_a_narrow_terminal_text_is_wrapped_beside_its_name(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.main(["status", "--data", str(server.data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(" " * 16) for line in lines)
    words = max(len(word) for line in lines for word in line.split())
    assert max(map(len, lines)) <= max(60, 16 + words)
    monkeypatch.setenv("COLUMNS", "20")
    assert cli.main(["status", "--data", str(server.data)]) == 0
    assert not any(line.startswith(" ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ca", "ca.pem"], "--ca belongs to --endpoint"),
        (["--endpoint", "https://a", "--data", "b"], "--endpoint and --data exclude each other"),
        (["--output", "yaml"], "invalid choice"),
        (["now"], "there are more words than this command takes"),
    ],
)
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_wrong_words(command: str, words: list[str], message: str) -> None:
    ended = keystead(command, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
