import errno
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from keystead.errors import OperatorError
from keystead.server import logs


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> object:
    yield
    logging.getLogger("keystead").handlers[:] = []
    logging.getLogger("keystead").propagate = True
    return None


def test_an_event_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logs.event("serving", url="https://localhost:8443", pid=7)
    logs.event("unseen", "debug", code="X")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {"level": "info", "event": "serving", "url": "https://localhost:8443", "pid": 7}


def test_a_field_that_is_not_on_the_list_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="plaintext"):
        logs.event("encrypted", plaintext="canary")


def test_an_exception_is_told_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("auto", "warning")
    try:
        raise ValueError("canary")
    except ValueError as error:
        logs.failure("internal failure", error, request_id="r")
    told = capsys.readouterr().err
    assert "canary" not in told
    found = json.loads(told)
    assert (found["error"], found["request_id"]) == ("ValueError", "r")
    assert "test_logs.py" in found["places"][0]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "debug")
    logs.event("stopping", "debug", seconds=1)
    assert capsys.readouterr().err.endswith("Z debug: stopping seconds=1\n")


def test_a_file_is_opened_anew_when_it_was_renamed_or_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keystead.log"
    logs.configure("auto", "info", str(file))
    logs.event("serving", pid=1)
    file.rename(tmp_path / "keystead.log.1")
    logs.event("serving", pid=2)
    file.unlink()
    logs.event("serving", pid=3)
    assert [json.loads(line)["pid"] for line in (tmp_path / "keystead.log.1").read_text().splitlines()] == [1]
    assert [json.loads(line)["pid"] for line in file.read_text().splitlines()] == [3]
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_opened_leaves_no_handler_behind(tmp_path: Path) -> None:
    # In a process of its own: at its end logging closes all handlers.
    script = (
        "import sys; from keystead.server import logs\ntry: logs.configure('json', 'info', sys.argv[1])\n"
    )
    script += "except Exception as problem: kept = problem; print(problem.message)"
    words = [sys.executable, "-c", script, str(tmp_path / "none" / "log")]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stdout == f"cannot open the log file {tmp_path}/none/log: No such file or directory\n"
    assert told.stderr == ""


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_lines_that_cannot_be_written_are_counted_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, before = tmp_path / "logs", logs.lost()
    folder.mkdir()
    file = folder / "keystead.log"
    logs.configure("json", "info", str(file))
    folder.rename(tmp_path / "aside")
    for pid in range(4, 7):
        logs.event("serving", pid=pid)
    assert logs.lost() == before + 3
    told = json.loads(capsys.readouterr().err)  # one line
    assert (told["level"], told["event"], told["count"]) == ("warning", "log lines are lost", 1)
    assert (told["file"], told["reason"]) == (str(file), "No such file or directory")
    # It comes back with the folder, and says what is missing in it.
    folder.mkdir()
    for pid in (7, 8):
        logs.event("serving", pid=pid)
    first, *rest = lines(file)
    assert (first["level"], first["event"], first["count"]) == ("warning", "log lines were lost", 3)
    assert [one["pid"] for one in rest] == [7, 8]
    # Soon after nothing is said again, though counted; later it is, and after a clock that was put back.
    record = logging.makeLogRecord({"levelname": "INFO", "msg": "serving"})
    file.unlink()
    folder.rmdir()
    (handler,) = logging.getLogger("keystead").handlers
    for moved, said in ((1.0, 0), (61.0, 1), (0.0, 0), (59.0, 0), (-1000.0, 1)):
        record.created += moved
        handler.handle(record)
        assert capsys.readouterr().err.count("log lines are lost") == said
    assert logs.lost() == before + 8
    # Another log tells of what the one before lost.
    logs.configure("json", "info")
    logs.event("reloaded")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["count"], second["event"]) == ("log lines were lost", 5, "reloaded")
    logs.event("reloaded")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_line_that_is_cut_off_does_not_spoil_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keystead.log"
    logs.configure("json", "info", str(file))
    logs.event("serving", pid=1)
    room, write = [0], os.write

    def full(descriptor: int, content: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(room[0], len(content))
        room[0] -= taken
        return write(descriptor, content[:taken])

    monkeypatch.setattr(os, "write", full)
    for left in (10, 0, 1, 0):
        room[0] = left
        logs.event("serving", pid=2)
    room[0] = 100_000
    logs.event("serving", pid=3)
    logs.event("serving", pid=4)
    written = [line for line in file.read_text().splitlines() if line]
    assert len(written) == 5
    assert written[1].startswith('{"time"')
    assert [json.loads(one).get("pid") for one in (written[0], *written[3:])] == [1, 3, 4]
    assert json.loads(written[2])["count"] == 4
    assert "No space left on device" in capsys.readouterr().err


def test_a_standard_error_that_is_full_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    before = logs.lost()
    logs.configure("json", "info", "-")
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stderr", full)
        logs.event("serving")
        monkeypatch.undo()
        with suppress(OSError):
            full.flush()
        with suppress(OSError):
            full.close()
    assert logs.lost() == before + 1


def test_a_file_named_as_no_file_is_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    logs.configure("json", "info", "-")
    logs.event("serving")
    assert json.loads(capsys.readouterr().err)["event"] == "serving"
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "info")
    for file in (tmp_path, tmp_path / "none" / "file"):
        with pytest.raises(OperatorError, match="cannot open the log file"):
            logs.configure("json", "error", str(file))
    logs.event("serving", pid=1)
    assert json.loads(capsys.readouterr().err)["pid"] == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_event_is_one_line_whatever_it_holds(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, "info")
    logs.event("store failed", reason="a\nb\r\x1b[31m\x85\u2028\u202e\U000e0001 密")
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert told.removesuffix("\n").isprintable()
    assert r"a\nb\r\u001b[31m\u0085\u2028\u202e\udb40\udc01 密" in told
    if form == "json":
        assert json.loads(told)["reason"] == "a\nb\r\x1b[31m\x85\u2028\u202e\U000e0001 密"
