"""The servers of a run, each started on a directory of its own, with what one round on them sends."""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.load import LoadFailed, Signer, Traffic, request
from bench.process import running
from keystead.crypto.authority import Authority

PLAINTEXT = base64.b64encode(bytes(range(256)) * 4).decode()  # 1 KB
DIGEST = base64.b64encode(bytes(range(32))).decode()
KEYSTEAD = (sys.executable, "-m", "keystead")
_START = 30.0  # seconds
_AWS = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0"
)


class Subject(NamedTuple):
    """One thing that is measured: where it is, and its traffic (count of requests, whether each closes its connection)."""

    name: str
    url: str
    pid: int
    traffic: Callable[[int, bool], Traffic]


class Https:
    """One client connection; certificates are not checked, as wrk does not."""

    def __init__(self, url: str) -> None:
        host, _, port = url.partition("://")[2].rpartition(":")
        self._connection: http.client.HTTPConnection
        if url.startswith("https"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, int(port), timeout=10)

    def __enter__(self) -> "Https":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The members of a good answer; LoadFailed with the answer if it is not one."""
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise LoadFailed(f"{method} {path.partition('?')[0]}: {response.status} {text[:300]}")
        found = json.loads(text) if text else {}
        assert isinstance(found, dict)
        return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    assert isinstance(port, int)
    return port


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Try until it succeeds; LoadFailed if the process ends or takes too long."""
    deadline = time.monotonic() + _START
    while True:
        try:
            what()
        except (OSError, ValueError, KeyError, http.client.HTTPException, LoadFailed) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LoadFailed(f"{process.args!r} does not answer: {error}") from error
            time.sleep(0.02)
        else:
            return


def certificate(folder: Path) -> tuple[str, str]:
    """Files with a P-256 certificate for this machine and its key, as Keystead's own is."""
    authority = Authority.create(
        "bench", dns=["localhost"], addresses=["127.0.0.1/32"], now=time.time(), lifetime=86400
    )
    leaf = authority.issue(["localhost"], ["127.0.0.1"], time.time(), 86400)
    (folder / "server.pem").write_bytes(leaf.certificate_pem)
    (folder / "server.key").write_bytes(leaf.key_pem)
    return str(folder / "server.pem"), str(folder / "server.key")


# --- Keystead


class Keystead(NamedTuple):
    """A running Keystead."""

    url: str
    pid: int
    signer: Signer

    def call(self, action: str, **parameters: str) -> dict[str, Any]:
        """One call on a connection of its own."""
        with Https(self.url) as client:
            return client.send("POST", self.signer.target({"Action": action, **parameters}))


@contextmanager
def keystead(data: Path, program: Sequence[str] = KEYSTEAD) -> Iterator[Keystead]:
    """Keystead on a data directory, with its defaults; `program` runs it."""
    command = [*program, "serve", "--data", str(data), "--listen", "localhost:0"]
    with running(command, data.parent / f"{data.name}.log") as process:
        yield await_keystead(data, process)


def await_keystead(data: Path, process: "subprocess.Popen[str]") -> Keystead:
    """The server as soon as it says that it accepts requests."""
    described: dict[str, Any] = {}

    def look() -> None:
        described.update(json.loads((data / "server.json").read_text()))
        if described["pid"] != process.pid:
            raise LoadFailed("server.json is of another process")

    wait_for(look, process)
    key = json.loads((data / "root-access-key.json").read_text())
    url = str(described["url"]).replace("localhost", "127.0.0.1")
    return Keystead(url, process.pid, Signer((key["AccessKeyId"], key["AccessKeySecret"])))


def keystead_subjects(server: Keystead) -> Iterator[Subject]:
    """Encrypt, Decrypt and GenerateDataKey under one key, CreateKey, and Sign under two others."""
    key_id = server.call("CreateKey")["KeyMetadata"]["KeyId"]
    blob = server.call("Encrypt", KeyId=key_id, Plaintext=PLAINTEXT)["CiphertextBlob"]
    for action, parameters in (
        ("Encrypt", {"KeyId": key_id, "Plaintext": PLAINTEXT}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": key_id}),
        ("CreateKey", {}),
    ):
        yield Subject(f"Keystead {action}", server.url, server.pid, signed(server.signer, action, parameters))
    yield sign_subject(server, "RSA_2048", "RSA_PSS_SHA_256")
    yield sign_subject(server, "EC_P256", "ECDSA_SHA_256")


def sign_subject(server: Keystead, spec: str, algorithm: str) -> Subject:
    """AsymmetricSign under a new key."""
    key_id = server.call("CreateKey", KeySpec=spec, KeyUsage="SIGN/VERIFY")["KeyMetadata"]["KeyId"]
    version = server.call("ListKeyVersions", KeyId=key_id)["KeyVersions"]["KeyVersion"][0]
    parameters = {
        "KeyId": key_id,
        "KeyVersionId": version["KeyVersionId"],
        "Algorithm": algorithm,
        "Digest": DIGEST,
    }
    traffic = signed(server.signer, "AsymmetricSign", parameters)
    return Subject(f"Keystead Sign {spec}", server.url, server.pid, traffic)


def signed(signer: Signer, action: str, parameters: dict[str, str]) -> Callable[[int, bool], Traffic]:
    """The traffic of a call."""
    return lambda count, close: signer.traffic({"Action": action, **parameters}, count, close=close)


def size_of(subject: Subject) -> int:
    """How long the body of its answer is."""
    traffic = subject.traffic(1, False)
    pieces = traffic.template.decode().split("\0")
    for number, field in enumerate(traffic.fields[0].split(" ")):
        pieces[number] += field
    path = "".join(pieces).split(" ")[1]
    with Https(subject.url) as client:
        return len(json.dumps(client.send("POST", path), separators=(",", ":")))


# --- the floor


@contextmanager
def floor(folder: Path, encrypt: Subject, size: int) -> Iterator[Subject]:
    """The bare server, sent what Encrypt is sent, answering as many bytes as Encrypt does."""
    command = [sys.executable, "-m", "bench.floor", *certificate(folder), str(size)]
    with running(command, folder / "floor.log", read=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise LoadFailed(f"the floor did not start: {(folder / 'floor.log').read_text()[-500:]}")

        def traffic(count: int, close: bool) -> Traffic:
            return encrypt.traffic(count, close)._replace(again=True)

        yield Subject("floor", f"https://127.0.0.1:{port}", process.pid, traffic)


# --- OpenBao

_BAO = """
storage "raft" {{
  path = "{folder}/raft"
  node_id = "bench"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
}}
audit "file" "bench" {{
  options {{
    file_path = "{folder}/audit.log"
  }}
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
disable_mlock = true
log_level = "warn"
"""


@contextmanager
def openbao(program: Path, folder: Path) -> Iterator[list[Subject]]:
    """OpenBao with TLS, raft storage and a file audit device: encrypt, decrypt, datakey and sign of its transit engine."""
    (folder / "raft").mkdir(parents=True)
    port = free_port()
    names = certificate(folder)
    config = folder / "bao.hcl"
    config.write_text(
        _BAO.format(folder=folder, port=port, cluster=free_port(), certificate=names[0], key=names[1])
    )
    url = f"https://127.0.0.1:{port}"
    with running([str(program), "server", f"-config={config}"], folder / "bao.log") as process:
        found: dict[str, Any] = {}

        def send(method: str, path: str, body: dict[str, object]) -> dict[str, Any]:
            with Https(url) as client:
                token = {"X-Vault-Token": str(found.get("root_token", ""))}
                return client.send(method, f"/v1/{path}", json.dumps(body), token)

        def initialize() -> None:
            if not found:
                found.update(send("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}))
            send("PUT", "sys/unseal", {"key": found["keys"][0]})

        wait_for(initialize, process)
        wait_for(lambda: send("POST", "sys/mounts/transit", {"type": "transit"}), process)
        wait_for(lambda: send("POST", "transit/keys/bench", {}), process)
        sealed = send("POST", "transit/encrypt/bench", {"plaintext": PLAINTEXT})["data"]["ciphertext"]
        for name in ("rsa-2048", "ecdsa-p256"):
            send("POST", f"transit/keys/{name}", {"type": name})
        headers = {"X-Vault-Token": str(found["root_token"])}
        digest = {"input": DIGEST, "prehashed": True, "hash_algorithm": "sha2-256"}
        yield [
            Subject(f"OpenBao {name}", url, process.pid, _constant(path, json.dumps(body), headers))
            for name, path, body in (
                ("encrypt", "/v1/transit/encrypt/bench", {"plaintext": PLAINTEXT}),
                ("decrypt", "/v1/transit/decrypt/bench", {"ciphertext": sealed}),
                ("datakey", "/v1/transit/datakey/plaintext/bench", {"bits": 256}),
                ("sign rsa-2048", "/v1/transit/sign/rsa-2048", {**digest, "signature_algorithm": "pss"}),
                ("sign ecdsa-p256", "/v1/transit/sign/ecdsa-p256", digest),
            )
        ]


def _constant(path: str, body: str, headers: dict[str, str]) -> Callable[[int, bool], Traffic]:
    return lambda _, close: Traffic(request(path, body, headers, close=close))


# --- moto


@contextmanager
def moto(program: Path, folder: Path) -> Iterator[list[Subject]]:
    """moto's KMS, plain HTTP; it ends the connection after each answer."""
    folder.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([str(program), "-H", "127.0.0.1", "-p", str(port)], folder / "moto.log") as process:

        def headers(action: str) -> dict[str, str]:
            return {
                "Authorization": _AWS,
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"TrentService.{action}",
            }

        created: dict[str, Any] = {}

        def create() -> None:
            with Https(url) as client:
                created.update(client.send("POST", "/", "{}", headers("CreateKey")))

        wait_for(create, process)
        body = json.dumps({"KeyId": created["KeyMetadata"]["KeyId"], "Plaintext": PLAINTEXT})
        yield [Subject("moto Encrypt", url, process.pid, _constant("/", body, headers("Encrypt")))]
        with contextlib.suppress(OSError):
            os.truncate(folder / "moto.log", 0)
