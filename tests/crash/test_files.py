"""The database deleted, replaced, overwritten or without space under a running server; locks and killed servers."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Client, LiveServer, keystead, live, needs


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live(tmp_path / "data") as running:
        yield running


def refused(client: Client) -> bool:
    status, members = client.call("CreateKey")
    assert status in (200, 503)
    if status == 503:
        assert members["Code"] == "ServiceUnavailableTemporary"
    return status == 503


def ready(server: LiveServer) -> tuple[int, bytes]:
    host = server.description["ops_url"].partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request("GET", "/ready")
    response = connection.getresponse()
    return response.status, response.read()


def eventually(check: object, seconds: float = 5) -> None:
    assert callable(check)
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["keystead.db", "keystead.db-wal"])
def test_a_deleted_file_stops_every_answer(server: LiveServer, name: str) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    (server.data / name).unlink()
    assert refused(client)
    assert client.call("Encrypt", KeyId=key_id, Plaintext="x")[0] == 503
    assert ready(server)[0] == 503
    assert b"deleted" in ready(server)[1]


def test_a_replaced_database_stops_every_answer_until_it_is_back(server: LiveServer) -> None:
    client = server.client()
    client.ok("CreateKey")
    database = server.data / "keystead.db"
    database.rename(server.data / "aside")
    shutil.copy(server.data / "aside", database)
    assert refused(client)
    (server.data / "aside").rename(database)
    assert not refused(client)


def test_an_overwritten_database_stops_every_answer(server: LiveServer) -> None:
    client = server.client()
    client.ok("CreateKey")
    with (server.data / "keystead.db").open("ab") as file:
        file.write(b"x" * 4096)
    assert refused(client)


def test_a_full_disk_refuses_and_heals(tmp_path: Path) -> None:
    needs("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("mounting a small file system needs root")
    try:
        with live(disk / "data") as server:
            client = server.client()
            kept = []
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * 1_000_000)
            while True:
                status, members = client.call("CreateKey", Description="d" * 8000)
                if status == 503:
                    break
                kept.append(members["KeyMetadata"]["KeyId"])
                assert len(kept) < 2000
            assert kept
            assert ready(server)[0] == 503
            ballast.unlink()
            eventually(lambda: not refused(client))
            for key_id in kept:
                client.ok("DescribeKey", KeyId=key_id)
            eventually(lambda: ready(server)[0] == 200)
            assert keystead("audit", "verify", "--data", str(server.data)).returncode == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_second_server_is_kept_out(server: LiveServer) -> None:
    second = keystead("serve", "--data", str(server.data), "--listen", "localhost:0")
    assert second.returncode == 1
    assert f"another server holds {server.data} (pid {server.description['pid']}" in second.stderr
    assert "hint:" in second.stderr
    server.client().ok("ListKeys")


def test_a_killed_servers_lock_is_free_and_its_socket_and_description_are_taken_over(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    key_id = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
    server.kill()
    assert (server.data / "server.json").exists()
    told = keystead("run", "--data", str(server.data), "--", "true")
    assert (told.returncode, "keystead serve" in told.stderr) == (125, True)
    server.start()
    server.client().ok("DescribeKey", KeyId=key_id)
    assert server.stop() == 0
    assert not (server.data / "server.json").exists()


def test_a_child_that_outlives_its_parent_holds_no_lock(tmp_path: Path) -> None:
    program = tmp_path / "forker.py"
    program.write_text(
        "import os, sys, time\n"
        "from keystead.server.data.directory import DataDirectory\n"
        "d = DataDirectory(sys.argv[1]); d.prepare(); d.lock()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.close(1); os.close(2); time.sleep(30); os._exit(0)\n"
        "print(pid, flush=True); os._exit(0)\n"
    )
    data = tmp_path / "data"
    forked = subprocess.run(
        [sys.executable, str(program), str(data)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=10,
    )
    child = int(forked.stdout)
    try:
        os.kill(child, 0)
        with live(data) as server:
            server.client().ok("ListKeys")
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_stop_finishes_what_was_accepted(server: LiveServer) -> None:
    clients = [server.client() for _ in range(8)]
    for client in clients:
        client._connection.connect()
    for client in clients:
        client._connection.request("POST", client.sign("CreateKey"))
    time.sleep(0.2)
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert [client._connection.getresponse().status for client in clients] == [200] * 8
    assert server.process.wait(10) == 0


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: (data / "root.key").unlink(), "root key file"),
        (lambda data: (data / "root.key").write_bytes(b"x"), "damaged or truncated"),
        (lambda data: (data / "root.key").chmod(0o644), "open to other users"),
        (lambda data: (data / "keystead.db").write_bytes(b"x" * 8192), "damaged"),
        (lambda data: (data / "keystead.db").unlink(), "is missing, although"),
    ],
)
def test_a_damaged_directory_is_told_at_the_start(tmp_path: Path, damage: object, told: str) -> None:
    data = tmp_path / "data"
    with live(data):
        pass
    assert callable(damage)
    damage(data)
    ended = keystead("serve", "--data", str(data), "--listen", "localhost:0")
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_root_key_is_told(tmp_path: Path) -> None:
    for name in ("one", "other"):
        with live(tmp_path / name):
            pass
    shutil.copy(tmp_path / "one" / "root.key", tmp_path / "other" / "root.key")
    ended = keystead("serve", "--data", str(tmp_path / "other"), "--listen", "localhost:0")
    assert ended.returncode == 1
    assert "this data was sealed under another root key" in ended.stderr


def test_a_port_in_use_is_told(server: LiveServer, tmp_path: Path) -> None:
    port = server.description["url"].rpartition(":")[2]
    ended = keystead("serve", "--data", str(tmp_path / "other"), "--listen", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    ended = keystead("serve", "--data", str(tmp_path / "other"), "--listen", "0.0.0.0:0", "--http")
    assert "plain HTTP on 0.0.0.0" in ended.stderr


def test_an_empty_database_where_there_was_one_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data) as server:
        server.client().ok("CreateKey")
    access_key = (data / "root-access-key.json").read_bytes()
    (data / "keystead.db").write_bytes(b"")  # as when the main file alone of a young one was copied
    for left in data.glob("keystead.db-*"):
        left.unlink()
    told = keystead("serve", "--data", str(data), "--listen", "localhost:0")
    assert (told.returncode, "is empty, although this data directory had one with keys" in told.stderr) == (
        1,
        True,
    )
    assert (data / "root-access-key.json").read_bytes() == access_key
    (data / "ca.pem").unlink()
    with live(data):
        assert (data / "root-access-key.json.before").read_bytes() == access_key
        assert (data / "root-access-key.json").read_bytes() != access_key


def test_a_data_directory_without_a_name_is_refused(tmp_path: Path) -> None:
    told = keystead("serve", "--data", "", "--listen", "localhost:0", cwd=tmp_path)
    assert (told.returncode, "the data directory has no name" in told.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
