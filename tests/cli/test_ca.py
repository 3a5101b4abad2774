"""The server's own CA in operation: shown, kept whatever the settings say, and rotated under clients that go on."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from tests.live import KEYSTEAD, LiveServer, keystead, live, needs

FORMS = ["yes", "no"]  # with a front process, and without


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def shown(data: Path) -> dict[str, object]:
    told = keystead("ca", "show", "--json", "--data", str(data))
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert isinstance(found, dict)
    return found


def fingerprints(data: Path) -> list[str]:
    found = shown(data)["Authorities"]
    assert isinstance(found, list)
    return [one["Fingerprint"] for one in found]


def port_of(server: LiveServer) -> str:
    return str(server.description["url"].rpartition(":")[2])


def by_openssl(server: LiveServer, trusted: Path, name: str) -> bool:
    """Whether openssl's client connects; it says which name it looks for, as clients do for host names."""
    told = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{port_of(server)}", "-CAfile", str(trusted), "-no-CApath",
         "-no-CAstore", "-servername", name, "-verify_hostname", name, "-verify_return_error"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return told.returncode == 0 and "Verification: OK" in told.stdout


def by_curl(server: LiveServer, trusted: Path, name: str) -> bool:
    port = port_of(server)
    told = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(trusted), "--noproxy", "*",
         "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return told.stdout == "400"  # an answer: nothing was asked for


def by_our_own(server: LiveServer, trusted: Path, _: str) -> bool:
    key = server.client().access_key
    pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key[0], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1]}
    words = ["--endpoint", f"https://localhost:{port_of(server)}", "--ca", str(trusted)]
    return (
        keystead("kms", "ListKeys", *words, env={**pair, "ALIBABA_CLOUD_SECURITY_TOKEN": ""}).returncode == 0
    )


CLIENTS = [by_openssl, by_curl, by_our_own]


@pytest.mark.parametrize("front", FORMS)
def test_a_rotation_under_clients_that_hold_either_bundle(front: str, tmp_path: Path) -> None:
    needs("openssl")
    needs("curl")
    data, old, new = tmp_path / "data", tmp_path / "old.pem", tmp_path / "new.pem"
    with live(data, "--front-process", front) as server:
        shutil.copy(data / "ca.pem", old)
        kept = server.client()
        (first,) = fingerprints(data)
        told = keystead("ca", "rotate", "--name", "kms.example", "--data", str(data))
        assert told.returncode == 0, told.stderr
        made = json.loads(told.stdout)
        assert made["Names"] == ["kms.example", "localhost", "127.0.0.1", "::1"]
        assert fingerprints(data) == [first, made["Fingerprint"]]
        assert keystead("ca", "show", "-o", str(new), "--data", str(data)).returncode == 0
        assert new.stat().st_mode & 0o777 == 0o644
        until(lambda: (data / "ca.pem").read_bytes() == new.read_bytes())
        assert keystead("ca", "show", "--pem", "--data", str(data)).stdout == new.read_text()
        until(lambda: by_openssl(server, new, "kms.example"))
        for client in CLIENTS:
            assert client(server, old, "localhost")
            assert client(server, new, "localhost")
        assert by_curl(server, new, "kms.example")
        assert not by_curl(server, old, "kms.example")
        # And over a new start, with the name that the old one may not issue for.
        kept.ok("ListKeys")
    with live(data, "--front-process", front, "--name", "kms.example") as server:
        for client in CLIENTS:
            assert client(server, old, "localhost")
            assert client(server, new, "localhost")
        assert by_curl(server, new, "kms.example")
        told = keystead("ca", "retire", "--data", str(data))
        assert told.returncode == 0, told.stderr
        assert fingerprints(data) == [made["Fingerprint"]]
        until(lambda: not by_openssl(server, old, "localhost"))
        for client in CLIENTS:
            assert client(server, new, "localhost")
            assert not client(server, old, "localhost")
        # Commands on this machine follow by themselves.
        assert keystead("kms", "ListKeys", "--data", str(data)).returncode == 0


@pytest.mark.parametrize("front", FORMS)
def test_what_a_command_changed_is_served_when_it_returns(front: str, tmp_path: Path) -> None:
    data, trusted = tmp_path / "data", tmp_path / "trusted.pem"

    def connects() -> bool:
        context = ssl.create_default_context(cafile=trusted)
        port = int(port_of(server))
        try:
            with (
                socket.create_connection(("localhost", port), 30) as plain,
                context.wrap_socket(plain, server_hostname="localhost"),
            ):
                return True
        except ssl.SSLCertVerificationError:
            return False

    with live(data, "--front-process", front) as server:
        for words in (["--overlap", "0"], ["--overlap", "1"]):
            for _ in range(3):  # not by chance
                shutil.copy(data / "ca.pem", trusted)
                assert connects()
                told = keystead("ca", "rotate", *words, "--data", str(data))
                assert told.returncode == 0, told.stderr
                assert connects() == (words[1] != "0")
                assert (data / "ca.pem").read_bytes() != trusted.read_bytes()
        shutil.copy(data / "ca.pem", trusted)
        told = keystead("ca", "retire", "--data", str(data))
        assert "nothing to retire" not in told.stderr
        assert len(json.loads(told.stdout)["Retired"]) == 3
        assert trusted.read_bytes().endswith((data / "ca.pem").read_bytes())
        assert connects()  # by the newest of them
        told = keystead("ca", "retire", "--data", str(data))
        assert (told.returncode, json.loads(told.stdout)["Retired"]) == (0, [])
        assert "there is nothing to retire" in told.stderr
    for words in (["--http"], []):
        with live(tmp_path / "other", *words):  # without a CA, and with one alone
            told = keystead("ca", "retire", "--data", str(tmp_path / "other"))
            assert (told.returncode, "there is nothing to retire" in told.stderr) == (0, True)


def test_what_is_not_served_yet_is_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    told = "warning: the server has not taken it up yet"
    with live(data) as server:
        assert told not in keystead("ca", "rotate", "--data", str(data)).stderr
        # What clients are to trust cannot be written.
        (data / "ca.pem.new").mkdir()
        ended = keystead("ca", "rotate", "--data", str(data))
        assert (ended.returncode, told in ended.stderr) == (0, True), ended.stderr
        assert "certificate not renewed" in server.log.read_text()
        (data / "ca.pem.new").rmdir()
        assert told not in keystead("ca", "retire", "--data", str(data)).stderr


def test_a_command_under_run_goes_on_through_a_rotation_without_overlap(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data, "--proxy") as server:
        script = "keystead kms ListKeys && echo ready && read line && keystead kms ListKeys"
        script = script.replace("keystead", " ".join(KEYSTEAD))
        running = subprocess.Popen(
            [*KEYSTEAD, "run", "--data", str(data), "--", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdin is not None
        assert running.stdout is not None
        while running.stdout.readline() != "ready\n":
            assert running.poll() is None
        before = (data / "ca.pem").read_bytes()
        assert keystead("ca", "rotate", "--overlap", "0", "--data", str(data)).returncode == 0
        until(lambda: (data / "ca.pem").read_bytes() != before)
        served = shown(data)
        assert isinstance(served["Served"], dict)
        assert isinstance(served["Authorities"], list)
        assert served["Served"]["Issuer"] == served["Authorities"][0]["Subject"]
        running.stdin.write("\n")
        running.stdin.flush()
        assert running.wait(60) == 0
        server.client().ok("ListKeys")


def test_other_names_never_make_another_ca(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data, "--name", "kms.example"):
        first = fingerprints(data)
    # Fewer, or of the same domain: the certificate is another one.
    for options in ([], ["--name", "a.kms.example"], ["--listen", "127.0.0.1:0"]):
        with live(data, *options):
            assert fingerprints(data) == first
            served = shown(data)["Served"]
            assert isinstance(served, dict)
            assert "kms.example" in served["Names"]
            assert ("a.kms.example" in served["Names"]) == ("a.kms.example" in options)
    for words, name in (
        (["--listen", "localhost:0", "--name", "other.example"], "other.example"),
        (["--listen", "127.0.0.9:0"], "127.0.0.9"),
    ):
        told = keystead("serve", "--data", str(data), *words)
        assert told.returncode == 1
        assert f"may not issue for {name}, only for kms.example, localhost" in told.stderr
        assert f"hint: keystead ca rotate --data {data} --name {name} " in told.stderr
        assert fingerprints(data) == first
    # With the server stopped, as after that refusal.
    assert keystead("ca", "rotate", "--name", "other.example", "--data", str(data)).returncode == 0
    with live(data, "--name", "other.example"):
        assert fingerprints(data)[:1] == first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a host name of its own")
def test_a_restore_on_another_host_keeps_the_ca_and_the_names(tmp_path: Path) -> None:
    needs("unshare")
    needs("curl")
    data, trusted = tmp_path / "data", tmp_path / "ca.pem"

    def on(host: str, place: Path) -> LiveServer:
        program = tmp_path / host
        program.write_text(f'#!/bin/sh\nexec unshare --uts sh -c \'hostname {host}; exec "$@"\' sh "$@"\n')
        program.chmod(0o755)
        return LiveServer(place, "--listen", "0.0.0.0:0", program=[str(program), *KEYSTEAD])

    first = on("first-box", data)
    first.start()
    shutil.copy(data / "ca.pem", trusted)
    assert by_curl(first, trusted, "first-box")
    assert first.stop() == 0
    restored = tmp_path / "restored"
    restored.mkdir(0o700)
    for name in ("root.key", "keystead.db", "root-access-key.json"):  # a backup of what it needs
        shutil.copy2(data / name, restored / name)
    other = on("other-box", restored)
    other.start()
    try:
        assert (restored / "ca.pem").read_bytes() == trusted.read_bytes()
        assert by_curl(other, trusted, "first-box")
        assert by_curl(other, trusted, "localhost")
    finally:
        assert other.stop() == 0


def earlier(data: Path) -> None:
    """Put the CA where earlier versions kept it, in their form."""
    opened = open_store(DataDirectory(data), SystemClock(), SystemEntropy())
    opened.store.begin()
    (kept,) = opened.store.authorities.all()
    opened.store.authorities.replace([])
    opened.store.commit()
    opened.store.close()
    content = {
        "hosts": ["localhost"],
        "addresses": ["127.0.0.1", "::1"],
        "expires": kept.expires,
        "certificate": kept.certificate,
        "generation": kept.key.generation,
        "key": base64.b64encode(kept.key.blob).decode(),
    }
    (data / "authority.json").write_text(json.dumps(content))
    (data / "ca.pem").chmod(0o600)


def test_a_data_directory_of_an_earlier_version_keeps_its_ca(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        first = fingerprints(data)
        before = (data / "ca.pem").read_bytes()
    earlier(data)
    assert fingerprints(data) == first
    with live(data) as server:
        assert fingerprints(data) == first
        assert (data / "ca.pem").read_bytes() == before
        assert (data / "ca.pem").stat().st_mode & 0o777 == 0o644
        assert not (data / "authority.json").exists()
        server.client().ok("ListKeys")
    # Any command that opens the data will do, a rotation too.
    earlier(data)
    assert keystead("ca", "rotate", "--data", str(data)).returncode == 0
    assert fingerprints(data)[0] == first[0]
    assert len(fingerprints(data)) == 2


def test_a_ca_that_is_gone_stops_the_start_until_there_is_a_new_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        pass
    earlier(data)
    kept = (data / "authority.json").read_bytes()
    for damage in (b"x", kept[:100], kept.replace(b'"key": "', b'"key": "!'), None):
        if damage is None:
            (data / "authority.json").unlink()
        else:
            (data / "authority.json").write_bytes(damage)
        told = keystead("serve", "--data", str(data), "--listen", "localhost:0")
        assert told.returncode == 1
        assert "is gone or damaged, although it had one" in told.stderr
        assert f"`keystead ca rotate --data {data}`" in told.stderr
        told = keystead("ca", "show", "--data", str(data))
        assert (told.returncode, "there is no certificate authority in" in told.stderr) == (1, True)
    assert keystead("ca", "rotate", "--data", str(data)).returncode == 0
    with live(data) as server:
        server.client().ok("ListKeys")


def test_it_is_shown_to_people(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        text = keystead("ca", "show", "--data", str(data)).stdout
        assert "certificate authority CN=Keystead local CA " in text
        assert "  names    localhost, 127.0.0.1, ::1\n" in text
        assert "served certificate, by CN=Keystead local CA " in text
        assert "retires" not in text
        keystead("ca", "rotate", "--data", str(data))
        assert "retires  20" in keystead("ca", "show", "--data", str(data)).stdout
    text = keystead("ca", "show", "--data", str(data)).stdout
    assert "served" not in text
    assert f"clients trust {data / 'ca.pem'}" in text
    told = keystead("ca", "show", "--data", str(tmp_path))
    assert (told.returncode, "there is no data" in told.stderr) == (1, True)
    told = keystead("ca", "show", "-o", str(tmp_path / "none" / "file"), "--data", str(data))
    assert (told.returncode, "cannot write" in told.stderr) == (1, True)
    # A file that is there is what clients trust until now: it is replaced.
    (tmp_path / "ca.pem").write_text("before")
    assert keystead("ca", "show", "-o", str(tmp_path / "ca.pem"), "--data", str(data)).returncode == 0
    assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
    shown_pem = keystead("ca", "show", "--pem", "--data", str(data)).stdout
    told = keystead("ca", "show", "-o", "-", "--data", str(data), cwd=tmp_path)
    assert (told.stdout, (tmp_path / "-").exists()) == (shown_pem, False)
    for overlap, status in (("3650", 0), ("3651", 2), ("-1", 2), ("x", 2), ("", 2)):
        told = keystead("ca", "rotate", f"--overlap={overlap}", "--data", str(data))
        assert told.returncode == status, told.stderr
    told = keystead("ca", "rotate", "--name", "a b", "--data", str(data))
    assert (told.returncode, "'a b' is neither a host name nor" in told.stderr) == (2, True)
    told = keystead("ca", "show", "--endpoint", "https://localhost:1")
    assert (told.returncode, "--endpoint" in told.stderr) == (2, True)
