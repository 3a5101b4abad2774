import json

import pytest

from keystead.api.http.encode import failure
from keystead.api.pipeline import Answer
from keystead.errors import AccessKeyNotFound
from keystead.server import logs
from keystead.server.service import refusals
from keystead.server.service.metrics import Metrics
from keystead.server.service.refusals import Refusals
from tests.unit.server.test_logs import _quiet_afterwards as _quiet_afterwards


def refused(source: str, code: str = AccessKeyNotFound.code) -> Answer:
    response = failure(AccessKeyNotFound(), "r", "h", False)
    return Answer(response, "", code, "r-1", False, None, source, "LTAI0123456789ab")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for line in found:
        del line["time"]
    return found


def test_a_refusal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    Refusals().tell(refused("192.0.2.1"))
    (line,) = lines(capsys)
    assert list(line.items()) == [
        ("level", "info"),
        ("event", "refused before authentication"),
        ("source", "192.0.2.1"),
        ("access_key_id", "LTAI0123456789ab"),
        ("code", "InvalidAccessKeyId.NotFound"),
        ("request_id", "r-1"),
    ]


def test_one_source_gets_so_many_lines_and_then_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    log = Refusals()
    for _ in range(refusals.OF_ONE_SOURCE + 7):
        log.tell(refused("192.0.2.1"))
    log.tell(refused("192.0.2.2"))
    assert [line["source"] for line in lines(capsys)] == ["192.0.2.1"] * refusals.OF_ONE_SOURCE + [
        "192.0.2.2"
    ]
    log.begin_anew()
    assert lines(capsys) == [{"level": "info", "event": "refusals left out", "count": 7}]
    log.tell(refused("192.0.2.1"))
    assert len(lines(capsys)) == 1
    log.begin_anew()
    assert lines(capsys) == []


def test_many_sources_get_so_many_lines_together_and_take_no_more_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info")
    log = Refusals()
    for number in range(refusals.IN_ALL + 1000):
        log.tell(refused(f"2001:db8::{number:x}"))
    assert len(lines(capsys)) == refusals.IN_ALL
    assert len(log._lines) <= refusals.IN_ALL
    log.begin_anew()
    assert lines(capsys) == [{"level": "info", "event": "refusals left out", "count": 1000}]
    assert len(log._lines) == 0


def test_the_limits_leave_fail2ban_what_it_counts() -> None:
    assert refusals.OF_ONE_SOURCE > 5  # its maxretry, unless somebody sets it


def test_a_fault_of_ours_is_no_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    metrics = Metrics()
    metrics.answered(refused("192.0.2.1", "InternalFailure"), 0.01)
    assert lines(capsys) == []
    metrics.answered(refused("192.0.2.1"), 0.01)
    assert len(lines(capsys)) == 1
