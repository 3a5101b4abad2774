"""The ops listener: /health, /ready and /metrics, for machines on this host; not authenticated, not recorded."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.server.service.metrics import Metrics

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def handler(
    metrics: Metrics,
    problems: Callable[[], Awaitable[list[str]]],
    warnings: Callable[[], list[str]] = list,
    of_database: Callable[[], list[str]] = list,
) -> Callable[[HttpRequest, Callable[[HttpResponse], None]], None]:
    """`problems` says what keeps the server from answering calls; nothing: it is ready. `warnings` is what else is wrong,
    `of_database` what is weak in a database that several servers share."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(request: HttpRequest) -> HttpResponse:
        path = request.target.partition("?")[0]
        if path not in ("/health", "/ready", "/metrics"):
            return _json(404, {"error": "there are /health, /ready and /metrics here"})
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"error": "use GET"}, (("Allow", "GET, HEAD"),))
        if path == "/health":
            return _json(200, {"status": "ok"})
        if path == "/metrics":
            return HttpResponse(status=200, content_type=_METRICS_TYPE, body=metrics.text())
        found = await problems()
        told = {
            "status": "not ready" if found else "ready",
            "problems": found,
            "warnings": warnings(),
            "database": of_database(),
            "backup": metrics.backups(),
        }
        return _json(503 if found else 200, told)

    async def answered(request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        reply(await answer(request))

    def handle(request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        task = asyncio.create_task(answered(request, reply))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return handle


def _json(status: int, content: object, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    body = json.dumps(content).encode() + b"\n"
    return HttpResponse(
        status=status,
        content_type="application/json",
        body=body,
        headers=(*headers, ("Cache-Control", "no-store")),
    )
