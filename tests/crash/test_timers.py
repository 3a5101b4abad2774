"""What a running server does by itself, in time: it expires, deletes, rotates and forgets, and renews its certificate."""

import os
import sqlite3
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509

from keystead.clock import iso8601
from keystead.crypto.authority import Authority
from keystead.domain.audit import Kind
from keystead.domain.keys.key import DAY
from keystead.server.network.certificates import LEAF_LIFETIME
from keystead.store.reader import open_reader
from tests.harness import sign_v1
from tests.live import Client, LiveServer, live
from tests.operations.test_material import wrapped

# The clock is as far off as a file says; what the server does every minute it does every second.
PROGRAM = """
import os, sys, time
from pathlib import Path
from keystead import clock
from keystead.server import app
from keystead.server.service import timers
offset = Path(os.environ["OFFSET"])
clock.SystemClock.now = lambda self: time.time() + float(offset.read_text())
timers._ROTATIONS_EVERY = timers._NONCES_EVERY = app._CERTIFICATE_EVERY = 1.0
from keystead.cli import main
sys.exit(main())
"""
KeyMetadata = dict[str, Any]


class Travelling(LiveServer):
    """A server whose clock goes forward when it is told to."""

    def __init__(self, folder: Path, *options: str) -> None:
        (folder / "clock.py").write_text(PROGRAM)
        self.offset = folder / "offset"
        super().__init__(
            folder / "data",
            *options,
            program=[sys.executable, str(folder / "clock.py")],
            env={"OFFSET": str(self.offset)},
        )
        self.go(0)

    def go(self, seconds: int) -> None:
        """To so many seconds from now."""
        new = self.offset.with_suffix(".new")
        new.write_text(str(seconds))
        os.replace(new, self.offset)

    def client(self) -> "TravellingClient":
        plain = super().client()
        plain.close()
        found = self.description
        return TravellingClient(found["url"], found["ca_file"], plain.access_key, self.offset)


class TravellingClient(Client):
    """A client with the same clock."""

    def __init__(self, url: str, ca_file: str | None, access_key: tuple[str, str], offset: Path) -> None:
        super().__init__(url, ca_file, access_key)
        self.offset = offset

    def sign(self, action: str, **parameters: str) -> str:
        now = time.time() + float(self.offset.read_text())
        signed = sign_v1(
            {"Action": action, **parameters},
            self.access_key,
            timestamp=iso8601(now),
            nonce=uuid.uuid4().hex,
        )
        return f"/?{urlencode(signed)}"


@contextmanager
def travelling(folder: Path, *options: str) -> Iterator[Travelling]:
    """A running server with such a clock, stopped at the end."""
    server = Travelling(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def within_10_seconds(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def events(server: LiveServer, key_id: str) -> list[str]:
    """What the service itself did to a key, as recorded."""
    with closing(open_reader(server.data / "keystead.db")) as reader:
        assert not [verdict.bad for verdict in reader.verify() if verdict.bad]
        found = [one for one in reader.all() if one.kind is Kind.SERVICE_EVENT and key_id in one.resources]
        return [one.action for one in found]


def shown(client: Client, key_id: str) -> KeyMetadata:
    found: KeyMetadata = client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    return found


def versions(client: Client, key_id: str) -> list[str]:
    """The versions of a key, the newest first."""
    found = client.ok("ListKeyVersions", KeyId=key_id, PageSize="100")["KeyVersions"]["KeyVersion"]
    return [one["KeyVersionId"] for one in found]


def test_imported_material_expires(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        client = server.client()
        key_id = client.ok("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        wrapping = {"WrappingKeySpec": "EC_SM2", "WrappingAlgorithm": "SM2PKE"}
        given = client.ok("GetParametersForImport", KeyId=key_id, **wrapping)
        material = {
            "KeyId": key_id,
            "ImportToken": given["ImportToken"],
            "EncryptedKeyMaterial": wrapped(given, "SM2PKE", bytes(range(32))),
        }
        client.ok("ImportKeyMaterial", **material, KeyMaterialExpireUnix="0")
        blob = client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
        expires = int(time.time()) + 2
        client.ok("ImportKeyMaterial", **material, KeyMaterialExpireUnix=str(expires))
        assert shown(client, key_id)["MaterialExpireTime"] == iso8601(expires)
        within_10_seconds(lambda: shown(client, key_id)["KeyState"] == "PendingImport")
        assert time.time() >= expires
        assert client.call("Decrypt", CiphertextBlob=blob)[1]["Code"] == "Rejected.PendingImport"
        within_10_seconds(lambda: events(server, key_id) == ["ExpireKeyMaterial"])
        client.close()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_key_is_deleted_when_its_waiting_period_is_over(tmp_path: Path, stopped: bool) -> None:
    with travelling(tmp_path, "--http") as server:
        client = server.client()
        key_ids = [client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2)]
        for key_id, days in zip(key_ids, ("7", "30"), strict=True):
            client.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=days)
        client.close()
        if stopped:
            server.stop()
        server.go(7 * DAY)
        if stopped:
            server.start()
        within_10_seconds(lambda: events(server, key_ids[0]) == ["DeleteKey"])
        client = server.client()
        assert client.call("DescribeKey", KeyId=key_ids[0])[1]["Code"] == "Forbidden.KeyNotFound"
        assert [row["KeyId"] for row in client.ok("ListKeys")["Keys"]["Key"]] == key_ids[1:]
        assert shown(client, key_ids[1])["KeyState"] == "PendingDeletion"
        assert events(server, key_ids[1]) == []
        client.close()


def test_a_key_is_rotated_once_after_a_long_stop_and_again_in_time(tmp_path: Path) -> None:
    with travelling(tmp_path, "--http") as server:
        client = server.client()
        asked = {"EnableAutomaticRotation": "true", "RotationInterval": "30d"}
        created = client.ok("CreateKey", **asked)["KeyMetadata"]
        key_id = created["KeyId"]
        blob = client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
        client.close()

        def rotated(times: int, begin: int) -> None:
            """So many times by now, the last time since `begin`."""
            within_10_seconds(lambda: len(events(server, key_id)) == times)
            time.sleep(2.5)  # in which it would be rotated again
            assert events(server, key_id) == ["RotateKey"] * times
            client = server.client()
            found, listed = shown(client, key_id), versions(client, key_id)
            assert (len(listed), listed[-1]) == (times + 1, created["PrimaryKeyVersion"])
            assert found["PrimaryKeyVersion"] == listed[0]
            moments = {iso8601(begin + second): begin + second for second in range(15)}
            assert found["NextRotationDate"] == iso8601(moments[found["LastRotationDate"]] + 30 * DAY)
            assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
            assert client.ok("Encrypt", KeyId=key_id, Plaintext="x")["KeyVersionId"] == listed[0]
            client.close()

        server.stop()
        server.go(100 * DAY)
        begin = int(time.time()) + 100 * DAY
        server.start()
        rotated(1, begin)
        begin = int(time.time()) + 131 * DAY
        server.go(131 * DAY)
        rotated(2, begin)


def test_old_nonces_are_forgotten(tmp_path: Path) -> None:
    def kept() -> int:
        with closing(
            sqlite3.connect(f"{(server.data / 'keystead.db').as_uri()}?mode=ro", uri=True)
        ) as database:
            return int(
                database.execute(
                    "SELECT (SELECT count(*) FROM nonces) + (SELECT count(*) FROM recent_nonces)"
                ).fetchone()[0]
            )

    with travelling(tmp_path, "--http") as server:
        client = server.client()
        for _ in range(3):
            client.ok("ListKeys")
        client.close()
        time.sleep(1.5)
        assert kept() == 3
        server.go(DAY)
        within_10_seconds(lambda: kept() == 0)


def presented(server: LiveServer) -> x509.Certificate:
    host, port = server.description["url"].partition("://")[2].rsplit(":", 1)
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode())


def test_a_certificate_is_renewed_in_time(tmp_path: Path) -> None:
    with travelling(tmp_path) as server:
        first = presented(server)
        server.go(LEAF_LIFETIME // 2)
        time.sleep(2.5)
        assert presented(server) == first
        server.go(LEAF_LIFETIME * 2 // 3 + DAY)
        within_10_seconds(lambda: presented(server) != first)
        assert presented(server).not_valid_after_utc > first.not_valid_after_utc
        assert presented(server).issuer == first.issuer


@pytest.mark.parametrize("front", ["yes", "no"])
def test_ones_own_certificate_is_loaded_again_when_its_files_change(front: str, tmp_path: Path) -> None:
    issuer = Authority.create(
        "test", dns=["localhost"], addresses=["127.0.0.1/32"], now=time.time(), lifetime=DAY
    )
    files = (tmp_path / "server.pem", tmp_path / "server.key")

    def issue() -> bytes:
        leaf = issuer.issue(["localhost"], ["127.0.0.1"], time.time(), DAY)
        for path, content in zip(files, (leaf.certificate_pem, leaf.key_pem), strict=True):
            path.write_bytes(content)
            path.chmod(0o600)
        return leaf.certificate_pem

    def serial(pem: bytes) -> int:
        return x509.load_pem_x509_certificate(pem).serial_number

    first = serial(issue())
    own = ("--tls-cert", str(files[0]), "--tls-key", str(files[1]), "--front-process", front)
    server = Travelling(tmp_path, *own)
    server.start()
    try:
        assert presented(server).serial_number == first
        files[1].write_bytes(b"half a key")
        within_10_seconds(lambda: "certificate not renewed" in server.log.read_text())
        assert presented(server).serial_number == first  # the old one is served on
        second = serial(issue())
        within_10_seconds(lambda: presented(server).serial_number == second)
    finally:
        server.stop()
