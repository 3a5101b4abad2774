"""Sends requests and reads their answers: over HTTPS, signed, or through the control socket of a server."""

import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from keystead import __version__, variables
from keystead.client.signing import sign
from keystead.clock import Clock
from keystead.entropy import Entropy
from keystead.errors import OperatorError, Unreachable
from keystead.portable import socket_path

# A header of answers on the control socket: what a command did to the server's CAs is not served yet.
NOT_SERVED = ("x-keystead-served", "no")
_SECONDS = 10
_TRY_SECONDS = 3  # for a connection, where there is another server to try
_PROBE_SECONDS = 2
_ANSWER_BYTES = 1 << 20  # far more than any answer has


class Address(NamedTuple):
    """Where an endpoint's URL points to. `netloc` is the host as it is signed: with its port, unless the URL has none."""

    tls: bool
    host: str
    port: int | None
    netloc: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """The parts of a URL; OperatorError unless it is `http[s]://HOST[:PORT]`, with a slash at most after it."""
        # What stands before an @ may be a password, so such a URL is not shown.
        shown = "what was given" if "@" in url else repr(url)
        problem = OperatorError(
            f"{shown} is not an endpoint", hint="write it as https://HOST:PORT, in ASCII letters"
        )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise problem from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.netloc.isascii():
            raise problem
        if "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise problem
        if not parts.netloc.isprintable() or " " in parts.netloc or port == 0:
            raise problem
        return cls(
            tls=parts.scheme == "https",
            host=parts.hostname,
            port=port,
            netloc=parts.netloc.removesuffix(":"),
        )


def urls_of(text: str) -> tuple[str, ...]:
    """The endpoints that a text names, by commas, each once; OperatorError if one of them is none, as of `Address.of`."""
    # A comma may be part of a password, which no endpoint has, and which is not to be shown.
    several = [] if "@" in text else [url for url in re.split(r"\s*,\s*", text) if url]
    found = several or [text]
    for url in found:
        Address.of(url)
    return tuple(dict.fromkeys(url.removesuffix("/") for url in found))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Endpoint(NamedTuple):
    """A server, how to verify it, and whom to be there. `ca_file` None means the system's CAs. `url` may be several, as of
    `urls_of`, of one service: the first that answers is called."""

    url: str
    ca_file: str | None
    access_key: tuple[str, str]
    security_token: str = ""

    def __repr__(self) -> str:
        return f"<Endpoint {self.url}>"


class Answer(NamedTuple):
    """Status and members of an answer, in their order; `date` is its Date header, and `served` whether a server's CAs are
    served as a command left them."""

    status: int
    members: dict[str, Any]
    date: str = ""
    served: bool = True


class NoKms(OperatorError):
    """An answer came, with this HTTP status, and is not that of a KMS."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer is not that of a KMS (status {status})", hint="check the endpoint")
        self.status = status


class Session:
    """Calls to one server over one connection, kept alive between them; a context manager.

    Where the endpoint has several addresses, the next is called when one can't be reached or verified, or answers 503, and
    from then on until that is so again. What was sent, and was not answered, is not sent to another.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, entropy: Entropy, command: str) -> None:
        """`command` is what calls, as the server's records show it: fixed words, nothing that a user gave."""
        self._endpoint = endpoint
        self._clock = clock
        self._entropy = entropy
        self._user_agent = user_agent(command)
        self._connection: http.client.HTTPConnection | None = None
        self._place = 0  # of the address that is called

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, action: str, version: str, parameters: Mapping[str, str]) -> Answer:
        """Call an operation. OperatorError if the server can't be reached, verified or understood.

        That the server ended the connection since the last call shows only when the next is sent, and not whether that
        one was still carried out. It is sent once more, signed anew: a session is for calls that may run twice.
        """
        urls = urls_of(self._endpoint.url)
        _check_access_key(self._endpoint)
        failed: list[OperatorError] = []
        refused: Answer | NoKms | None = None
        for _ in urls:
            try:
                answer = self._call(urls, action, version, parameters)
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                refused = answer
            except _NotSent as problem:
                failed.append(problem.cause)
            except NoKms as problem:
                if problem.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                refused = problem
            if len(urls) > 1:
                self.close()
                self._place = (self._place + 1) % len(urls)
        if isinstance(refused, NoKms):
            raise refused
        if refused is not None:
            return refused
        raise _none_of(failed) from None

    @property
    def url(self) -> str:
        """The address that is called; OperatorError if it is none, as of `Address.of`."""
        return urls_of(self._endpoint.url)[self._place]

    def _call(
        self, urls: tuple[str, ...], action: str, version: str, parameters: Mapping[str, str]
    ) -> Answer:
        """Call the server whose turn it is; _NotSent if it can't be reached or verified."""
        url = urls[self._place]
        address = Address.of(url)
        while True:
            used = self._connection is not None and self._connection.sock is not None
            if not used:
                self._connection = _connected(url, self._endpoint.ca_file, alone=len(urls) == 1)
            try:
                return self._exchange(address, action, version, parameters)
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                self.close()
                if not (used and isinstance(error, ConnectionError | http.client.BadStatusLine)):
                    raise _unreachable(url, error) from None

    def _exchange(self, address: Address, action: str, version: str, parameters: Mapping[str, str]) -> Answer:
        query, headers = sign(
            host=address.netloc,
            action=action,
            version=version,
            parameters=parameters,
            access_key=self._endpoint.access_key,
            security_token=self._endpoint.security_token,
            now=self._clock.now(),
            nonce=self._entropy.take(16).hex(),
        )
        assert self._connection is not None
        headers["user-agent"] = self._user_agent
        return _exchange(self._connection, f"/?{query}" if query else "/", b"", headers)


def user_agent(command: str) -> str:
    """The User-Agent of a command, as in `keystead/1.0 kms Encrypt`."""
    return f"keystead/{__version__} {command}".rstrip()


class _NotSent(Exception):
    """Why nothing was sent to a server."""

    def __init__(self, cause: OperatorError) -> None:
        super().__init__(cause.message)
        self.cause = cause


def _connected(url: str, ca_file: str | None, *, alone: bool) -> http.client.HTTPConnection:
    """A connection to a server; _NotSent if there is none to be had."""
    address, seconds = Address.of(url), _SECONDS if alone else _TRY_SECONDS
    connection = http.client.HTTPConnection(address.host, address.port, timeout=seconds)
    if address.tls:
        context = trust(ca_file)
        connection = http.client.HTTPSConnection(address.host, address.port, timeout=seconds, context=context)
    try:
        connection.connect()
        connection.sock.settimeout(_SECONDS)
    except ssl.SSLCertVerificationError as error:
        connection.close()
        cause = OperatorError(
            f"the certificate of {url} was not accepted: {error.verify_message}",
            hint="name the server's CA certificate with --ca",
        )
        raise _NotSent(cause) from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        connection.close()
        raise _NotSent(_unreachable(url, error)) from None
    return connection


def _unreachable(url: str, error: Exception) -> Unreachable:
    return Unreachable(f"cannot reach {url}: {reason(error)}", hint=remedy(Address.of(url), error))


def _none_of(failed: list[OperatorError]) -> OperatorError:
    """What is told of several servers of which nothing was sent to any."""
    if len(failed) == 1:
        return failed[0]
    told = "; ".join(one.message for one in failed)
    return Unreachable(f"none of {len(failed)} servers: {told}", hint=failed[0].hint)


def _check_access_key(endpoint: Endpoint) -> None:
    # They become header lines; a line break that a shell or an editor left would break these.
    for name, value in (
        ("AccessKey id", endpoint.access_key[0]),
        ("security token", endpoint.security_token),
    ):
        if not (value.isascii() and value.isprintable()):
            raise OperatorError(
                f"the {name} holds a character that it cannot have",
                hint="check the environment for line breaks and spaces",
            )


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Verify as one who trusts the CAs in the file, or the system's; OperatorError if it can't be read."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError, for what is no certificate, is one too
        why = "it is no PEM certificate" if isinstance(error, ssl.SSLError) else reason(error)
        named = variables.CA_FILE if os.environ.get(variables.CA_FILE) == ca_file else "--ca"
        raise OperatorError(
            f"cannot read the CA certificate {ca_file}: {why}", hint=f"check {named}"
        ) from None


def send_control(
    path: Path, action: str, version: str, parameters: Mapping[str, str], command: str, unsure: str
) -> Answer:
    """Call an operation through a control socket, as the same user on the same machine.

    `unsure` is what to do where no answer comes: it may have been carried out all the same.
    """
    connection = _UnixConnection(path)
    body = urlencode({**parameters, "Action": action, "Version": version}).encode()
    headers = {
        "host": "localhost",
        "content-type": "application/x-www-form-urlencoded",
        "user-agent": user_agent(command),
    }
    try:
        return _exchange(connection, "/", body, headers)
    except TimeoutError:
        raise Unreachable(
            f"the server on {path.parent} has not answered within {_SECONDS} s", hint=unsure
        ) from None
    except (OSError, http.client.HTTPException):
        raise Unreachable(
            f"the server on {path.parent} ended the connection without an answer", hint=unsure
        ) from None
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    connection.request("POST", target, body=body, headers=dict(headers))
    response = connection.getresponse()
    content = response.read(_ANSWER_BYTES)
    if not response.isclosed():
        connection.close()
    try:
        members = json.loads(content)
        if not isinstance(members, dict) or (response.status >= 300 and "Code" not in members):
            raise ValueError
    except (ValueError, RecursionError):
        raise NoKms(response.status) from None
    name, told = NOT_SERVED
    served = response.headers.get(name) != told
    return Answer(response.status, members, response.headers.get("Date", ""), served)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, however long its path is."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        folder = self._path.parent
        try:
            with socket_path(self._path) as path:
                self.sock.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            raise Unreachable(
                f"the server on {folder} is still starting, or stopping", hint="try again in a moment"
            ) from None
        except (BlockingIOError, TimeoutError):  # so many wait that no more may
            raise Unreachable(
                f"the server on {folder} takes no connection", hint="nothing was asked of it; try again later"
            ) from None
        except OSError as error:
            raise OperatorError(
                f"cannot reach the server at {self._path}: {reason(error)}",
                hint="run this as the user who runs the server",
            ) from None


def reason(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, TimeoutError) and not error.strerror:  # TLS puts a place in its own code before it
        return "timed out"
    if _is_plain(error):
        return "it does not speak TLS"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def remedy(address: Address, error: Exception) -> str:
    """What to do where a server can't be reached. It may be asked whether it speaks TLS; nothing is sent to it."""
    if isinstance(error, socket.gaierror):
        return f"check how {address.host} is spelt, and the name service of this machine"
    if _is_plain(error):
        return f"if it serves plain HTTP, write http://{address.netloc}"
    ended = isinstance(error, http.client.BadStatusLine | ConnectionResetError | BrokenPipeError)
    if not address.tls and ended and _speaks_tls(address):
        return f"it speaks HTTPS: write https://{address.netloc}"
    return "check that a server runs there, and the network between"


def _is_plain(error: Exception) -> bool:
    """Whether a TLS handshake was answered with something else."""
    return isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER"


def _speaks_tls(address: Address) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whoever it is: nothing is sent
    try:
        with (
            socket.create_connection((address.host, address.port or 80), _PROBE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address.host),
        ):
            return True
    except (OSError, ValueError):
        return False
