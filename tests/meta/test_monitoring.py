"""Rules and dashboard: each metric in them is one of the server's, each of the server's is in one of them or known to be
in none; and each alert fires when it should, and not before."""

import inspect
import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import all_metrics
from keystead.server.service.metrics import Metrics
from tests.live import LiveServer, live, needs

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "prometheus" / "keystead.rules.yml"
DASHBOARD = ROOT / "examples" / "grafana" / "keystead.json"
PAGE = (ROOT / "docs" / "how-to" / "monitoring.md").read_text(encoding="utf-8")

# Metrics that need neither an alert nor a panel, each with its reason.
UNSEEN = {
    "keystead_checkpoint_failures": "what fails now has an alert",
    "keystead_checkpoint_time": "how old it may be depends on the interval that is set",
    "process_virtual_memory_bytes": "says nothing that its resident memory does not",
}
# Only a server whose database others share has these.
OF_SHARED = {
    f"keystead_database_{name}" for name in ("clock_skew_seconds", "connected", "problems", "weaknesses")
}
OTHERS = {"node_systemd_unit_state", "node_systemd_timer_last_trigger_seconds"}  # of node_exporter
_SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


def samples() -> dict[str, str]:
    """The names of all samples of a server, as in a query, with their metrics."""
    return {
        f"{one.name}{suffix}": one.name for one in all_metrics() for suffix in _SAMPLES.get(one.type, ("",))
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    """What the panels of the dashboard ask for."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def named(expressions: list[str]) -> set[str]:
    """The metrics in them: words before a brace, a bracket, or nothing, that have an underscore and no parenthesis."""
    words = re.findall(r"\b([a-z]+_[a-z_0-9]+)\b(?!\s*\()", re.sub(r'"[^"]*"', "", " ".join(expressions)))
    return {word for word in words if word.startswith(("keystead_", "process_", "node_"))}


def test_every_metric_in_rules_and_dashboard_is_one_of_the_servers() -> None:
    known = samples()
    expressions = [rule["expr"] for rule in rules()]
    assert named(expressions) - OTHERS - known.keys() == set()
    assert named(queries()) - known.keys() == set()
    assert named(['sum(rate(keystead_gone_total{code="a_b"}[5m])) > 1']) == {"keystead_gone_total"}
    assert len(named(expressions)) > 12
    assert len(named(queries())) > 12


def test_every_metric_of_the_server_is_seen_somewhere() -> None:
    known = samples()
    seen = {known[name] for name in named([rule["expr"] for rule in rules()] + queries()) - OTHERS}
    every = set(known.values())
    assert every - seen - UNSEEN.keys() == set(), "put them into a rule or a panel, or say in UNSEEN why not"
    assert seen & UNSEEN.keys() == set()
    assert UNSEEN.keys() - every == set()


def test_what_the_reference_lists_is_what_a_server_has(tmp_path: Path) -> None:
    watched = {name for name in dir(Metrics) if name.startswith("watch_")} - {"watch_front"}
    assert {name for name in watched if name not in inspect.getsource(all_metrics)} == set()
    with live(tmp_path / "data") as server:
        expected, deadline = set(samples().values()) - OF_SHARED, time.monotonic() + 60
        while (found := scraped(server)) != expected and time.monotonic() < deadline:
            time.sleep(0.1)  # it answers before it has them all
    assert found == expected


def scraped(server: LiveServer) -> set[str]:
    """The metrics of a running server, but those of its front process."""
    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    # A counter's name there has its suffix; when each was made is no metric.
    types = re.findall(r"^# TYPE (\w+?)(?:_total|_info)? \w+$", text, re.MULTILINE)
    return {name for name in types if not name.endswith("_created") and "front_process" not in name}


def test_the_page_says_of_every_alert_what_it_means() -> None:
    alerts = [rule["alert"] for rule in rules()]
    assert len(set(alerts)) == len(alerts)
    assert [name for name in alerts if f"| `{name}` |" not in PAGE] == []
    assert sorted(set(re.findall(r"\| `(Keystead\w+)` \|", PAGE)) - set(alerts)) == []
    for rule in rules():
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary"}


def test_the_dashboard_is_one_that_grafana_can_read() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert board["schemaVersion"] >= 36
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    places = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in places, panel["title"]
                places.add((x, y))
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["description"], panel["title"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
    assert {one["name"] for one in board["templating"]["list"]} == {"source", "job", "instance"}
    for query in queries():
        assert 'instance=~"$instance"' in query, query


def test_promtool_takes_the_rules_and_the_dashboards_queries(tmp_path: Path) -> None:
    needs("promtool")
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)
    asked = [query.replace("$__rate_interval", "5m") for query in queries()]
    recorded = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(asked)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": recorded}]}))
    subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "queries.yml")], check=True, capture_output=True
    )


# Of each alert: the series, its values a minute each with which it fires, values with which it does not, the labels that it
# has beside instance and job, and its summary after "a:8444".
JOB = 'instance="a:8444",job="keystead"'
CALLS = '{instance="a:8444",job="keystead",le="%s"}'
ALERTS: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str], str]] = {
    "KeysteadDown": ({f"up{{{JOB}}}": "0x30"}, {f"up{{{JOB}}}": "1x29 0"}, {}, " gives no metrics"),
    "KeysteadRestarts": (
        {f"process_start_time_seconds{{{JOB}}}": "1x9 2x9 3x9 4x9"},
        {f"process_start_time_seconds{{{JOB}}}": "1x9 2x9 3x19"},
        {},
        " was started 3 times within an hour",
    ),
    "KeysteadNotDurable": (
        {f"keystead_store_failures_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_store_failures_total{{{JOB}}}": "7x60"},
        {},
        " cannot write its database: calls are answered 503",
    ),
    "KeysteadHangs": (
        {f'keystead_hanging{{{JOB},work="commit"}}': "0x20 1x20"},
        {f'keystead_hanging{{{JOB},work="commit"}}': "1x20 0x20"},
        {"work": "commit"},
        ": commit does not come to its end",
    ),
    "KeysteadFront": (
        {f'keystead_front_restarts_total{{{JOB},reason="silent"}}': "0x28 1x20"},
        {f'keystead_front_restarts_total{{{JOB},reason="silent"}}': "1x60"},
        {"reason": "silent"},
        ": the front process was started again (silent)",
    ),
    "KeysteadFaults": (
        {f"keystead_faults_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_faults_total{{{JOB}}}": "1x60"},
        {},
        " answered InternalFailure: the log has the reason",
    ),
    "KeysteadStrangers": (
        {f'keystead_unauthenticated_total{{{JOB},code="c"}}': "0+120x60"},
        {f'keystead_unauthenticated_total{{{JOB},code="c"}}': "0+60x60"},
        {},
        " refuses 2 requests a second of nobody it knows",
    ),
    "KeysteadMalformed": (
        {f"keystead_malformed_requests_total{{{JOB}}}": "0+120x60"},
        {f"keystead_malformed_requests_total{{{JOB}}}": "0+60x60"},
        {},
        " closes 2 connections a second for what they send",
    ),
    "KeysteadSlow": (
        {
            "keystead_request_seconds_bucket" + CALLS % le: f"0+{n}x60"
            for le, n in (("1", 0), ("2.5", 100), ("+Inf", 100))
        },
        {
            "keystead_request_seconds_bucket" + CALLS % le: f"0+{n}x60"
            for le, n in (("1", 100), ("2.5", 100), ("+Inf", 100))
        },
        {},
        ": one call in a hundred takes 2.485s or more",
    ),
    "KeysteadSlowDisk": (
        {
            "keystead_commit_seconds_bucket" + CALLS % le: f"0+{n}x60"
            for le, n in (("0.25", 0), ("0.5", 100), ("+Inf", 100))
        },
        {
            "keystead_commit_seconds_bucket" + CALLS % le: f"0+{n}x60"
            for le, n in (("0.25", 100), ("0.5", 100), ("+Inf", 100))
        },
        {},
        ": one commit in a hundred takes 497.5ms or more",
    ),
    "KeysteadCertificate": (
        {f"keystead_certificate_expires{{{JOB}}}": "88200x60"},
        {f"keystead_certificate_expires{{{JOB}}}": "1211400x60"},
        {},
        ": the certificate expires in 1d 0h 0m 0s",
    ),
    "KeysteadConnections": (
        {f"keystead_connections{{{JOB}}}": "1601x60"},
        {f"keystead_connections{{{JOB}}}": "1600x60"},
        {},
        " has 1601 connections",
    ),
    "KeysteadDescriptors": (
        {f"process_open_fds{{{JOB}}}": "900x60", f"process_max_fds{{{JOB}}}": "1000x60"},
        {f"process_open_fds{{{JOB}}}": "800x60", f"process_max_fds{{{JOB}}}": "1000x60"},
        {},
        " uses 90% of its file descriptors",
    ),
    "KeysteadDatabase": (
        {f'keystead_database_bytes{{{JOB},file="database"}}': "0+3000000x200"},
        {f'keystead_database_bytes{{{JOB},file="database"}}': "0+2000000x200"},
        {"file": "database"},
        ": the database will have 121.2GiB in 30 days",
    ),
    "KeysteadWriteAheadLog": (
        {f'keystead_database_bytes{{{JOB},file="log"}}': "268435457x60"},
        {f'keystead_database_bytes{{{JOB},file="log"}}': "268435456x60"},
        {"file": "log"},
        ": the write-ahead log has 256MiB, and is not written back",
    ),
    "KeysteadDatabaseGone": (
        {f"keystead_database_connected{{{JOB}}}": "1x10 0x50"},
        {f"keystead_database_connected{{{JOB}}}": "1x60"},
        {},
        " has no connection to its PostgreSQL database: calls are answered 503",
    ),
    "KeysteadClock": (
        {f"keystead_database_clock_skew_seconds{{{JOB}}}": "-1.5x60"},
        {f"keystead_database_clock_skew_seconds{{{JOB}}}": "-1x60"},
        {},
        ": its clock and the database's are 1.5s apart",
    ),
    "KeysteadDatabaseRefused": (
        {f"keystead_database_problems{{{JOB}}}": "0x20 1x40"},
        {f"keystead_database_problems{{{JOB}}}": "0x60"},
        {},
        " answers no call on its PostgreSQL database: /ready says why",
    ),
    "KeysteadDatabaseWeak": (
        {f"keystead_database_weaknesses{{{JOB}}}": "2x60"},
        {f"keystead_database_weaknesses{{{JOB}}}": "0x22 1x40"},
        {},
        ": 2 settings of its PostgreSQL database do not keep what is promised",
    ),
    "KeysteadLog": (
        {f"keystead_log_lines_lost_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_log_lines_lost_total{{{JOB}}}": "1x60"},
        {},
        " cannot write its log",
    ),
    "KeysteadAltered": (
        {f"keystead_store_altered_rows{{{JOB}}}": "3x60"},
        {f"keystead_store_altered_rows{{{JOB}}}": "0x60"},
        {},
        ": 3 rows of the database were altered, and are not used",
    ),
    "KeysteadForeignWrites": (
        {f"keystead_store_foreign_writes_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_store_foreign_writes_total{{{JOB}}}": "1x60"},
        {},
        ": another program writes to the database",
    ),
    "KeysteadAnchor": (
        {f"keystead_anchor_failures_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_anchor_failures_total{{{JOB}}}": "1x60"},
        {},
        " cannot write its anchor",
    ),
    "KeysteadCheckpoints": (
        {f"keystead_checkpoints_failing{{{JOB}}}": "2x60"},
        {f"keystead_checkpoints_failing{{{JOB}}}": "0x20 1x10 0x30"},
        {},
        ": 2 places do not get the checkpoints of the audit log",
    ),
    "KeysteadBackupNotMade": (
        {f"keystead_backup_failures_total{{{JOB}}}": "0x28 1x20"},
        {f"keystead_backup_failures_total{{{JOB}}}": "1x60"},
        {},
        " could not make or verify a backup",
    ),
    "KeysteadBackupNotVerified": (
        {f"keystead_backup_age_seconds{{{JOB}}}": "691201x100"},
        {f"keystead_backup_age_seconds{{{JOB}}}": "691200x100"},
        {},
        " has no verified backup of the last 8 days",
    ),
    "KeysteadBackupFailed": (
        {f'node_systemd_unit_state{{{JOB},name="keystead-backup.service",state="failed"}}': "1x60"},
        {f'node_systemd_unit_state{{{JOB},name="keystead-backup.service",state="failed"}}': "0x60"},
        {"name": "keystead-backup.service", "state": "failed"},
        ": the last backup failed",
    ),
    "KeysteadBackupOld": (
        {f'node_systemd_timer_last_trigger_seconds{{{JOB},name="keystead-backup.timer"}}': "-171060x60"},
        {f'node_systemd_timer_last_trigger_seconds{{{JOB},name="keystead-backup.timer"}}': "-171000x60"},
        {"name": "keystead-backup.timer"},
        ": the last backup began 2d 0h 1m 0s ago",
    ),
}
LATE = {"KeysteadDatabase": "180m", "KeysteadBackupNotVerified": "90m"}
ALONE = {
    "KeysteadHangs",
    "KeysteadFront",
    "KeysteadStrangers",
    "KeysteadSlow",
    "KeysteadSlowDisk",
}  # sums over instances


def told(summary: str) -> dict[str, str]:
    return {"summary": f"a:8444{summary}"}


def test_every_alert_is_tried() -> None:
    assert list(ALERTS) == [rule["alert"] for rule in rules()]


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is silent"])
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path, fires: bool) -> None:
    needs("promtool")
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    tests = []
    for name, (bad, good, labels, summary) in ALERTS.items():
        job = {} if name in ALONE else {"job": "keystead"}
        expected = {"instance": "a:8444", "severity": severities[name], **job, **labels}
        alert = {"exp_labels": expected, "exp_annotations": told(summary)}
        series = [{"series": one, "values": values} for one, values in (bad if fires else good).items()]
        asked = {
            "eval_time": LATE.get(name, "30m"),
            "alertname": name,
            "exp_alerts": [alert] if fires else [],
        }
        tests.append({"interval": "1m", "input_series": series, "alert_rule_test": [asked]})
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(content))
    ended = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "tests.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
