import json

import pytest

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.console.carrier import Page, page_of, plain
from keystead.server.network.limits import Reply
from keystead.server.network.pages import Pages, is_visit


def ask(
    target: str, method: str = "GET", problems: tuple[str, ...] = (), console: bool = True
) -> HttpResponse:
    def visit(page: Page, reply: Reply) -> None:
        reply(plain(200, f"the console at {page.target}"))

    answers: list[HttpResponse] = []
    request = HttpRequest(method=method, target=target, headers={})
    Pages(visit if console else None, lambda: problems).visit(page_of(request), answers.append)
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    ("target", "visit"),
    [
        ("/ready", True),
        ("/ready?", True),
        ("/ready?from=lb", True),
        ("/console/", True),
        ("/", False),
        ("/?Action=ListKeys", False),
        ("/ready/", False),
        ("/readyz", False),
        ("/Ready", False),
        ("/health", False),
    ],
)
def test_what_is_no_call(target: str, visit: bool) -> None:
    assert is_visit(HttpRequest(method="GET", target=target, headers={})) is visit


@pytest.mark.parametrize("console", [True, False])
def test_it_says_whether_it_is_ready_and_not_why_not(console: bool) -> None:
    ready = ask("/ready", console=console)
    assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready"})
    assert ("Cache-Control", "no-store") in ready.headers
    blocked = ask("/ready?x", problems=("the disk of /srv/secret is full",), console=console)
    assert (blocked.status, json.loads(blocked.body)) == (503, {"status": "not ready"})
    assert ask("/ready", "HEAD").status == 200
    refused = ask("/ready", "POST")
    assert (refused.status, ("Allow", "GET, HEAD") in refused.headers) == (405, True)


def test_all_else_is_the_consoles() -> None:
    assert ask("/console/keys").body == b"the console at /console/keys\n"
    assert ask("/console/keys", console=False).status == 404
