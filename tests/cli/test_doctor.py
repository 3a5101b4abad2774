"""`keystead doctor` finds every problem that is planted, says what to do, and shows no secret."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from packaging.requirements import Requirement

from keystead import cli
from keystead.cli.diagnosis import checks
from keystead.cli.diagnosis.scene import Scene
from keystead.cli.target import Target
from keystead.client import handshake, health
from keystead.client.transport import Address
from keystead.clock import SystemClock, iso8601
from keystead.crypto.authority import Authority
from keystead.crypto.primitives import libcrypto
from keystead.variables import OF_CLIENTS, OF_RUN, RUN_PROXY
from tests.backups import back_up, verify
from tests.live import KEYSTEAD, STRANGE, LiveServer, keystead, live, without_ours
from tests.strangers import AnswersWith, showing, tls_server

DAY = 86400
SECRET = "s3cretThatNobodyMayEverSeeAnywhere"
# As if nothing of it were there.
CLEAN = dict.fromkeys(
    [
        *STRANGE, *OF_CLIENTS, *OF_RUN, "NO_PROXY", "no_proxy",
        "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS", "ALIBABA_CLOUD_CA_BUNDLE", "JAVA_TOOL_OPTIONS", "ALIBABA_CLOUD_ENDPOINT", "ALICLOUD_ACCESS_KEY",
        "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS",
    ],
    "",
)  # fmt: skip


class Found(NamedTuple):
    """What one run said."""

    status: int
    findings: list[dict[str, str]]

    def of(self, subject: str) -> list[tuple[str, str, str]]:
        return [
            (one["Level"], one["Text"], one["Remedy"]) for one in self.findings if one["Subject"] == subject
        ]

    def only(self, subject: str) -> tuple[str, str, str]:
        (found,) = self.of(subject)
        return found

    @property
    def wrong(self) -> set[tuple[str, str]]:
        return {(one["Level"], one["Subject"]) for one in self.findings if one["Level"] != "ok"}


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `doctor` in this process, in an environment of the given variables only."""

    def run(*words: str, **variables: str) -> Found:
        with monkeypatch.context() as changed:
            for name, value in {**CLEAN, **variables}.items():
                changed.setenv(name, value)
            changed.setenv(
                "PATH", variables.get("PATH", "/nowhere")
            )  # the machine's own systemd is none of ours
            status = cli.main(["doctor", "--output", "json", *words])
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        findings = json.loads(said.out)["Findings"]
        problems = sum(one["Level"] == "problem" for one in findings)
        assert (
            (status, said.err) == (1, f"error: {problems} problem{'s' * (problems > 1)} found\n")
            if problems
            else (0, "")
        )
        assert all(one["Remedy"] for one in findings if one["Level"] != "ok")
        return Found(status, findings)

    return run


@pytest.fixture
def of(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A server that has a backup."""
    if not (server.data / "backups.json").exists():
        backup = back_up(server.data, tmp_path_factory.mktemp("backups"))
        assert verify(backup, server.data).returncode == 0
    return ["--data", str(server.data)]


def key_of(server: LiveServer) -> dict[str, str]:
    key = server.client().access_key
    return {"ALIBABA_CLOUD_ACCESS_KEY_ID": key[0], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1]}


def far(server: LiveServer) -> list[str]:
    return ["--endpoint", server.description["url"], "--ca", str(server.data / "ca.pem")]


# --- nothing is wrong


def test_a_healthy_server(server: LiveServer, examine: Any, of: list[str]) -> None:
    found = examine(*of)
    assert (found.status, found.wrong) == (0, set())
    assert [one["Subject"] for one in found.findings] == [
        "server", "readiness", "ops port", "version", "certificate", "CA", "AccessKey", "clock", "data directory", "disk",
        "database", "root key", "backup", "AccessKey file", "log", "SM2", "environment",
    ]  # fmt: skip
    account, key = server.description["account"], server.client().access_key
    assert found.only("AccessKey")[1].startswith(f"{key[0]} of account {account}, from {server.data}")
    assert key[1] not in json.dumps(found.findings)
    assert "localhost, 127.0.0.1, ::1" in found.only("certificate")[1]


@pytest.mark.parametrize(
    ("noted", "text"),
    [
        (None, "none of this server was verified"),
        ("{}", "none of this server was verified"),
        ('{"file": "/b", "made": "never", "verified": 1}', "none of this server was verified"),
        ('{"file": "/b", "made": "2026-01-01T00:00:00Z", "verified": 1}', "/b was verified; it is "),
    ],
)
def test_a_backup_that_is_missing_or_old(
    noted: str | None, text: str, server: LiveServer, examine: Any, of: list[str]
) -> None:
    file = server.data / "backups.json"
    before = file.read_text()
    try:
        if noted is None:
            file.unlink()
        else:
            file.write_text(noted)
        level, told, remedy = examine(*of).only("backup")
        assert (level, told.startswith(text), "keystead backup" in remedy) == ("warning", True, True)
        made = iso8601(time.time() - 8 * 86_400 + 60)
        file.write_text(json.dumps({"file": "/b", "made": made, "verified": 1}))
        assert examine(*of).only("backup")[:2] == ("ok", "/b was verified; it is 7 days old")
    finally:
        file.write_text(before)


def test_a_client_host_that_has_endpoint_ca_file_and_access_key(
    server: LiveServer, examine: Any, tmp_path: Path
) -> None:
    key = tmp_path / "access-key.json"
    key.write_text((server.data / "root-access-key.json").read_text())
    key.chmod(0o600)
    found = examine(*far(server), "--access-key", str(key), XDG_DATA_HOME=str(tmp_path))
    assert (found.status, found.wrong) == (0, set())
    assert [one["Subject"] for one in found.findings] == [
        "server", "certificate", "CA", "AccessKey", "clock", "AccessKey file", "environment"
    ]  # fmt: skip
    key.chmod(0o644)
    found = examine(*far(server), "--access-key", str(key))
    assert found.only("AccessKey file") == (
        "problem", f"{key} is open to other users (mode 0644)", f"chmod 600 {key}"
    )  # fmt: skip


def test_within_run(server: LiveServer, of: list[str]) -> None:
    for words in (["run", *of], ["run"]):
        told = keystead(*words, "--", *[sys.executable, "-m", "keystead"], "doctor", "--output", "json")
        findings = json.loads(told.stdout)["Findings"]
        assert (told.returncode, [one for one in findings if one["Level"] != "ok"]) == (0, []), told.stderr


def test_for_people_it_is_a_line_each_with_what_to_do_below(server: LiveServer, of: list[str]) -> None:
    (server.data / "root-access-key.json").chmod(0o640)
    try:
        told = keystead("doctor", *of, env=CLEAN)
    finally:
        (server.data / "root-access-key.json").chmod(0o600)
    lines = told.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("problem  "))
    path = server.data / "root-access-key.json"
    assert lines[at] == f"problem  AccessKey file  {path} is open to other users (mode 0640)"
    assert lines[at + 1] == f"{' ' * 25}hint: chmod 600 {path}"
    assert (told.returncode, told.stderr) == (1, "error: 1 problem found\n")


# --- server


def test_a_stopped_server(examine: Any, tmp_path: Path) -> None:
    found = examine(XDG_DATA_HOME=str(tmp_path))
    level, text, remedy = found.only("server")
    assert (level, text) == (
        "problem", f"no server runs on {tmp_path}/keystead (the default data directory)"
    )  # fmt: skip
    assert remedy.startswith(
        f"start one with keystead serve --data {tmp_path}/keystead; where it is on another host"
    )
    with live(tmp_path / "data"):
        pass
    found = examine("--data", str(tmp_path / "data"))
    assert found.only("server")[2] == f"start one with keystead serve --data {tmp_path}/data"
    assert {"root key", "database", "data directory", "disk", "SM2"} < {
        one["Subject"] for one in found.findings
    }
    found = examine("--endpoint", f"https://localhost:{closed_port()}", **STRANGE)
    assert found.only("server")[0] == "problem"
    assert found.of("AccessKey") == []


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_what_is_not_ready_or_of_another_version(server: LiveServer, examine: Any, of: list[str]) -> None:
    description = server.data / "server.json"
    kept = description.read_text()
    ops = AnswersWith(lambda path: (503, {"problems": ["disk full"]}) if path == "/ready" else (200, {}))
    stranger = AnswersWith(lambda path: (200, {"hello": "world"}))
    with ops as busy, stranger as other:
        for url, subject, text in (
            (busy, "readiness", "disk full"),
            (other, "ops port", f"no health and metrics at {other}: it is another program's"),
            (f"http://127.0.0.1:{closed_port()}", "ops port", "Connection refused"),
        ):
            description.write_text(json.dumps({**json.loads(kept), "ops_url": url}))
            found = examine(*of)
            assert found.only(subject)[0] == "problem"
            assert text in found.only(subject)[1]
    try:
        description.write_text(json.dumps({**json.loads(kept), "version": "9.9"}))
        assert "keystead 9.9" in examine(*of).only("version")[1]
        ours = json.loads(kept)["ops_url"].replace("127.0.0.1", "0.0.0.0")
        description.write_text(json.dumps({**json.loads(kept), "ops_url": ours}))
        assert examine(*of).wrong == {("warning", "ops port")}
    finally:
        description.write_text(kept)


@pytest.mark.parametrize(
    ("told", "level", "text"),
    [
        ("LoadState=loaded\nActiveState=active\nUnitFileState=enabled", "ok", "is active"),
        ("LoadState=loaded\nActiveState=active\nUnitFileState=disabled", "warning", "will not start"),
        ("LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled", "warning", "is inactive"),
        ("LoadState=loaded\nActiveState=failed\nResult=exit-code", "problem", "has failed: exit-code"),
        ("LoadState=not-found\nActiveState=inactive", "", ""),
        ("System has not been booted with systemd", "", ""),
    ],
)
def test_the_unit(
    told: str, level: str, text: str, server: LiveServer, examine: Any, of: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{told}\nEND\n")
    program.chmod(0o755)
    found = examine(*of, PATH=str(tmp_path)).of("unit")
    if not level:
        assert found == []
    else:
        assert (found[0][0], text in found[0][1]) == (level, True)


def test_a_systemctl_that_cannot_run_or_hangs(
    server: LiveServer, examine: Any, of: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemctl"
    program.write_bytes(b"\x00\x01")
    program.chmod(0o755)
    assert examine(*of, PATH=str(tmp_path)).of("unit") == []
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr("keystead.cli.diagnosis.server._PATIENCE", 0.2)
    assert examine(*of, PATH=str(tmp_path)).of("unit") == []


# --- certificates


def test_a_wrong_ca(server: LiveServer, examine: Any, tmp_path: Path) -> None:
    other = Authority.create(
        "Other CA", dns=["localhost"], addresses=[], now=SystemClock().now(), lifetime=DAY
    )
    ca = tmp_path / "ca.pem"
    ca.write_bytes(other.certificate_pem)
    url = server.description["url"]
    found = examine("--endpoint", url, "--ca", str(ca), **key_of(server))
    level, text, remedy = found.only("certificate")
    assert level == "problem"
    assert f"and {ca} has CN=Other CA" in text
    assert "keystead ca show -o FILE" in remedy
    assert found.only("AccessKey")[:2] == ("warning", "not tried, since the certificate is not believed")
    found = examine("--endpoint", url, **key_of(server))
    assert "--ca FILE" in found.only("certificate")[2]
    found = examine("--endpoint", url, "--ca", certifi.where(), **key_of(server))
    assert " more: " in found.only("certificate")[1]
    ca.write_text("no certificate")
    found = examine("--endpoint", url, "--ca", str(ca), **key_of(server))
    assert "it is no PEM certificate" in found.only("server")[1]


@pytest.mark.parametrize(
    ("begins", "days", "dns", "expected"),
    [
        (-40, 30, ["localhost"], {"certificate": ("problem", "the certificate is good from ")}),
        (10, 30, ["localhost"], {"certificate": ("problem", "the certificate is good from ")}),
        (-1, 14, ["localhost"], {"certificate": ("warning", "(12 days left)"), "CA": ("ok", "Test CA")}),
        (-1, 16, ["localhost"], {"certificate": ("ok", "(14 days left)"), "CA": ("ok", "Test CA")}),
        (-1, 90, ["elsewhere.example"], {"certificate": ("problem", "and not for localhost")}),
    ],
)
def test_certificates(
    begins: int, days: int, dns: list[str], expected: dict[str, tuple[str, str]], examine: Any, tmp_path: Path
) -> None:
    now = SystemClock().now()
    authority = Authority.create("Test CA", dns=dns, addresses=[], now=now - 365 * DAY, lifetime=3650 * DAY)
    with tls_server(authority, dns, now + begins * DAY, days * DAY, tmp_path) as url:
        found = examine("--endpoint", url, "--ca", str(tmp_path / "ca.pem"), **STRANGE)
    for subject, (level, text) in expected.items():
        assert found.only(subject)[0] == level
        assert text in found.only(subject)[1]


@pytest.mark.parametrize(("days", "level"), [(170, "warning"), (190, "ok")])
def test_a_ca_that_ends_soon(days: int, level: str, examine: Any, tmp_path: Path) -> None:
    now = SystemClock().now()
    authority = Authority.create("Test CA", dns=["localhost"], addresses=[], now=now, lifetime=days * DAY)
    with tls_server(authority, ["localhost"], now, 90 * DAY, tmp_path) as url:
        found = examine("--endpoint", url, "--ca", str(tmp_path / "ca.pem"), **STRANGE)
    assert found.only("CA")[0] == level


def test_a_ca_that_has_ended(examine: Any, tmp_path: Path) -> None:
    now = SystemClock().now()
    expired = Authority.create("Test CA", dns=["localhost"], addresses=[], now=now - 9 * DAY, lifetime=DAY)
    with tls_server(expired, ["localhost"], now - 9 * DAY, DAY, tmp_path) as url:
        found = examine("--endpoint", url, "--ca", str(tmp_path / "ca.pem"), **STRANGE)
    assert "keystead ca rotate" in found.only("certificate")[2]


def test_a_certificate_that_cannot_be_read(examine: Any, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = datetime.datetime(2026, 1, 1)
    policies = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x05\x00")
    built = x509.CertificateBuilder(name, name, key.public_key(), 5, begins, begins.replace(year=2036))
    signed = built.add_extension(policies, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with showing(signed.public_bytes(serialization.Encoding.PEM), secret) as url:
        found = examine("--endpoint", url, **STRANGE)
    assert "is no certificate that can be read" in found.only("server")[1]


def test_plain_http_to_another_host() -> None:
    address = Address.of("http://kms.example.org")
    chosen = Target(url="http://kms.example.org", because="--endpoint")
    scene = Scene(environment={}, now=0, chosen=chosen, url=chosen.url, address=address)
    (found,) = (one for one in checks.examine(scene) if one.subject == "certificate")
    assert (found.level, "shows all that is sent to kms.example.org" in found.text) == ("problem", True)


def test_what_cannot_be_written(examine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = os.access
    with live(tmp_path / "data", "--log-file", str(tmp_path / "log")) as server:
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
        found = examine("--data", str(server.data))
    assert found.only("data directory")[:2] == ("problem", f"{server.data} cannot be written")
    assert found.only("log")[:2] == ("problem", f"{tmp_path}/log cannot be written")


def test_plain_http(examine: Any) -> None:
    with AnswersWith(lambda path: (200, {"AccountId": "1", "RequestId": "1"})) as url:
        found = examine("--endpoint", url, **STRANGE)
    assert found.only("certificate") == ("ok", "none: plain HTTP, within this machine", "")


# --- who calls


def test_an_access_key_of_another_server(server: LiveServer, examine: Any, of: list[str]) -> None:
    strange = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tStrange123", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}
    found = examine(*far(server), **strange)
    level, text, remedy = found.only("AccessKey")
    assert (level, text) == (
        "problem", "the server does not know LTAI5tStrange123 (from ALIBABA_CLOUD_ACCESS_KEY_ID)"
    )  # fmt: skip
    assert "keystead access-key create" in remedy
    found = examine(*of, **strange)
    root = server.client().access_key[0]
    assert found.only("AccessKey")[1].startswith(f"{root} of account")
    level, text, _ = found.only("environment")
    assert (level, text.startswith("ALIBABA_CLOUD_ACCESS_KEY_ID has no AccessKey of this server")) == (
        "warning", True
    )  # fmt: skip


def test_a_wrong_secret_and_a_secret_for_an_id(server: LiveServer, examine: Any) -> None:
    known = key_of(server)
    found = examine(*far(server), **{**known, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET})
    assert found.only("AccessKey")[1].startswith("the secret is not that of LTAI")
    swapped = {"ALIBABA_CLOUD_ACCESS_KEY_ID": SECRET, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "x"}
    assert "an AccessKey of another form" in examine(*far(server), **swapped).only("AccessKey")[1]
    found = examine(*far(server), **known, ALIBABA_CLOUD_SECURITY_TOKEN=SECRET)
    assert found.only("AccessKey")[2] == "unset ALIBABA_CLOUD_SECURITY_TOKEN"
    assert found.only("environment")[0] == "warning"
    assert examine(*far(server)).only("AccessKey")[1].startswith("there is no AccessKey for https://")


def test_an_access_key_that_is_deactivated(server: LiveServer, examine: Any, of: list[str]) -> None:
    made = json.loads(keystead("access-key", "create", *of).stdout)["AccessKey"]
    pair = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": made["AccessKeyId"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": made["AccessKeySecret"],
    }
    assert examine(*far(server), **pair).only("AccessKey")[0] == "ok"
    keystead("access-key", "deactivate", made["AccessKeyId"], *of)
    level, text, remedy = examine(*far(server), **pair).only("AccessKey")
    assert (level, "is deactivated" in text, "access-key activate" in remedy) == ("problem", True, True)


@pytest.mark.parametrize(
    ("seconds", "level", "text"),
    [
        (20, "ok", "behind"),
        (50, "ok", "behind"),
        (-75, "warning", "ahead of"),
        (600, "warning", "behind"),
        (1000, "problem", "16 min"),
        (-1000, "problem", "ahead of"),
        (-400 * DAY, "problem", "400 d"),
    ],
)
def test_a_clock_that_is_wrong(
    seconds: int,
    level: str,
    text: str,
    server: LiveServer,
    examine: Any,
    of: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) - seconds)
    found = examine(*of)
    assert found.only("clock")[0] == level
    assert text in found.only("clock")[1]
    assert found.only("AccessKey")[0] == ("problem" if abs(seconds) > 900 else "ok")


def test_what_is_no_kms_and_a_kms_that_is_not_ours(examine: Any) -> None:
    with AnswersWith(lambda path: (200, "hello")) as url:
        found = examine("--endpoint", url, **STRANGE)
        assert "not that of a KMS" in found.only("AccessKey")[1]
    asked: list[str] = []

    def vendor(path: str) -> tuple[int, object]:
        asked.append(path)
        if len(asked) == 1:
            return 400, {"Code": "InvalidVersion", "Message": "", "RequestId": "1"}
        return 200, {"Regions": {"Region": []}, "RequestId": "2"}

    with AnswersWith(vendor, date="") as url:
        found = examine("--endpoint", url, **STRANGE)
    assert (found.only("AccessKey")[0], found.of("clock"), len(asked)) == ("ok", [], 2)
    with AnswersWith(
        lambda path: (503, {"Code": "ServiceUnavailable", "Message": "", "RequestId": "1"})
    ) as url:
        found = examine("--endpoint", url, **STRANGE)
    assert (found.only("readiness")[0], found.of("AccessKey")) == ("problem", [])
    with AnswersWith(
        lambda path: (403, {"Code": "Forbidden.Else", "Message": "why", "RequestId": "1"})
    ) as url:
        found = examine("--endpoint", url, **STRANGE)
    assert "was refused: Forbidden.Else: why" in found.only("AccessKey")[1]


# --- files


@contextmanager
def changed(path: Path, mode: int | None = None, content: bytes | None = None) -> Iterator[None]:
    """A file or directory with another mode or content, and as before after that."""
    before, kept = path.stat().st_mode & 0o7777, path.read_bytes() if path.is_file() else b""
    try:
        if content is not None:
            path.write_bytes(content)
        if mode is not None:
            path.chmod(mode)
        yield
    finally:
        if content is not None:
            path.write_bytes(kept)
        path.chmod(before)


def test_files_that_are_open_damaged_or_another_ones(
    server: LiveServer, examine: Any, of: list[str], tmp_path: Path
) -> None:
    root_key, key = server.data / "root.key", server.data / "root-access-key.json"
    with live(tmp_path / "other"):
        pass
    anothers = (tmp_path / "other" / "root.key").read_bytes()
    for planted, subject, level, text in (
        (changed(server.data, 0o755), "data directory", "warning", "open to other users (mode 0755)"),
        (changed(root_key, 0o640), "root key", "problem", "open to other users (mode 0640)"),
        (
            changed(root_key, content=root_key.read_bytes()[:-9]),
            "root key",
            "problem",
            "damaged or truncated",
        ),
        (changed(root_key, content=anothers), "root key", "problem", "sealed under another root key"),
        (changed(key, 0o604), "AccessKey file", "problem", "open to other users (mode 0604)"),
        (changed(key, content=b"{}"), "AccessKey file", "problem", "is not JSON with AccessKeyId"),
    ):
        with planted:
            found = examine(*of)
            assert found.only(subject)[0] == level
            assert text in found.only(subject)[1]
            assert (level, subject) in found.wrong
    root_key.rename(tmp_path / "root.key")
    try:
        assert "is missing" in examine(*of).only("root key")[1]
    finally:
        (tmp_path / "root.key").rename(root_key)
    assert examine(*of).wrong == set()


def test_a_damaged_database(examine: Any, tmp_path: Path) -> None:
    with live(tmp_path / "data"):
        pass
    (tmp_path / "data" / "keystead.db").write_bytes(b"no database" * 1000)
    found = examine("--data", str(tmp_path / "data"))
    level, text, _ = found.only("database")
    assert (level, text.startswith(f"cannot read the database {tmp_path}/data/keystead.db: ")) == (
        "problem",
        True,
    )
    assert found.only("root key")[0] == "ok"


def test_a_certificate_of_ones_own_that_this_machine_does_not_trust(examine: Any, tmp_path: Path) -> None:
    now = SystemClock().now()
    leaf = Authority.create("CA", dns=["localhost"], addresses=[], now=now, lifetime=DAY).issue(
        ["localhost"], [], now, DAY
    )
    for name, content in (("cert.pem", leaf.certificate_pem), ("key.pem", leaf.key_pem)):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(content)
    options = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    with live(tmp_path / "data", *options) as server:
        found = examine("--data", str(server.data))
        url = server.description["url"]
    assert f"--endpoint {url} --ca FILE" in found.only("certificate")[2]


def test_the_page_has_every_line(server: LiveServer, examine: Any, of: list[str]) -> None:
    page = (Path(cli.__file__).parents[2] / "docs" / "how-to" / "trouble.md").read_text()
    (table,) = re.findall(r"^\| line \| looks at \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    lines = {name for row in table.splitlines() for name in row.split("|")[1].strip().split(", ")}
    assert lines == {one["Subject"] for one in examine(*of).findings} | {"unit"}


def test_a_machine_without_sm2(
    server: LiveServer, examine: Any, of: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise libcrypto.Unavailable

    monkeypatch.setattr(libcrypto, "load", missing)
    level, text, remedy = examine(*of).only("SM2")
    assert (level, "EC_SM2 are refused" in text, "libssl3" in remedy) == ("warning", True, True)


class Disk(NamedTuple):
    """What statvfs tells of a disk, as far as it is asked."""

    f_bavail: int
    f_frsize: int = 4096
    f_files: int = 1000
    f_favail: int = 500
    f_flag: int = 0


@pytest.mark.parametrize(
    ("disk", "level", "text"),
    [
        (Disk(0), "problem", "0 KiB are free"),
        (Disk((16 << 20) // 4096 - 1), "problem", "16.0 MiB are free"),
        (Disk((16 << 20) // 4096), "warning", "16.0 MiB are free"),
        (Disk((256 << 20) // 4096 - 1), "warning", "256.0 MiB are free"),
        (Disk((256 << 20) // 4096), "ok", "256.0 MiB are free"),
        (Disk(10**9), "ok", "3.7 TiB are free"),
        (Disk(10**6, f_favail=0), "problem", "no room for one more file"),
        (Disk(10**6, f_files=0, f_favail=0), "ok", "3.8 GiB are free"),
        (Disk(10**6, f_flag=os.ST_RDONLY), "problem", "is read-only"),
    ],
)
def test_the_disk(
    disk: Disk,
    level: str,
    text: str,
    server: LiveServer,
    examine: Any,
    of: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: disk)
    found = examine(*of)
    assert found.only("disk")[0] == level
    assert text in found.only("disk")[1]


def test_a_disk_that_tells_nothing(
    server: LiveServer, examine: Any, of: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "statvfs", gone)
    assert examine(*of).of("disk") == []


def test_the_log(examine: Any, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "config").write_text(f'log-file = "{folder}/log"')
    with live(tmp_path / "data", "--config", str(tmp_path / "config")) as server:
        of = ["--data", str(server.data)]
        assert examine(*of).only("log") == ("ok", f"{folder}/log", "")
        other = tmp_path / "other.log"
        (tmp_path / "config").write_text(f'log-file = "{other}"')
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while server.description["log_file"] != str(other):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert examine(*of).only("log") == ("ok", str(other), "")
    (tmp_path / "config").write_text(f'log-file = "{folder}/log"')
    with live(tmp_path / "data", "--config", str(tmp_path / "config")) as server:
        folder.rename(tmp_path / "before")
        level, text, remedy = examine(*of).only("log")
        assert (level, text) == ("problem", f"the folder of {folder}/log is gone")
        assert remedy.startswith(f"mkdir -p {folder}")


# --- the environment

PROXY = f"http://someone:{SECRET}@proxy.example.org:3128"
ONES_OWN = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tStrange123", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI1"}, "ALIBABA_CLOUD_ACCESS_KEY_ID is set and ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}, "ALIBABA_CLOUD_ACCESS_KEY_SECRET is set and ALIBABA_CLOUD_ACCESS_KEY_ID"),
        (ONES_OWN, "ALIBABA_CLOUD_ACCESS_KEY_ID has no AccessKey of this server, so commands use the root AccessKey"),
        ({**ONES_OWN, "ALICLOUD_ACCESS_KEY": "LTAI2"}, "ALICLOUD_ACCESS_KEY and ALIBABA_CLOUD_ACCESS_KEY_ID name"),
        ({"ALIBABA_CLOUD_SECURITY_TOKEN": SECRET}, "ALIBABA_CLOUD_SECURITY_TOKEN is set"),
        ({"KEYSTEAD_CA_FILE": "/dev/null"}, "KEYSTEAD_CA_FILE is set and KEYSTEAD_ENDPOINT is not"),
        ({"ALIBABA_CLOUD_ENDPOINT": "kms.cn-hangzhou.aliyuncs.com"}, "ALIBABA_CLOUD_ENDPOINT is set"),
        ({"HTTPS_PROXY": PROXY}, "HTTPS_PROXY is set and NO_PROXY does not have localhost"),
        ({"https_proxy": PROXY, "NO_PROXY": "127.0.0.1"}, "https_proxy is set and NO_PROXY does not have localhost"),
        ({"HTTPS_PROXY": "http://proxy:port"}, "proxy"),
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE names /nowhere/ca.pem, which cannot be read"),
        ({"NODE_EXTRA_CA_CERTS": "/nowhere/ca.pem"}, "NODE_EXTRA_CA_CERTS names /nowhere/ca.pem"),
        ({"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/nowhere/a.p12"}, "the trust store /nowhere/a.p12, which cannot"),
        ({"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/dev/null"}, "Java programs trust only what is in it"),
        ({"_JAVA_OPTIONS": "-Djavax.net.ssl.trustStore=/dev/null"}, "_JAVA_OPTIONS names the trust store"),
        ({"NODE_OPTIONS": '--require "/a/keystead/proxy/hooks/hook.cjs"'}, "NODE_OPTIONS has what keystead run put there"),
        ({"PYTHONPATH": "/a/keystead/proxy/hooks"}, "PYTHONPATH has what keystead run put there"),
    ],
)  # fmt: skip
def test_variables_that_lead_elsewhere(
    variables: dict[str, str], text: str, server: LiveServer, examine: Any, of: list[str]
) -> None:
    found = examine(*of, **variables)
    assert found.wrong == {("warning", "environment")}
    assert any(text in told for _, told, _ in found.of("environment"))
    assert found.status == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost"},
        {"HTTP_PROXY": PROXY},
        {"JAVA_TOOL_OPTIONS": "-Xmx1g"},
        {"PYTHONPATH": "/nowhere:"},
        {"SSL_CERT_FILE": "/dev/null"},
    ],
)
def test_variables_that_do_not(
    variables: dict[str, str], server: LiveServer, examine: Any, of: list[str]
) -> None:
    assert examine(*of, **variables).only("environment") == ("ok", "no variable that leads elsewhere", "")


def test_a_module_in_the_place_of_one_that_is_needed(
    server: LiveServer, examine: Any, of: list[str], tmp_path: Path
) -> None:
    (tmp_path / "msgspec.py").touch()
    (tmp_path / "keystead").mkdir()
    found = examine(*of, PYTHONPATH=str(tmp_path))
    assert f"PYTHONPATH has {tmp_path}, whose keystead, msgspec goes before" in found.only("environment")[1]
    for requirement in map(Requirement, metadata.requires("keystead") or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            name = {"pyyaml": "yaml"}.get(requirement.name.lower(), requirement.name.replace("-", "_"))
            (tmp_path / name).mkdir(exist_ok=True)
            assert name in examine(*of, PYTHONPATH=str(tmp_path)).only("environment")[1]
    checkout = str(Path(cli.__file__).parents[2])
    assert examine(*of, PYTHONPATH=checkout).only("environment")[0] == "ok"


def test_an_endpoint_and_another_directory(server: LiveServer, examine: Any, tmp_path: Path) -> None:
    url, ca = server.description["url"], str(server.data / "ca.pem")
    named = {"KEYSTEAD_ENDPOINT": url, "KEYSTEAD_CA_FILE": ca, **key_of(server)}
    assert examine(**named, KEYSTEAD_DATA=str(server.data)).wrong == set()
    found = examine(**named, KEYSTEAD_DATA=str(tmp_path))
    assert "goes before KEYSTEAD_DATA, whose server is not running" in found.only("environment")[1]
    with live(tmp_path / "data") as other:
        found = examine(**named, KEYSTEAD_DATA=str(other.data))
        assert f"whose server is {other.description['url']}" in found.only("environment")[1]
    (tmp_path / "file").touch()
    found = examine(**named, KEYSTEAD_DATA=str(tmp_path / "file"))
    assert "whose server is not running" in found.only("environment")[1]


def environment_of(data: Path) -> dict[str, str]:
    """What a shell has after eval "$(keystead env)", on a machine with a proxy and credentials of its own."""
    script = 'set -e; eval "$("$@")"; env -0'
    words = ["sh", "-c", script, "sh", *KEYSTEAD, "env", "--data", str(data)]
    told = subprocess.run(
        words, env={**without_ours(), **STRANGE}, capture_output=True, text=True, check=True
    )
    return dict(one.split("=", 1) for one in told.stdout.split("\0") if one)


def doctor(environment: dict[str, str]) -> Found:
    words = [*KEYSTEAD, "doctor", "--output", "json"]
    told = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return Found(told.returncode, json.loads(told.stdout)["Findings"])


def test_the_environment_of_env(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--proxy") as server:
        made = environment_of(server.data)
        found = doctor(made)
        missing = ("warning", "backup")  # nobody has made one
        assert (found.status, found.wrong) == (0, {missing}), found
        assert made[RUN_PROXY] == made["HTTPS_PROXY"] != STRANGE["HTTPS_PROXY"]
        url = server.description["url"]
    found = doctor(made)
    assert {("problem", "server"), ("problem", "environment")} <= found.wrong
    _, text, remedy = found.only("environment")
    assert text.startswith("the proxy of keystead env is gone")
    assert "--unset" in remedy
    # The server came back where it was, and its proxy elsewhere.
    with live(tmp_path / "data", "--proxy", "--listen", url.partition("://")[2]) as server:
        assert server.description["proxy_url"] != made[RUN_PROXY]
        found = doctor(made)
        assert found.wrong == {missing, ("problem", "environment")}, found
        assert doctor({**made, RUN_PROXY: "http://["}).wrong == {missing, ("problem", "environment")}


def test_a_setting_of_the_server_says_nothing_of_the_proxy_of_env(
    server: LiveServer, examine: Any, of: list[str]
) -> None:
    assert examine(*of, KEYSTEAD_PROXY="true").wrong == set()
    found = examine(*of, KEYSTEAD_PROXY="true", HTTPS_PROXY=PROXY)
    assert found.only("environment")[1].startswith("HTTPS_PROXY is set and NO_PROXY")


def access_key_file(path: Path, pair: tuple[str, str], mode: int = 0o600) -> str:
    path.write_text(json.dumps({"AccessKeyId": pair[0], "AccessKeySecret": pair[1]}))
    path.chmod(mode)
    return str(path)


def test_the_access_key_file_of_the_environment(
    server: LiveServer, examine: Any, of: list[str], tmp_path: Path
) -> None:
    key = server.client().access_key
    own = access_key_file(tmp_path / "own.json", key)
    strange = access_key_file(tmp_path / "strange.json", ("LTAI5tStrange123", SECRET))
    assert examine(*of, KEYSTEAD_ACCESS_KEY_FILE=own).wrong == set()
    assert examine(*of, KEYSTEAD_ACCESS_KEY_FILE=own, **key_of(server)).wrong == set()
    found = examine(*of, KEYSTEAD_ACCESS_KEY_FILE=own, **ONES_OWN)
    assert found.wrong == {("warning", "environment")}
    assert (
        "KEYSTEAD_ACCESS_KEY_FILE and ALIBABA_CLOUD_ACCESS_KEY_ID name different"
        in found.only("environment")[1]
    )
    found = examine(*of, KEYSTEAD_ACCESS_KEY_FILE=strange)
    assert found.wrong == {("warning", "environment")}
    told = f"the AccessKey in {strange}, which KEYSTEAD_ACCESS_KEY_FILE names, is none of this server"
    assert found.only("environment")[1].startswith(told)
    # What --access-key names is no fallback, though it be the root AccessKey.
    root = str(server.data / "root-access-key.json")
    assert examine(*of, "--access-key", root, KEYSTEAD_ACCESS_KEY_FILE=strange).wrong == set()
    # It is looked at as every file with an AccessKey is.
    Path(own).chmod(0o644)
    for words in (of, far(server)):
        found = examine(*words, KEYSTEAD_ACCESS_KEY_FILE=own)
        assert f"{own} is open to other users (mode 0644)" in {
            text for _, text, _ in found.of("AccessKey file")
        }


def test_a_ca_file_that_counts_without_an_endpoint(server: LiveServer, examine: Any) -> None:
    words = ["--endpoint", server.description["url"]]
    found = examine(*words, KEYSTEAD_CA_FILE=str(server.data / "ca.pem"), **key_of(server))
    assert (found.status, found.wrong) == (0, set())


def test_a_server_that_hangs(examine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "_SECONDS", 0.5)
    monkeypatch.setattr(health, "_SECONDS", 0.5)
    with live(tmp_path / "data") as server:
        stopped = server.processes
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            found = examine("--data", str(server.data))
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        level, text, remedy = found.only("server")
        pid = server.description["pid"]
    assert (level, "timed out" in text, f"process {pid} is there" in remedy) == ("problem", True, True)
    assert "_ssl.c" not in text
    assert found.only("ops port")[0] == "problem"


def test_the_vendors_own_service() -> None:
    address = Address.of("https://kms.cn-hangzhou.aliyuncs.com")
    chosen = Target(url="https://kms.cn-hangzhou.aliyuncs.com", because="--endpoint")
    token = {"ALIBABA_CLOUD_SECURITY_TOKEN": SECRET}
    scene = Scene(environment=token, now=0, chosen=chosen, url=chosen.url, address=address)
    found = checks.examine(scene)
    assert ("warning", "server") in {(one.level, one.subject) for one in found}
    assert found[-1].subject == "environment"
    assert found[-1].level == "ok"


# --- another user

AS_NOBODY = """
import os, sys, encodings.idna, multiprocessing, keystead.operations, keystead.cli.diagnosis.checks
import keystead.cli.commands.doctor, keystead.cli.commands.status
from keystead import cli
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(cli.main(sys.argv[1:]))
"""


def as_nobody(*words: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user who owns nothing; without what measures coverage, which would write files."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words],
        env={**environment, **CLEAN, **env},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user(server: LiveServer, of: list[str]) -> None:
    told = as_nobody("doctor", *of, "--output", "json", env={})
    found = Found(told.returncode, json.loads(told.stdout)["Findings"])
    assert (found.status, found.only("server")[0]) == (1, "problem")
    assert "ermission denied" in found.only("server")[1]
    assert "sudo -u" in found.only("server")[2]
    assert [one["Subject"] for one in found.findings] == ["server", "environment"]
    # With what a client has, it calls the server as every client does.
    with TemporaryDirectory() as public:
        Path(public).chmod(0o755)
        ca = Path(public) / "ca.pem"
        ca.write_bytes((server.data / "ca.pem").read_bytes())
        ca.chmod(0o644)
        words = ["doctor", "--endpoint", server.description["url"], "--ca", str(ca), "--output", "json"]
        told = as_nobody(*words, env=key_of(server))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user's root")
def test_root_at_another_users_directory(examine: Any, tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        for path in (server.data, *server.data.iterdir()):
            os.chown(path, 65534, 65534)
        found = examine("--data", str(server.data))
        level, text, remedy = found.only("data directory")
        assert (level, "belongs to another user" in text, "sudo -u" in remedy) == ("warning", True, True)
        assert found.of("root key") == []
        (server.data / "root.key").chmod(0o644)
        assert found.status == 0
        assert examine("--data", str(server.data)).only("root key")[0] == "problem"
