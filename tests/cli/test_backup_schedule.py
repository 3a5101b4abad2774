"""Backups by schedule: made and proved by the server itself, recorded, and told of; one that can't be made harms nothing."""

import http.client
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backups import verify
from tests.live import LiveServer, keystead, live


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ops(server: LiveServer, path: str) -> str:
    host, port = server.description["ops_url"].partition("://")[2].rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("GET", path)
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def ready(server: LiveServer) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ops(server, "/ready"))
    return told


def metric(server: LiveServer, name: str) -> float:
    (line,) = [one for one in ops(server, "/metrics").splitlines() if one.startswith(f"{name} ")]
    return float(line.split()[1])


def events(data: Path) -> list[dict[str, Any]]:
    exported = keystead("audit", "export", "--data", str(data)).stdout
    return [one for one in map(json.loads, exported.splitlines()) if one["action"] == "BackUp"]


def backdate(data: Path) -> None:
    """The last one was long ago."""
    noted = json.loads((data / "backups.json").read_text())
    (data / "backups.json").write_text(json.dumps({**noted, "made": "2026-01-01T00:00:00Z"}))


def test_they_are_made_when_due_proved_recorded_and_told_of(tmp_path: Path) -> None:
    data, into = tmp_path / "data", tmp_path / "backups"
    options = ("--backup-into", str(into), "--backup-keep", "1", "--backup-every", "24")
    with live(data, *options) as server:
        server.client().ok("CreateKey")
        until(lambda: ready(server)["backup"]["made"] is not None)
        (first,) = os.listdir(into)
        told = ready(server)
        assert told["status"] == "ready"
        assert told["backup"]["problem"] is None
        assert 0 <= told["backup"]["age_seconds"] < 600
        assert 0 <= metric(server, "keystead_backup_age_seconds") < 600
        assert metric(server, "keystead_backup_failures_total") == 0
        until(lambda: len(events(data)) == 1)
        (event,) = events(data)
        assert event["parameters"]["File"] == str(into / first)
        assert (event["kind"], event["principal"]) == ("ServiceEvent", "keystead")
        assert verify(into / first, data).returncode == 0
        assert "backup made and verified" in server.log.read_text()
    with live(data, *options):  # it is not due again
        until(lambda: "serve" in server.log.read_text())
        assert os.listdir(into) == [first]
    backdate(data)
    with live(data, *options) as server:
        until(lambda: os.listdir(into) != [first] and len(os.listdir(into)) == 1)
        until(lambda: len(events(data)) == 2)
        assert events(data)[1]["parameters"]["Removed"] == "1"
        # Without the setting there are none, from a reload on.
    assert [name for name in os.listdir(data) if "aside" in name] == []


def test_one_that_cannot_be_made_is_told_and_keys_go_on(tmp_path: Path) -> None:
    data, into = tmp_path / "data", tmp_path / "file"
    into.write_text("mine")
    with live(data, "--backup-into", str(into)) as server:
        until(lambda: metric(server, "keystead_backup_failures_total") == 1)
        told = ready(server)
        assert told["status"] == "ready"  # whoever calls is answered
        assert "cannot make the folder" in told["backup"]["problem"]
        assert told["backup"]["made"] is None
        assert metric(server, "keystead_backup_age_seconds") == float("inf")
        server.client().ok("CreateKey")
        assert "backup failed" in server.log.read_text()
    assert events(data) == []
    assert into.read_text() == "mine"


def test_the_process_ends_with_its_server(tmp_path: Path) -> None:
    """Killed at whatever moment: no half backup, nothing that goes on, and the next start makes one."""
    data, into = tmp_path / "data", tmp_path / "backups"
    for end in ("stop", "kill", "stop", "kill"):
        server = LiveServer(data, "--backup-into", str(into))
        server.start()
        getattr(server, end)()
        for name in os.listdir(into) if into.exists() else ():
            assert verify(into / name, data).returncode == 0
    shutil.rmtree(into, ignore_errors=True)
    (data / "backups.json").unlink(missing_ok=True)
    with live(data, "--backup-into", str(into)) as server:
        until(lambda: ready(server)["backup"]["made"] is not None)
    assert [name for name in os.listdir(data) if "aside" in name] == []


def test_a_reload_takes_another_folder(tmp_path: Path) -> None:
    data, into, config = tmp_path / "data", tmp_path / "backups", tmp_path / "keystead.toml"
    config.write_text("")
    with live(data, "--config", str(config)) as server:
        assert ready(server)["backup"] == {"made": None, "age_seconds": None, "problem": None}
        config.write_text(f'backup-into = "{data}/backups"\n')
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "is in the data directory itself" in server.log.read_text())
        config.write_text(f'backup-into = "{into}"\n')
        server.process.send_signal(signal.SIGHUP)
        until(lambda: '"reloaded"' in server.log.read_text() or "reloaded" in server.log.read_text())


@pytest.mark.parametrize(("every", "status"), [("0", 2), ("721", 2), ("x", 2)])
def test_limits_of_the_settings(every: str, status: int, tmp_path: Path) -> None:
    told = keystead(
        "serve", "--data", str(tmp_path / "data"), "--listen", "localhost:0", "--backup-every", every
    )
    assert told.returncode == status
    assert "a whole number, 1 to 720" in told.stderr
