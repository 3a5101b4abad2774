"""What a running server takes without a new start: certificates, settings, log files; and what it says of itself."""

import http.client
import json
import os
import pty
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from keystead.clock import SystemClock
from keystead.crypto.authority import Authority, describe
from tests.live import KEYSTEAD, LiveServer, keystead, live

FORMS = ["yes", "no"]  # with a front process, and without
DAY = 86_400


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reload(server: LiveServer) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)


def events(log: Path) -> list[dict[str, object]]:
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def told(log: Path, event: str) -> list[dict[str, object]]:
    return [one for one in events(log) if one["event"] == event]


def presented(server: LiveServer) -> bytes:
    """The certificate that a client is shown, as PEM."""
    port = int(server.description["url"].rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port)).encode()


def own(folder: Path) -> bytes:
    """A new certificate in the folder's cert.pem and key.pem; it, as PEM."""
    made = Authority.create("own", dns=["localhost"], addresses=[], now=SystemClock().now(), lifetime=DAY)
    leaf = made.issue(["localhost"], [], SystemClock().now(), DAY)
    (folder / "cert.pem").write_bytes(leaf.certificate_pem)
    key = folder / "key.pem"
    key.touch(0o600)
    key.write_bytes(leaf.key_pem)
    return leaf.certificate_pem.replace(made.certificate_pem, b"")


@pytest.mark.parametrize("front", FORMS)
def test_a_reload_takes_what_it_can_and_names_what_it_cannot(front: str, tmp_path: Path) -> None:
    config, log = tmp_path / "keystead.toml", tmp_path / "keystead.log"
    config.write_text(f'log-file = "{log}"\nidle-seconds = 3600\nregion = "cn-beijing"\n')
    with live(tmp_path / "data", "--front-process", front, "--config", str(config)) as server:
        before = server.processes
        client = server.client()
        client.ok("ListKeys")
        reload(server)
        until(lambda: told(log, "reloaded") != [])
        assert told(log, "reloaded")[-1]["names"] == []
        config.write_text(
            f'log-file = "{log}"\nlog-level = "debug"\nidle-seconds = 1\nregion = "cn-shanghai"\n'
            'listen = "localhost:1"\nname = ["a.localhost"]\n'
        )
        reload(server)
        until(lambda: len(told(log, "reloaded")) == 2)
        # --listen was a flag, which wins over the file now as at the start.
        assert told(log, "reloaded")[-1]["names"] == ["idle-seconds", "log-level", "name"]
        until(lambda: told(log, "restart to apply") != [])
        assert told(log, "restart to apply")[-1]["names"] == ["region"]
        until(lambda: "a.localhost" in describe(presented(server)).names.hosts)
        # New connections keep to the new limit; the ones before are as they were.
        other = server.client()
        other.ok("ListKeys")
        until(lambda: other._connection.sock is not None and ended(other._connection.sock))
        client.ok("ListKeys")
        for wrong, why in (
            ("idle-seconds = 0\n", "idle-seconds"),
            ("idle-seconds =\n", "TOML"),
            ('name = ["other.example"]\n', "may not issue for other.example"),
            (f'log-file = "{tmp_path}"\nname = ["b.localhost"]\n', "cannot open the log file"),
        ):
            count = len(told(log, "not reloaded"))
            config.write_text(wrong if "log-file" in wrong else f'log-file = "{log}"\n{wrong}')
            reload(server)
            until(lambda count=count: len(told(log, "not reloaded")) > count)  # type: ignore[misc]
            assert why in str(told(log, "not reloaded")[-1]["reason"])
        config.unlink()
        reload(server)
        until(lambda: "cannot read" in str(told(log, "not reloaded")[-1]["reason"]))
        assert "b.localhost" not in describe(presented(server)).names.hosts
        client.ok("ListKeys")
        assert server.processes == before
    assert told(log, "stopped") != []


def ended(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("front", FORMS)
def test_a_replaced_pair_is_served_by_itself_and_half_of_one_is_not(front: str, tmp_path: Path) -> None:
    first = own(tmp_path)
    words = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    with live(tmp_path / "data", "--front-process", front, *words) as server:
        assert presented(server) == first
        whole = (tmp_path / "key.pem").read_bytes()
        second = own(tmp_path)
        until(lambda: presented(server) == second)
        # Half of a pair, for longer than it takes to be seen: the one before goes on, and it is said once.
        third = own(tmp_path)
        key = (tmp_path / "key.pem").read_bytes()
        (tmp_path / "key.pem").write_bytes(whole)
        until(lambda: told(server.log, "certificate not renewed") != [])
        reload(server)
        until(lambda: told(server.log, "reloaded") != [])
        assert presented(server) == second
        (tmp_path / "key.pem").write_bytes(key)
        until(lambda: presented(server) == third)
        warned = told(server.log, "certificate not renewed")
        assert len({str(one["reason"]) for one in warned}) == len(warned) <= 2
        assert all("cannot use the certificate" in str(one["reason"]) for one in warned)
        assert expires(server) == describe(third).expires


def test_other_paths_of_a_pair_are_taken_and_another_kind_of_certificate_is_not(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    first, second = own(tmp_path / "one"), own(tmp_path / "other")
    config = tmp_path / "keystead.toml"

    def configured(name: str) -> str:
        return f'tls-cert = "{tmp_path / name / "cert.pem"}"\ntls-key = "{tmp_path / name / "key.pem"}"\n'

    config.write_text(configured("one"))
    with live(tmp_path / "data", "--config", str(config)) as server:
        assert presented(server) == first
        told_of_ca = keystead("ca", "show", "--data", str(server.data))
        assert (told_of_ca.returncode, "no certificate authority" in told_of_ca.stderr) == (1, True)
        assert keystead("ca", "rotate", "--data", str(server.data)).returncode == 0
        told_of_ca = keystead("ca", "show", "--data", str(server.data))
        assert "the server that runs has a certificate of your own (tls-cert)" in told_of_ca.stderr
        assert "served certificate, by CN=own\n" in told_of_ca.stdout
        config.write_text(configured("other"))
        reload(server)
        until(lambda: presented(server) == second)
        config.write_text(configured("none"))
        reload(server)
        until(lambda: told(server.log, "not reloaded") != [])
        config.write_text("")
        reload(server)
        until(lambda: told(server.log, "restart to apply") != [])
        assert told(server.log, "restart to apply")[-1]["names"] == ["tls-cert", "tls-key"]
        assert presented(server) == second


def expires(server: LiveServer) -> float:
    return figure(server, "keystead_certificate_expires")


def figure(server: LiveServer, name: str) -> float:
    """A metric's value; -1 where it is not there yet, since a server answers before it takes all of them."""
    with urlopen(f"{server.description['ops_url']}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"{name} ")]
    assert len(found) <= 1
    return float(found[0].rpartition(" ")[2]) if found else -1.0


PATCHED = """
    import sys
    from keystead.server import app
    from keystead.server.network import certificates

    {patch}
    from keystead.cli import main
    sys.exit(main())
"""


def patched(tmp_path: Path, patch: str) -> list[str]:
    program = tmp_path / "patched.py"
    program.write_text(textwrap.dedent(PATCHED).format(patch=patch))
    return [sys.executable, str(program)]


@pytest.mark.parametrize("front", FORMS)
def test_a_certificate_of_its_own_is_renewed_while_it_runs(front: str, tmp_path: Path) -> None:
    program = patched(tmp_path, "certificates.LEAF_LIFETIME = 30")
    server = LiveServer(tmp_path / "data", "--front-process", front, program=program)
    server.start()
    try:
        first = presented(server)
        assert expires(server) == describe(first).expires
        until(lambda: presented(server) != first)
        assert expires(server) > describe(first).expires
        server.client().ok("ListKeys")
    finally:
        server.stop()


def test_metrics_of_what_is_stored(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        server.client().ok("CreateKey")
        key_id = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
        server.client().ok("DisableKey", KeyId=key_id)
    with live(tmp_path / "data") as server:
        until(lambda: figure(server, 'keystead_keys{state="Enabled"}') == 1)
        until(lambda: figure(server, 'keystead_database_bytes{file="log"}') >= 0)
        assert figure(server, 'keystead_keys{state="Disabled"}') == 1
        assert figure(server, "keystead_audit_log_records") == 3
        assert figure(server, 'keystead_database_bytes{file="database"}') > 4096
        assert figure(server, 'keystead_database_bytes{file="log"}') >= 0
        until(lambda: expires(server) == describe(presented(server)).expires)
    with live(tmp_path / "data", "--http") as server:
        with urlopen(f"{server.description['ops_url']}/metrics") as answer:
            assert b"keystead_certificate_expires" not in answer.read()
        reload(server)
        until(lambda: told(server.log, "reloaded") != [])
        server.client().ok("ListKeys")


def test_a_renamed_log_file_is_left_alone(tmp_path: Path) -> None:
    log, aside = tmp_path / "keystead.log", tmp_path / "keystead.log.1"
    with live(tmp_path / "data", "--log-file", str(log)) as server:
        assert log.stat().st_mode & 0o777 == 0o600
        until(lambda: told(log, "serving") != [])
        log.rename(aside)
        reload(server)
        until(lambda: log.exists() and told(log, "reloaded") != [])
        before = aside.read_bytes()
        server.client().ok("ListKeys")
    assert told(log, "stopped") != []
    assert aside.read_bytes() == before
    assert told(aside, "serving") != []
    assert events(server.log) == []
    ended = keystead("serve", "--data", str(tmp_path / "data"), "--log-file", str(tmp_path))
    assert (ended.returncode, "cannot open the log file" in ended.stderr) == (1, True)


def lost(server: LiveServer) -> int:
    """Lines of the log that the server could not write, as /metrics has it."""
    with urlopen(f"{server.description['ops_url']}/metrics", timeout=60) as answer:
        (line,) = [one for one in answer.read().decode().splitlines() if one.startswith(LOST)]
    return int(float(line.split()[1]))


LOST = "keystead_log_lines_lost_total "


@pytest.mark.parametrize("missing", [True, False])
def test_a_log_that_cannot_be_written_is_said_and_counted_and_comes_back(
    missing: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    if not missing:
        if os.geteuid() != 0:
            pytest.skip("a small file system needs root")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    log = folder / "keystead.log"
    try:
        with live(tmp_path / "data", "--log-file", str(log)) as server:
            until(lambda: told(log, "serving") != [])
            assert lost(server) == 0
            if missing:
                log.unlink()
                folder.rmdir()
            else:
                with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
                    while True:
                        filler.write(b"x")

            def reload_until_lost() -> bool:
                reload(server)
                return lost(server) >= 40

            until(reload_until_lost)
            server.client().ok("ListKeys")
            assert len(told(server.log, "log lines are lost")) <= 2  # at most one a minute
            assert told(server.log, "log lines are lost")[0]["file"] == str(log)
            assert "Traceback" not in server.log.read_text()
            if missing:
                folder.mkdir()
            else:
                (folder / "filler").unlink()
            reload(server)
            until(lambda: log.exists() and "log lines were lost" in log.read_text())
            (again,) = [one for one in log.read_text().splitlines() if "log lines were lost" in one]
            assert json.loads(again)["count"] == lost(server)  # whatever stands before it
        assert "stopped" in log.read_text()
    finally:
        if not missing:
            subprocess.run(["umount", str(folder)], check=True)


def test_a_server_on_a_terminal_ends_with_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*KEYSTEAD, "serve", "--data", str(data), "--listen", "localhost:0"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    server = LiveServer(data)
    server.process = process
    server.log.touch()
    server.wait()
    process.send_signal(signal.SIGHUP)  # the terminal is there: a reload
    server.client().ok("ListKeys")
    assert process.poll() is None
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # as the terminal's session is told
    assert process.wait(60) == 0
    assert not (data / "server.json").exists()


# --- where health and metrics are


def test_the_ops_port_is_kept_whatever_the_fixed_port_and_a_taken_one_stops_nothing(tmp_path: Path) -> None:
    with socket.socket() as reserved, socket.socket() as other:
        for one in (reserved, other):
            one.bind(("127.0.0.1", 0))
        usual, port = reserved.getsockname()[1], other.getsockname()[1]
        reserved.listen()
        other.close()
        program = patched(tmp_path, f"app._OPS_PORT = {usual}")
        fixed = ["--listen", f"127.0.0.1:{port}"]
        server = LiveServer(tmp_path / "data", *fixed, program=program)
        server.start()
        (warned,) = told(server.log, "health and metrics are on another port")
        assert warned["level"] == "warning"
        assert warned["ops_url"] == server.description["ops_url"] != f"http://127.0.0.1:{usual}"
        assert f"cannot listen on 127.0.0.1:{usual}" in str(warned["reason"])
        assert healthy(server)
        server.stop()
        # Where it was asked for, it is that or nothing.
        asked = ["--listen", "localhost:0", "--ops-listen", f"127.0.0.1:{usual}"]
        ended = keystead("serve", "--data", str(tmp_path / "data"), *asked)
        assert (ended.returncode, f"cannot listen on 127.0.0.1:{usual}" in ended.stderr) == (1, True)
    server.start()
    assert server.description["ops_url"] == f"http://127.0.0.1:{usual}"
    assert healthy(server)
    server.stop()
    free = LiveServer(tmp_path / "data", program=program)
    free.start()
    assert free.description["ops_url"] != f"http://127.0.0.1:{usual}"
    free.stop()


def healthy(server: LiveServer) -> bool:
    where = server.description["ops_url"].partition("://")[2]
    connection = http.client.HTTPConnection(where, timeout=30)
    connection.request("GET", "/ready")
    try:
        return connection.getresponse().status == 200
    finally:
        connection.close()


def test_a_name_that_a_rotation_has_just_allowed_is_taken(tmp_path: Path) -> None:
    config, log = tmp_path / "keystead.toml", tmp_path / "keystead.log"
    config.write_text(f'log-file = "{log}"\n')
    data = tmp_path / "data"
    with live(data, "--config", str(config)) as server:
        assert keystead("ca", "rotate", "--name", "kms2.example.org", "--data", str(data)).returncode == 0
        config.write_text(f'log-file = "{log}"\nname = ["kms2.example.org"]\n')
        reload(server)
        until(lambda: told(log, "reloaded") != [] or told(log, "not reloaded") != [])
    assert told(log, "not reloaded") == []
    assert told(log, "reloaded")[0]["names"] == ["name"]


def test_a_pair_whose_end_can_not_be_read_is_served_and_a_better_one_after_it(tmp_path: Path) -> None:
    own(tmp_path)
    plain = (tmp_path / "cert.pem").read_text()
    trusted = subprocess.run(
        ["openssl", "x509", "-trustout", "-in", str(tmp_path / "cert.pem")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "BEGIN TRUSTED CERTIFICATE" in trusted
    (tmp_path / "cert.pem").write_text(trusted)
    pair = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with live(tmp_path / "data", *pair) as server:
        first = presented(server)
        assert first.decode().splitlines()[1] in plain
        own(tmp_path)
        until(lambda: presented(server) != first)
