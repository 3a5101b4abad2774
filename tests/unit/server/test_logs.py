import json
import logging

import pytest

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
