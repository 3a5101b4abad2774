"""The restore drill: a large store is backed up under load, its machine is lost, and all of it is there again elsewhere."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from bench.grow import Size, build
from tests.live import KEYSTEAD, LiveServer, live, without_ours

LONG = bool(os.environ.get("TEST_EVIDENCE"))
KEYS, RECORDS = (1_000_000, 1_000_000) if LONG else (2_000, 2_000)
SECONDS = 20.0 if LONG else 2.0  # of load without a backup
BACKUPS = 3 if LONG else 1
PACE = 0.004  # seconds from one call of a client to the next: about a third of what the server could answer
CLIENTS = 2
LOOKED_AT = 2_000
_MIB = 1 << 20


class Load:
    """Clients that encrypt, each call timed; with the size of the write-ahead log."""

    def __init__(self, server: LiveServer, keys: Sequence[str]) -> None:
        self._server = server
        self._keys = keys
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._times: list[tuple[float, float]] = []
        self.blobs: list[str] = []
        self.sent = ""
        self.longest_log = 0
        self.problems: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _work(self, number: int) -> None:
        client, log = self._server.client(), self._server.data / "keystead.db-wal"
        step = number
        while not self._ending.is_set():
            step += CLIENTS
            target = client.sign("Encrypt", KeyId=self._keys[step % len(self._keys)], Plaintext="drill")
            began = time.monotonic()
            status, members = client.send(target)
            took = time.monotonic() - began
            if status != 200:
                self.problems.append(str(members))
                break
            with self._lock:
                self._times.append((began, took))
                self.longest_log = max(self.longest_log, log.stat().st_size)
                self.sent = target
                if step % 50 == number:
                    self.blobs.append(members["CiphertextBlob"])
            self._ending.wait(max(0.0, PACE - took))
        client.close()

    def p99(self, since: float, until: float) -> float:
        """Of the calls that began in this time, in seconds."""
        with self._lock:
            found = sorted(took for began, took in self._times if since <= began < until)
        return found[len(found) * 99 // 100]

    def p99_of(self, seconds: float) -> float:
        """Of the calls of so many seconds from now on."""
        since = time.monotonic()
        time.sleep(seconds)
        return self.p99(since, time.monotonic())

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        assert self.problems == []


def timed(*words: str) -> "tuple[subprocess.CompletedProcess[str], float]":
    """A command that takes of the processors what others leave over, as the service runs it, and how long it took."""
    began = time.monotonic()
    told = subprocess.run(
        ["chrt", "--idle", "0", *KEYSTEAD, *words],
        capture_output=True,
        text=True,
        env=without_ours(),
        timeout=3600,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told, time.monotonic() - began


@pytest.mark.crash
@pytest.mark.alone
def test_a_large_store_is_backed_up_under_load_lost_and_restored(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = build(data, Size(KEYS, RECORDS))
    figures: dict[str, float] = {"keys": KEYS, "records": RECORDS}
    with live(data) as server:
        load = Load(server, keys[:LOOKED_AT])
        time.sleep(2.0)  # what is read for the first time takes longer
        # By turns, and once more at the end: what else the machine does must not count as the backup's.
        without, beside, took = [load.p99_of(SECONDS)], list[float](), list[float]()
        made: list[Path] = []
        figures["log before"] = load.longest_log / _MIB
        for _ in range(BACKUPS):
            began = time.monotonic()
            told, seconds = timed("backup", f"{tmp_path}/backups/", "--data", str(data))
            beside.append(load.p99(began, time.monotonic()))
            without.append(load.p99_of(SECONDS))
            took.append(seconds)
            made.append(Path(told.stdout.strip()))
        load.stop()
        figures["backup"] = median(took)
        figures["log, at most"] = load.longest_log / _MIB
        figures["p99 without, ms"] = median(without) * 1e3
        figures["p99 beside, ms"] = median(beside) * 1e3
    backup, (blobs, sent) = made[-1], (load.blobs, load.sent)
    figures["database, MiB"] = (data / "keystead.db").stat().st_size / _MIB
    figures["file, MiB"] = backup.stat().st_size / _MIB
    access_key, root_key = tmp_path / "root-access-key.json", tmp_path / "root.key"
    for kept in (access_key, root_key):
        shutil.copy(data / kept.name, kept)
    with closing(sqlite3.connect(data / "keystead.db")) as connection:
        ids = {row[0] for row in connection.execute("SELECT key_id FROM keys")}
    _, figures["verify"] = timed("backup", "verify", str(backup), "--data", str(data))
    shutil.rmtree(data)

    restored = tmp_path / "restored"
    _, figures["restore"] = timed(
        "restore", str(backup), "--data", str(restored), "--root-key", str(root_key)
    )
    sys.stderr.write(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=1) + "\n")
    shutil.copy(access_key, restored)
    with closing(sqlite3.connect(restored / "keystead.db")) as connection:
        assert ids == {row[0] for row in connection.execute("SELECT key_id FROM keys")}
    with live(restored) as server:
        client = server.client()
        status, members = client.send(sent)
        assert (status, members["Code"]) == (400, "InvalidTimeStamp.Expired")
        for key in keys[:LOOKED_AT]:
            client.ok("DescribeKey", KeyId=key)
        for blob in blobs:
            assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "drill"
        client.close()
    assert figures["log, at most"] < 128
    if LONG:  # of two seconds beside a whole test suite, nothing can be said
        assert figures["p99 beside, ms"] < 1.5 * figures["p99 without, ms"]
