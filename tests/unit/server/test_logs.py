import json
import logging
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
    # Where the folder is gone too, nobody who logs may suffer, and it comes back with the folder.
    folder = tmp_path / "logs"
    folder.mkdir()
    logs.configure("json", "info", str(folder / "keystead.log"))
    folder.rename(tmp_path / "aside")
    logs.event("serving", pid=4)
    assert "FileNotFoundError" in capsys.readouterr().err
    folder.mkdir()
    logs.event("serving", pid=5)
    assert json.loads((folder / "keystead.log").read_text())["pid"] == 5


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
