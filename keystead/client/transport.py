"""Sends one request and reads its answer: over HTTPS, signed, or through the control socket of a server."""

import http.client
import json
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from keystead.client.signing import sign
from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.errors import OperatorError

_SECONDS = 10


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server, how to verify it, and whom to be there. `ca_file` None means the system's CAs."""

    url: str
    ca_file: str | None
    access_key: tuple[str, str]
    security_token: str = ""


class Answer(msgspec.Struct, frozen=True):
    """Status and members of an answer, in their order."""

    status: int
    members: dict[str, Any]


def send(
    endpoint: Endpoint,
    action: str,
    version: str,
    parameters: Mapping[str, str],
    clock: Clock,
    entropy: Entropy,
) -> Answer:
    """Call an operation. OperatorError if the server can't be reached, verified or understood."""
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OperatorError(f"{endpoint.url!r} is not an endpoint", hint="write it as https://HOST:PORT")
    host = parts.netloc.rpartition("@")[2]
    query, headers = sign(
        host=host,
        action=action,
        version=version,
        parameters=parameters,
        access_key=endpoint.access_key,
        security_token=endpoint.security_token,
        now=clock.now(),
        nonce=entropy.take(16).hex(),
    )
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=endpoint.ca_file)
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
        return _exchange(connection, f"/?{query}" if query else "/", b"", headers)
    except ssl.SSLCertVerificationError as error:
        raise OperatorError(
            f"the certificate of {endpoint.url} was not accepted: {error.verify_message}",
            hint="name the server's CA certificate with --ca",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise OperatorError(
            f"cannot reach {endpoint.url}: {_reason(error)}",
            hint="check that the server runs: keystead serve",
        ) from None


def send_control(path: Path, action: str, version: str, parameters: Mapping[str, str]) -> Answer:
    """Call an operation through a control socket, as the same user on the same machine."""
    connection = _UnixConnection(path)
    body = urlencode({**parameters, "Action": action, "Version": version}).encode()
    try:
        return _exchange(
            connection, "/", body, {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
        )
    except (OSError, http.client.HTTPException) as error:
        raise OperatorError(
            f"cannot reach the server at {path}: {_reason(error)}",
            hint="run this as the user who runs the server",
        ) from None


def _exchange(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    try:
        connection.request("POST", target, body=body, headers=dict(headers))
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    try:
        members = json.loads(content)
        if not isinstance(members, dict):
            raise ValueError
    except ValueError:
        raise OperatorError(
            f"the answer is not that of a KMS (status {response.status})", hint="check the endpoint"
        ) from None
    return Answer(response.status, members)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, however long its path is."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        # A socket's path may have 107 bytes; through the directory's descriptor it is always short.
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
