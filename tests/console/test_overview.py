"""The first page, and settings and health: how things stand."""

import re

from keystead.api.home import ServerFacts, ShownSetting
from keystead.console import plots
from tests.console.browser import Browser
from tests.harness import Service
from tests.ram import Ram, allow


def _owner(service: Service) -> Browser:
    browser = Browser(service)
    browser.sign_in_as_owner()
    return browser


def test_without_a_key_it_says_where_to_begin() -> None:
    shown = _owner(Service()).get("/")
    assert "Create your first key" in shown.text
    assert 'href="/console/tour"' in shown.html


def test_keys_by_state_and_what_comes_next() -> None:
    service = Service()
    leaving = service.key(Description="<b>old</b>")
    turning = service.key(EnableAutomaticRotation="true", RotationInterval="30d")
    service.ok("DisableKey", KeyId=service.key())
    service.ok("ScheduleKeyDeletion", KeyId=leaving, PendingWindowInDays="7")
    shown = _owner(service).get("/")
    assert "Create your first key" not in shown.text
    figures = dict(re.findall(r'href="/console/keys\?state=(\w+)"><b>(\d+)</b>', shown.html))
    assert figures == {"Enabled": "1", "Disabled": "1", "PendingDeletion": "1"}
    assert shown.html.index(f"/console/keys/{leaving}") < shown.html.index(f"/console/keys/{turning}")
    assert "&lt;b&gt;old" in shown.html
    assert "is deleted" in shown.text
    assert "is rotated" in shown.text


def test_calls_and_refusals_are_plotted_and_told_in_words() -> None:
    service = Service()
    for _ in range(3):
        service.refused("DescribeKey", KeyId="nowhere")
    shown = _owner(service).get("/")
    told = re.findall(r'<svg class="plot[^>]*role="img" aria-label="([^"]*)"', shown.html)
    assert len(told) == 2
    assert told[1] == "Refusals per minute: 3 in the last hour, at most 3 a minute"
    assert "DescribeKey" in shown.text
    assert "Forbidden.KeyNotFound" in shown.text


def test_who_may_do_little_sees_what_is_missing_where_it_is_missing() -> None:
    service = Service()
    Ram(service).user("ann", allow("kms:ListKeys"))
    ann = Browser(service)
    ann.sign_in("ann")
    shown = ann.get("/")
    assert shown.status == 200
    assert "Needs the permission actiontrail:LookupEvents" in shown.text
    assert "Create your first key" in shown.text
    assert "The server is healthy" not in shown.text
    assert ann.get("/settings").status == 403


def test_bars_are_as_high_as_their_values() -> None:
    assert plots.bars([], 0) == []
    assert plots.bars([0, 0], 0) == []
    low, high = plots.bars([1, 0, 1000], 1000)
    assert (high.y, high.height) == (0.0, plots.HEIGHT)
    assert low.height == 2.0
    assert low.y == plots.HEIGHT - 2.0
    assert high.x + high.width <= plots.WIDTH


def test_settings_and_health() -> None:
    service = Service()
    service.pipeline.home.describe = lambda: ServerFacts(
        started=int(service.clock.now()) - 7200,
        url="https://localhost:8443",
        settings=(
            ShownSetting("name", '["kms.example.com", "<b>"]', "keystead.toml"),
            ShownSetting("console", "true", "default"),
            ShownSetting("proxy", "null", "default"),
        ),
        certificate_expires=1_800_000_000,
        database=5 * 1024 * 1024,
        free=10**12,
        front="running",
        problems=("the disk is <full>",),
    )
    owner = _owner(service)
    shown = owner.get("/settings")
    for text in (
        "kms.example.com, <b>",
        "keystead.toml",
        "5 MiB",
        "931.3 GiB",
        "2 hours",
        "the disk is <full>",
    ):
        assert text in shown.text, text
    assert "<full>" not in shown.html
    assert "1 problem" in owner.get("/").text
    assert not re.findall(r'<form method="post" action="/console/settings', shown.html)


def test_a_server_in_memory_has_little_to_say() -> None:
    shown = _owner(Service()).get("/settings")
    assert "in memory only" in shown.text
    assert "The server is healthy" in shown.text
