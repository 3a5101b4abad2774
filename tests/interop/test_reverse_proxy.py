"""The page's nginx before the server: whose address policies, records and the log have, and who can't choose it."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from keystead.clock import SystemClock, iso8601
from keystead.crypto.authority import Authority
from keystead.domain.products import RAM
from tests.harness import sign_v1
from tests.live import LiveServer, keystead, live, needs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
# Addresses of this machine, which stand for hosts: two clients, and a proxy before the proxy.
GOOD, BAD, OUTER = "127.0.0.2", "127.0.0.3", "127.0.0.8"
CANARY = "a plaintext that is in no file of the proxy"
POLICY = {
    "Version": "1",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {
                "IpAddress": {"acs:SourceIp": GOOD},
                "Bool": {"acs:SecureTransport": "true"},
            },
        }
    ],
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux has all of 127.0.0.0/8"),
]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Caller:
    """A client on a host of its own, with one connection to a server or a proxy."""

    def __init__(self, port: int, ca: Path | str | None, access_key: tuple[str, str], host: str) -> None:
        self.access_key = access_key
        context = ssl.create_default_context(cafile=str(ca)) if ca else None
        more: dict[str, Any] = {"timeout": 30, "source_address": (host, 0)}
        self._connection = (
            http.client.HTTPSConnection("localhost", port, context=context, **more)
            if context
            else http.client.HTTPConnection("localhost", port, **more)
        )

    def code(self, action: str = "ListKeys", headers: dict[str, str] | None = None, **parameters: str) -> str:
        """ "" for a success, else the code of the refusal."""
        signed = sign_v1(
            {"Action": action, **parameters},
            self.access_key,
            timestamp=iso8601(time.time()),
            nonce=uuid.uuid4().hex,
        )
        self._connection.request("POST", f"/?{urlencode(signed)}", headers=headers or {})
        response = self._connection.getresponse()
        return str(json.loads(response.read()).get("Code", ""))


def proxied(folder: Path, upstream: LiveServer, secure: int, plain: int, outer: int) -> Path:
    """The page's nginx on one port with TLS and on one without, and behind one more that is on another host."""
    made = Authority.create("own", dns=["localhost"], addresses=[], now=SystemClock().now(), lifetime=86_400)
    leaf = made.issue(["localhost"], [], SystemClock().now(), 86_400)
    (folder / "cert.pem").write_bytes(leaf.certificate_pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    (folder / "ca.pem").write_bytes(made.certificate_pem)
    (written,) = re.findall(r"^```nginx\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    port = upstream.description["url"].rpartition(":")[2]
    inner = written.replace("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl; listen 127.0.0.1:{plain};")
    inner = inner.replace("/etc/nginx/tls", str(folder)).replace("127.0.0.1:8443", f"127.0.0.1:{port}")
    inner = inner.replace("/etc/keystead/ca.pem", str(upstream.data / "ca.pem"))
    before = inner.replace(f"127.0.0.1:{secure} ssl; listen 127.0.0.1:{plain}", f"127.0.0.1:{outer} ssl")
    before = before.replace(f"https://127.0.0.1:{port}", f"https://127.0.0.1:{secure}")
    before = before.replace(str(upstream.data / "ca.pem"), str(folder / "ca.pem"))
    before = before.replace("location / {", f"location / {{ proxy_bind {OUTER};")
    assert inner.count("listen") == 2
    assert before.count("proxy_bind") == 1
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/answers;\n{inner}\n{before}}}\n"
    )
    return conf


@contextmanager
def nginx(conf: Path, *ports: int) -> Iterator[None]:
    process = subprocess.Popen(["nginx", "-p", str(conf.parent), "-c", str(conf)])
    try:
        deadline = time.monotonic() + 30
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def user_of(server: LiveServer) -> tuple[str, str]:
    """The AccessKey of a user who may do all from one host by TLS."""
    account = server.client()
    host = {"Version": RAM.version}
    account.ok("CreateUser", UserName="shop", **host)
    account.ok("CreatePolicy", PolicyName="from-one-host", PolicyDocument=json.dumps(POLICY), **host)
    account.ok("AttachPolicyToUser", PolicyType="Custom", PolicyName="from-one-host", UserName="shop", **host)
    made = account.ok("CreateAccessKey", UserName="shop", **host)["AccessKey"]
    return made["AccessKeyId"], made["AccessKeySecret"]


def events(server: LiveServer, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


SPOOFED = [
    {"X-Forwarded-For": GOOD},
    {"X-Forwarded-For": f"{GOOD}, 127.0.0.1"},
    {"X-Forwarded-For": "no address"},
    {"X-Forwarded-For": ""},
    {"Forwarded": f"for={GOOD};proto=https"},
    {"X-Real-IP": GOOD, "X-Client-IP": GOOD, "True-Client-IP": GOOD},
]


@pytest.mark.parametrize("front", ["yes", "no"])
def test_the_pages_nginx_tells_who_calls_and_its_clients_do_not(front: str, tmp_path: Path) -> None:
    needs("nginx")
    secure, plain, outer = free_ports(3)
    config = tmp_path / "keystead.toml"
    config.write_text(f'trusted-proxy = ["127.0.0.1", "{OUTER}/32"]\nlog-format = "json"\n')
    with live(tmp_path / "data", "--front-process", front, "--config", str(config)) as server:
        access_key = user_of(server)
        conf = proxied(tmp_path, server, secure, plain, outer)
        direct, own = int(server.description["url"].rpartition(":")[2]), server.data / "ca.pem"
        theirs = tmp_path / "ca.pem"

        def caller(host: str, port: int, ca: Path | None) -> Caller:
            return Caller(port, ca, access_key, host)

        with nginx(conf, secure, plain, outer):
            # The key's user is let in from the one host, by whichever way, and from no other.
            through = [(direct, own), (secure, theirs), (outer, theirs)]
            for port, ca in through:
                assert caller(GOOD, port, ca).code() == ""
                stranger = caller(BAD, port, ca)
                for headers in ({}, *SPOOFED):
                    assert stranger.code(headers=headers) == "Forbidden.NoPermission", (port, headers)
            # Without TLS to the proxy it is not secure, though the proxy has TLS to the server.
            for headers in ({}, {"X-Forwarded-Proto": "https"}):
                assert caller(GOOD, plain, None).code(headers=headers) == "Forbidden.NoPermission"

            records = keystead("audit", "list", "--data", str(server.data), "--caller", "shop", "--json")
            found = [json.loads(line) for line in records.stdout.splitlines()]
            assert {one["source"] for one in found} == {GOOD, BAD}
            assert {one["tls"] for one in found} == {"TLSv1.3", "proxy", ""}
            # The one hint is of a client that came directly.
            assert [one["source"] for one in events(server, "forwarded address not counted")] == [BAD]

            # Who is refused before anybody knows who it is has its own address in the log.
            unknown = Caller(secure, theirs, ("LTAI5tUnknown00000000001", "x"), BAD)
            assert unknown.code(headers={"X-Forwarded-For": GOOD}) == "InvalidAccessKeyId.NotFound"
            until(lambda: events(server, "refused before authentication") != [])
            assert [one["source"] for one in events(server, "refused before authentication")] == [BAD]

            # A long plaintext passes, and is in no file of the proxy's.
            sent = caller(GOOD, secure, theirs)
            key_id = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
            assert sent.code("Encrypt", KeyId=key_id, Plaintext=CANARY * 100) == ""
            assert unknown.code("Encrypt", KeyId=key_id, Plaintext=CANARY * 100) != ""
            files = [one for one in tmp_path.rglob("*") if one.is_file() and server.data not in one.parents]
            assert len(files) >= 5
            assert not [one for one in files if b"in+no+file+of" in one.read_bytes()]

            # A proxy that is struck off the list has no say from then on, on open connections neither.
            config.write_text('log-format = "json"\n')
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            until(lambda: events(server, "reloaded") != [])
            assert events(server, "reloaded")[-1]["names"] == ["trusted-proxy"]
            until(lambda: sent.code() == "Forbidden.NoPermission")
            assert caller(GOOD, secure, theirs).code() == "Forbidden.NoPermission"
            assert caller(GOOD, direct, own).code() == ""


def test_a_proxy_that_says_nonsense_is_refused_and_the_next_request_is_not(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--trusted-proxy", GOOD) as server:
        access_key = server.client().access_key
        port, ca = int(server.description["url"].rpartition(":")[2]), server.data / "ca.pem"
        for nonsense in ("unknown", "", f"x, {GOOD}"):
            proxy = Caller(port, ca, access_key, GOOD)
            assert proxy.code() == ""
            assert proxy.code(headers={"X-Forwarded-For": nonsense}) == "InvalidRequest"
            assert proxy.code(headers={"X-Forwarded-For": "203.0.113.5"}) == ""
        assert Caller(port, ca, access_key, BAD).code(headers={"X-Forwarded-For": "unknown"}) == ""
