"""A disk that hangs, and slow work that does not end: it is said, and the server goes on when it is over."""

import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.live import LiveServer, keystead

pytestmark = pytest.mark.crash

# While the file lies there: commits do not return; slow work does not end.
PROGRAM = """
import sys, time
from pathlib import Path
from keystead.store.sqlite import SqliteStore
from keystead.api.slow import Slow
from keystead.server.service import underway

hang = Path(sys.argv.pop(1))
underway.PATIENCE[underway.SLOW_WORK] = 2

def held(function):
    def wait(self, *values):
        while hang.exists():
            time.sleep(0.01)
        return function(self, *values)
    return wait

if sys.argv.pop(1) == "commit":
    SqliteStore.commit = held(SqliteStore.commit)
else:
    Slow.run = held(Slow.run)
from keystead.cli import main
sys.exit(main())
"""


def get(server: LiveServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{server.description['ops_url']}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hanging(server: LiveServer, work: str) -> int:
    found = re.search(rf'^keystead_hanging{{work="{work}"}} (\d+)', get(server, "/metrics")[1], re.M)
    return int(found[1]) if found else -1


def events(server: LiveServer, name: str) -> list[dict[str, Any]]:
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line["event"] == name]


def server_that_hangs(tmp_path: Path, what: str, front: str) -> tuple[LiveServer, Path]:
    program, hang = tmp_path / "program.py", tmp_path / "hang"
    program.write_text(PROGRAM)
    options = ("--front-process", front, "--log-format", "json")
    return LiveServer(
        tmp_path / "data", *options, program=[sys.executable, str(program), str(hang), what]
    ), hang


@pytest.mark.parametrize("front", ["yes", "no"])
def test_a_commit_that_does_not_return_is_said_until_it_does(front: str, tmp_path: Path) -> None:
    server, hang = server_that_hangs(tmp_path, "commit", front)
    server.start()
    try:
        server.client().ok("ListKeys")
        assert get(server, "/ready")[0] == 200
        hang.touch()
        answers: list[dict[str, Any]] = []
        client = server.client()
        caller = Thread(target=lambda: answers.append(client.ok("CreateKey")))
        caller.start()
        until(lambda: events(server, "commit hangs"))
        assert any(place.endswith(" wait") for place in events(server, "commit hangs")[0]["places"])
        status, said = get(server, "/ready")
        assert status == 503
        assert re.search(r"a commit has not returned for \d+ s: the disk hangs", said)
        until(lambda: hanging(server, "commit") == 1)
        assert get(server, "/health")[0] == 200
        assert answers == []
        told = keystead("access-key", "create", "--data", str(server.data))
        assert (told.returncode, told.stdout) == (3, "")
        assert "has not answered within 10 s" in told.stderr
        hang.unlink()
        caller.join(30)
        assert len(answers) == 1  # it waited, and is answered
        until(lambda: events(server, "command not carried out: nobody waits for its answer any more"))
        told = keystead("access-key", "list", "--data", str(server.data))
        assert len(json.loads(told.stdout)["AccessKeys"]["AccessKey"]) == 1
        until(lambda: get(server, "/ready")[0] == 200)
        until(lambda: hanging(server, "commit") == 0)
        assert len(events(server, "commit hangs")) == 1
        assert len(events(server, "commit hangs no longer")) == 1
        assert server.client().ok("ListKeys")["TotalCount"] == 1
        assert events(server, "front process ended") == []
    finally:
        hang.unlink(missing_ok=True)
        server.stop()


def test_slow_work_that_does_not_end_is_said_and_others_are_answered(tmp_path: Path) -> None:
    server, hang = server_that_hangs(tmp_path, "slow", "yes")
    server.start()
    try:
        hang.touch()
        answers: list[dict[str, Any]] = []
        client = server.client()
        caller = Thread(target=lambda: answers.append(client.ok("CreateKey", KeySpec="RSA_2048")))
        caller.start()
        until(lambda: events(server, "slow work hangs"))
        until(lambda: hanging(server, "slow work") == 1)
        assert get(server, "/ready")[0] == 200
        server.client().ok("ListKeys")
        hang.unlink()
        caller.join(30)
        assert len(answers) == 1
        until(lambda: events(server, "slow work hangs no longer"))
    finally:
        hang.unlink(missing_ok=True)
        server.stop()
