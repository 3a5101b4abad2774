"""What each official client did against a real server, as the wire showed it, and the page that says so.

A program under `keystead run` reaches the server by way of a relay that notes each call: its operation, its signature scheme
and its status. The rows made of that are those of docs/reference/clients.md, or the test fails; with
TEST_WRITE_MATRIX=1 they are written there instead.
"""

import http.client
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from keystead import operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE
from keystead.domain.products import KMS, RAM
from tests.live import LiveServer, keystead, live

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
HEAD = "| Client | Version | Signature | Operations |\n|---|---|---|---|\n"
_FEW = 12  # operations that a row lists; of more it names those that are missing


class Seen(NamedTuple):
    """One call as it came over the wire."""

    action: str
    signature: str
    status: int


class Row(NamedTuple):
    """One row of the page: operations that a version of a client did under one signature scheme."""

    client: str
    version: str
    signature: str
    operations: str

    def __str__(self) -> str:
        return f"| `{self.client}` | {self.version} | {self.signature} | {self.operations} |\n"


class Ran(NamedTuple):
    """A program that ended well, and the calls that it made."""

    stdout: str
    calls: list[Seen]


def observe(folder: Path, *command: str, serve: tuple[str, ...] = ()) -> Ran:
    """Run a command under `keystead run`, with a server of its own on a directory in `folder`."""
    with live(folder / "observed", "--http", *serve) as server, _relay(server) as (url, calls):
        key = server.client().access_key
        pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key[0], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1]}
        ended = keystead("run", "--endpoint", url, "--", *command, env=pair, timeout=300)
        assert ended.returncode == 0, ended.stderr
        return Ran(ended.stdout, calls)


def rows(client: str, version: str, calls: Iterable[Seen]) -> list[Row]:
    """The rows of one client: what was answered, by signature scheme."""
    done: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        if call.status == 200:
            done[call.signature].add(call.action)
    return [Row(client, version, signature, _listed(done[signature])) for signature in sorted(done)]


def check(found: list[Row]) -> None:
    """Fail unless these are the page's rows of their client."""
    assert found, "the server saw no call"
    (client,) = {row.client for row in found}
    kept = page()
    if os.environ.get("TEST_WRITE_MATRIX") == "1":
        _write([*(row for row in kept if row.client != client), *found])
        return
    shown = [row for row in kept if row.client == client]
    remedy = "if the change is meant: TEST_WRITE_MATRIX=1 .venv/bin/python -m pytest tests/interop -k matrix"
    assert shown == sorted(found), f"{PAGE.name} does not say what {client} did; {remedy}"


def page() -> list[Row]:
    """The rows that the page has."""
    rest = PAGE.read_text(encoding="utf-8").partition(HEAD)[2]
    lines = takewhile(lambda line: line.startswith("|"), rest.splitlines())
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(client.strip("`"), version, signature, done) for client, version, signature, done in cells]


def _write(found: list[Row]) -> None:
    before, head, rest = PAGE.read_text(encoding="utf-8").partition(HEAD)
    assert head, "the page has lost its table"
    after = dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True))
    PAGE.write_text("".join([before, head, *map(str, sorted(found)), *after]), encoding="utf-8")


def _listed(actions: set[str]) -> str:
    told: list[str] = []
    others = set(actions)
    for product, whole in ((KMS, "all"), (RAM, "all of Ram")):
        every = {operation.action for operation in CATALOGUE.of(product)}
        others -= every
        done, missing = sorted(actions & every), ", ".join(sorted(every - actions))
        told += done if len(done) <= _FEW else [f"{whole} but {missing}" if missing else whole]
    return ", ".join([*told, *sorted(others)])


# --- the relay


@contextmanager
def _relay(server: LiveServer) -> Iterator[tuple[str, list[Seen]]]:
    """The URL of a relay to the server, and the list of what it has seen."""
    calls: list[Seen] = []
    address = urlsplit(server.description["url"]).netloc

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self._body()
            upstream = http.client.HTTPConnection(address, timeout=60)
            # Names, values and their order as they came: signatures cover them.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
            calls.append(seen(self.path, dict(self.headers.items()), body, answer.status))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() != "connection":
                    self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_POST = do_GET  # noqa: N815 - the library's name

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    relay = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    relay.daemon_threads = True
    thread = threading.Thread(target=relay.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{relay.server_port}", calls
    finally:
        relay.shutdown()
        thread.join()
        relay.server_close()


def seen(target: str, headers: dict[str, str], body: bytes, status: int) -> Seen:
    """What a request and the status of its answer show."""
    lower = {name.lower(): value for name, value in headers.items()}
    form = body.decode() if "form" in lower.get("content-type", "") else ""
    given = parse_qs(urlsplit(target).query) | parse_qs(form)
    action = lower.get("x-acs-action") or given.get("Action", [""])[0]
    scheme = lower.get("authorization", "").partition(" ")[0]
    if not scheme.startswith("ACS"):
        scheme = "RPC " + given.get("SignatureMethod", ["?"])[0]
    return Seen(action, scheme, status)


def version(stdout: str) -> str:
    """The version of its client, which a program prints as JSON in its last line."""
    return str(json.loads(stdout.splitlines()[-1])["version"])
