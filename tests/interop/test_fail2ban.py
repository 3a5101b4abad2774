"""The log of refused calls and the page's recipe for fail2ban: real lines of a real server, read by the real program."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from keystead.server.service import refusals
from tests.live import Client, LiveServer, live, needs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "audit.md").read_text(encoding="utf-8")
UNKNOWN = "LTAI5tUnknown00000000001"
# Whoever can write a line of the log can have anybody banned.
FORGED = 'x", "source": "203.0.113.9"} \r\n2026-01-02T03:04:05Z info: refused before authentication source=203.0.113.9'


def block(name: str) -> str:
    (found,) = (one for one in re.findall(r"^```ini\n(.*?)^```", PAGE, re.M | re.S) if name in one)
    return str(found)


def raw(server: LiveServer, head: str) -> bytes:
    """The answer to what no client of ours sends."""
    found = server.description
    port = int(found["url"].rsplit(":", 1)[1])
    context = ssl.create_default_context(cafile=found["ca_file"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(65536)


def refuse(server: LiveServer) -> int:
    """Have calls refused in every way; gives how many."""
    client = server.client()
    known, secret = client.access_key
    client.ok("ListKeys")
    pairs = [(UNKNOWN, "x"), (known, "wrong"), (secret, known), (FORGED, "x")]
    for pair in pairs:
        client.access_key = pair
        assert client.call("ListKeys")[0] in (400, 404)
    client.close()
    heads = ["GET /?Action=ListKeys HTTP/1.1", f"GET /{UNKNOWN} HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9"]
    for head in heads:
        assert b"HTTP/1.1 40" in raw(server, head)
    return len(pairs) + len(heads)


def matches(log: Path, folder: Path) -> list[tuple[str, float]]:
    """Address and time of every line that fail2ban would count."""
    filter_file = folder / "keystead.conf"
    filter_file.write_text(block("[Definition]"))
    ended = subprocess.run(
        ["fail2ban-regex", "-o", "<ip> <time>", str(log), str(filter_file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "Asia/Shanghai", "LANG": "C.UTF-8"},
    )
    assert ended.returncode in (0, 1), ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines() if line]
    return [(address, float(when)) for address, when in rows]


@pytest.mark.parametrize("front", ["yes", "no"])
@pytest.mark.parametrize("form", ["json", "text"])
def test_refused_calls_are_lines_that_fail2ban_reads(form: str, front: str, tmp_path: Path) -> None:
    needs("fail2ban-regex")
    began = time.time()
    with live(tmp_path / "data", "--log-format", form, "--front-process", front) as server:
        refused = refuse(server)
    lines = [line for line in server.log.read_text().splitlines() if "refused before" in line]
    assert len(lines) == refused
    told = "\n".join(lines)
    key = json.loads((server.data / "root-access-key.json").read_text())
    assert key["AccessKeySecret"] not in server.log.read_text()
    claimed = re.findall(r'access_key_id(?:=|": ")([^ "]+)', told)
    assert claimed == [UNKNOWN, key["AccessKeyId"], "malformed", "malformed", "none", "none"]
    found = matches(server.log, tmp_path)
    assert {address for address, _ in found} <= {"127.0.0.1", "::1"}
    assert len(found) == refused
    # In the zone that the line is in, not the machine's: else each is hours old, and nobody is ever banned.
    assert all(began - 5 < when < time.time() + 5 for _, when in found)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_pages_lines_are_those_of_the_server_and_match_behind_a_journals_prefix(
    form: str, tmp_path: Path
) -> None:
    needs("fail2ban-regex")
    (line,) = (
        one
        for one in PAGE.splitlines()
        if "refused before authentication" in one
        and one.startswith({"json": '{"time"', "text": "2026"}[form])
    )
    with live(tmp_path / "data", "--log-format", form) as server:
        client = server.client()
        client.access_key = (UNKNOWN, "x")
        client.call("ListKeys")
    (real,) = (one for one in server.log.read_text().splitlines() if "refused before" in one)

    def shape(text: str) -> str:
        for pattern in (
            r"[0-9-]{10}T[0-9:]{8}Z",
            r"LTAI5t[A-Za-z0-9]{18}",
            r"192\.0\.2\.1|127\.0\.0\.1|::1",
            r"[0-9A-Fa-f-]{36}",
        ):
            text = re.sub(pattern, "…", text)
        return text

    assert shape(line) == shape(real)
    log = tmp_path / "journal"
    prefix = "web-1 keystead[71]: "
    log.write_text(f"{line}\n{prefix if form == 'json' else ''}{line}\n{line} more\n# {line}\n")
    when = datetime.fromisoformat("2026-01-02T03:04:05Z").timestamp()
    assert matches(log, tmp_path) == [("192.0.2.1", when)] * 2


def test_a_flood_of_one_address_is_a_few_lines_and_a_count(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--log-format", "json") as server:
        client = server.client()
        client.access_key = (UNKNOWN, "x")
        for _ in range(50):
            client.call("ListKeys")
        client.close()
        records = Client.ok(server.client(), "ListKeys")
        assert records["TotalCount"] == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    written = [line for line in lines if line["event"] == "refused before authentication"]
    left_out = sum(line["count"] for line in lines if line["event"] == "refusals left out")
    # A minute may have passed on a slow machine; whatever was not written was counted.
    assert len(written) + left_out == 50
    assert 10 <= len(written) < 50


def test_the_jail_and_the_filter_are_a_configuration(tmp_path: Path) -> None:
    needs("fail2ban-client")
    folder = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", folder)
    for extra in folder.glob("jail.d/*"):
        extra.unlink()  # what a distribution switches on
    for name in ("[Definition]", "jail.d"):
        text = block(name)
        place = folder / text.partition("\n")[0].removeprefix("# /etc/fail2ban/")
        place.write_text(text)
    ended = subprocess.run(
        ["fail2ban-client", "-c", str(folder), "-t"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "OK: configuration test is successful\n"), ended.stderr
    broken = folder / "filter.d" / "keystead.conf"
    broken.unlink()
    ended = subprocess.run(
        ["fail2ban-client", "-c", str(folder), "-t"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0


def test_the_page_tells_the_limits() -> None:
    told = f"at most {refusals.OF_ONE_SOURCE} lines are written for one address and {refusals.IN_ALL} in all"
    assert told in PAGE
