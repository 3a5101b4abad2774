"""Commands and programs with several addresses of one service: a standby takes over, and nothing is sent twice."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, LiveServer, keystead, live, without_ours

NOWHERE = "https://localhost:1"
PROGRAM = """
import sys
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.ListKeysRequest import ListKeysRequest

client = AcsClient(region_id="cn-hangzhou")
for line in sys.stdin:
    try:
        client.do_action_with_exception(ListKeysRequest())
        print("answered", flush=True)
    except Exception as error:
        print(type(error).__name__, getattr(error, "get_http_status", lambda: 0)(), flush=True)
"""


@contextmanager
def pair(tmp_path: Path) -> Iterator[tuple[LiveServer, LiveServer]]:
    """A server, and one with a copy of its store, its AccessKeys and its CA."""
    with live(tmp_path / "active"):
        pass
    shutil.copytree(tmp_path / "active", tmp_path / "standby")
    with live(tmp_path / "active") as active, live(tmp_path / "standby") as standby:
        yield active, standby


def environment(server: LiveServer) -> dict[str, str]:
    return {"KEYSTEAD_ACCESS_KEY_FILE": str(server.data / "root-access-key.json")}


def test_a_program_under_run_does_not_see_that_a_server_is_gone(tmp_path: Path) -> None:
    with pair(tmp_path) as (active, standby):
        urls = [server.description["url"] for server in (active, standby)]
        words = [
            "run",
            "--endpoint",
            urls[0],
            "--endpoint",
            urls[1],
            "--ca",
            str(active.data / "ca.pem"),
            "--log",
            "-",
        ]
        with subprocess.Popen(
            [*KEYSTEAD, *words, "--", sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**without_ours(), **environment(active)},
        ) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            told = []
            for stop in (None, active, standby):
                if stop is not None:
                    stop.stop()
                program.stdin.write("go\n")
                program.stdin.flush()
                told.append(program.stdout.readline())
            _, errors = program.communicate(timeout=60)
    assert told == ["answered\n", "answered\n", "ServerException 503\n"]
    assert errors.count(" ListKeys ") == 3, errors  # a line a call, however many servers were asked


def test_commands_call_the_one_that_answers(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        url, ca = server.description["url"], str(server.data / "ca.pem")
        both = {**environment(server), "KEYSTEAD_ENDPOINT": f"{NOWHERE},{url}", "KEYSTEAD_CA_FILE": ca}
        listed = keystead("kms", "ListKeys", "--output", "json", env=both)
        assert (listed.returncode, listed.stderr) == (0, "")
        repeated = ["--endpoint", NOWHERE, "--endpoint", url, "--ca", ca]
        assert keystead("kms", "ListKeys", *repeated, env=environment(server)).returncode == 0
        made = keystead("kms", "CreateKey", "--query", "KeyMetadata.KeyId", "--output", "json", env=both)
        (tmp_path / "plain").write_text("a secret")
        key = made.stdout.strip().strip('"')
        sealed = keystead(
            "file", "encrypt", "--key", key, str(tmp_path / "plain"), *repeated, env=environment(server)
        )
        assert sealed.returncode == 0, sealed.stderr

        found = keystead("status", env=both)
        assert found.returncode == 0
        assert f"{url} (KEYSTEAD_ENDPOINT, address 2 of 2)" in found.stdout
        checked = keystead("doctor", env=both)
        assert checked.returncode == 1
        assert f"{url} (KEYSTEAD_ENDPOINT, address 2 of 2)" in checked.stdout
        assert f"cannot reach {NOWHERE}" in checked.stdout


def test_where_none_answers_each_is_named(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"AccessKeyId": "LTAIid", "AccessKeySecret": "secret"}')
    key.chmod(0o600)
    ended = keystead(
        "kms", "ListKeys", "--endpoint", f"{NOWHERE},http://localhost:2", "--access-key", str(key)
    )
    assert ended.returncode == 3
    assert (
        f"none of 2 servers: cannot reach {NOWHERE}: Connection refused; cannot reach http://localhost:2: "
        in ended.stderr
    )


@pytest.mark.parametrize("words", [["kms", "ListKeys"], ["run"], ["doctor"]])
def test_a_list_with_something_else_in_it_is_refused(words: list[str]) -> None:
    more = ["--", "true"] if words == ["run"] else []
    env = {"ALIBABA_CLOUD_SECURITY_TOKEN": ""}
    ended = keystead(*words, "--endpoint", f"{NOWHERE},localhost:8443", *more, env=env)
    assert ended.returncode in (1, 125)
    assert "error: 'localhost:8443' is not an endpoint" in ended.stderr
    assert "hint: " in ended.stderr
