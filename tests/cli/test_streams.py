"""Commands whose standard streams are closed, or take nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, LiveServer, without_ours


def closed(
    streams: str, *words: str, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command whose streams are as the shell's redirections say."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *KEYSTEAD, *words],
        capture_output=True, text=True, timeout=60, check=False, env={**without_ours(), **(env or {})},
    )  # fmt: skip


def keys(server: LiveServer) -> int:
    client = server.client()
    try:
        return int(client.ok("ListKeys")["TotalCount"])
    finally:
        client.close()


@pytest.mark.parametrize("words", [["version"], ["--help"], ["config", "check"], ["completion", "bash"]])
def test_without_standard_output_there_is_one_error(words: list[str]) -> None:
    told = closed(">&-", *words)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: standard output is closed\nhint: ")
    assert told.stderr.count("\n") == 2


def test_nothing_is_made_whose_answer_would_be_lost(server: LiveServer) -> None:
    before = keys(server)
    told = closed(">&-", "kms", "CreateKey", "--data", str(server.data))
    assert (told.returncode, "standard output is closed" in told.stderr) == (1, True)
    assert keys(server) == before


def test_an_answer_that_found_no_room_is_of_a_call_that_is_done(server: LiveServer) -> None:
    for number, query in enumerate(([], ["-q", "KeyMetadata.KeyId"]), keys(server) + 1):
        told = closed(">/dev/full", "kms", "CreateKey", "--data", str(server.data), *query)
        assert (told.returncode, "No space left on device" in told.stderr) == (1, True)
        assert "the call is done, and need not be repeated" in told.stderr
        assert keys(server) == number


def test_what_is_read_from_a_closed_standard_input_is_not_taken_for_empty(server: LiveServer) -> None:
    data = ["--data", str(server.data)]
    told = closed("<&-", "kms", "Encrypt", "--KeyId", "alias/work", "--Plaintext", "-", *data)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: standard input is closed")
    told = closed("<&-", "file", "encrypt", "--key", "alias/work", "-", *data)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 2)
    assert "standard input is closed" in told.stderr


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_command_of_run_and_exec_has_the_last_word(
    server: LiveServer, tmp_path: Path, streams: str
) -> None:
    (tmp_path / "a").write_text("x")
    data = ["--data", str(server.data)]
    cipher = tmp_path / "a.cipher"
    told = closed(streams, "file", "encrypt", "--key", "alias/work", *data, str(tmp_path / "a"))
    assert told.returncode == 0
    assert cipher.exists()
    for words in (["run", *data], ["exec", "--env", f"A={cipher}", *data]):
        told = closed(streams, *words, "--", "sh", "-c", "exit 7")
        assert (told.returncode, "Traceback" in told.stderr) == (7, False)


def test_serve_needs_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *KEYSTEAD, "serve", "--data", str(data),
         "--listen", "localhost:0", "--ops-listen", "localhost:0"],
        env=without_ours(),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (data / "server.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told = closed("2>&-", "status", "--output", "json", "--data", str(data))
        assert json.loads(told.stdout)["State"] == "ready"
        if sys.platform == "linux":
            assert Path(os.readlink(f"/proc/{process.pid}/fd/1")) == Path("/dev/null")
    finally:
        process.terminate()
        assert process.wait(60) == 0
