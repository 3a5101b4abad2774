"""The ops listener: /health, /ready and /metrics, for machines on this host; not authenticated, not recorded."""

import json
from collections.abc import Callable

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.server.service.metrics import Metrics

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def handler(
    metrics: Metrics, problems: Callable[[], list[str]]
) -> Callable[[HttpRequest, Callable[[HttpResponse], None]], None]:
    """Answers at once. `problems` says what keeps the server from answering calls; nothing: it is ready."""

    def answer(request: HttpRequest) -> HttpResponse:
        path = request.target.partition("?")[0]
        if path not in ("/health", "/ready", "/metrics"):
            return _json(404, {"error": "there are /health, /ready and /metrics here"})
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"error": "use GET"}, (("Allow", "GET, HEAD"),))
        if path == "/health":
            return _json(200, {"status": "ok"})
        if path == "/metrics":
            return HttpResponse(status=200, content_type=_METRICS_TYPE, body=metrics.text())
        found = problems()
        return _json(503 if found else 200, {"status": "not ready" if found else "ready", "problems": found})

    def handle(request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        reply(answer(request))

    return handle


def _json(status: int, content: object, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    body = json.dumps(content).encode() + b"\n"
    return HttpResponse(
        status=status,
        content_type="application/json",
        body=body,
        headers=(*headers, ("Cache-Control", "no-store")),
    )
