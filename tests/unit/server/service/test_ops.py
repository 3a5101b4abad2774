import asyncio
import json

import pytest

from keystead.api.http.encode import failure
from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.api.pipeline import Answer
from keystead.domain.keys.lifecycle import KeyState
from keystead.errors import KeyNotFound
from keystead.server.service import ops
from keystead.server.service.metrics import Metrics
from keystead.store.ports import StoreFailure


def get(
    target: str, method: str = "GET", problems: list[str] | None = None, metrics: Metrics | None = None
) -> HttpResponse:
    async def found() -> list[str]:
        return problems or []

    async def main() -> HttpResponse:
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        handle = ops.handler(metrics or Metrics(), found)
        handle(HttpRequest(method=method, target=target, headers={}), answer.set_result)
        return await answer

    return asyncio.run(main())


def test_health_is_ok_and_ready_names_what_is_in_the_way() -> None:
    assert json.loads(get("/health").body) == {"status": "ok"}
    assert get("/ready?x").status == 200
    blocked = get("/ready", problems=["disk full"])
    assert (blocked.status, json.loads(blocked.body)["problems"]) == (503, ["disk full"])


@pytest.mark.parametrize(
    ("target", "method", "status"), [("/", "GET", 404), ("/health", "POST", 405), ("/health", "HEAD", 200)]
)
def test_nothing_else_is_here(target: str, method: str, status: int) -> None:
    assert get(target, method).status == status


def test_metrics_count_what_happened() -> None:
    metrics = Metrics()
    response = failure(KeyNotFound(), "r", "h", False)
    for _ in range(2):
        metrics.answered(Answer(response, "DescribeKey", "Forbidden.KeyNotFound", "r", True), 0.01)
    metrics.answered(Answer(response, "", "SignatureDoesNotMatch", "r", False), 0.01)
    metrics.answered(Answer(response, "", "SignatureDoesNotMatch", "r", False), 3)
    metrics.answered(Answer(response, "", "InternalFailure", "r", True, ValueError("canary")), 0.01)
    metrics.committed(3, 2, 0.001)
    metrics.opened()
    metrics.refused("InvalidRequest")
    metrics.store_failed(StoreFailure("disk full"), 1)
    assert metrics.store_problem == "disk full"
    metrics.store_failed(ZeroDivisionError(), 1)
    metrics.reply_failed(OSError())
    metrics.front_restarting("silent")
    metrics.hanging("commit", 1)
    text = get("/metrics", metrics=metrics).body.decode()
    for line in (
        'keystead_requests_total{action="DescribeKey",code="Forbidden.KeyNotFound"} 2.0',
        'keystead_requests_total{action="unknown",code="InternalFailure"} 1.0',
        'keystead_unauthenticated_total{code="SignatureDoesNotMatch"} 2.0',
        'keystead_request_seconds_bucket{le="0.005"} 0.0',
        'keystead_request_seconds_bucket{le="0.01"} 4.0',
        'keystead_request_seconds_bucket{le="2.5"} 4.0',
        'keystead_request_seconds_bucket{le="+Inf"} 5.0',
        "keystead_request_seconds_count 5.0",
        "keystead_request_seconds_sum 3.0",
        "keystead_audit_records_total 2.0",
        "keystead_store_failures_total 2.0",
        "keystead_faults_total 2.0",
        "keystead_connections 1.0",
        "keystead_malformed_requests_total 1.0",
        'keystead_front_restarts_total{reason="silent"} 1.0',
        'keystead_front_restarts_total{reason="ended"} 0.0',
        'keystead_hanging{work="commit"} 1.0',
    ):
        assert line in text
    assert "canary" not in text
    metrics.committed(1, 1, 0.001)
    assert metrics.store_problem == ""


def test_metrics_tell_what_the_store_holds_and_when_the_certificate_expires() -> None:
    metrics = Metrics()
    assert "keystead_certificate_expires" not in metrics.text().decode()  # plain HTTP has none
    expires = [1_800_000_000]
    metrics.watch_certificate(lambda: expires[0])
    sizes = {"database": 4096, "log": 0}
    metrics.watch_database(lambda: sizes)
    metrics.stored({KeyState.ENABLED: 3, KeyState.DISABLED: 1}, 79)
    metrics.stored({KeyState.ENABLED: 2}, 80)
    expires[0] = 1_900_000_000
    text = metrics.text().decode()
    for line in (
        "keystead_certificate_expires 1.9e+09",
        'keystead_database_bytes{file="database"} 4096.0',
        'keystead_database_bytes{file="log"} 0.0',
        'keystead_keys{state="Enabled"} 2.0',
        'keystead_keys{state="Disabled"} 0.0',
        'keystead_keys{state="PendingDeletion"} 0.0',
        "keystead_audit_log_records 80.0",
    ):
        assert f"{line}\n" in text
