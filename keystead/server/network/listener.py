"""Listening sockets and TLS contexts."""

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from keystead.client.transport import is_loopback as is_loopback
from keystead.clock import Clock
from keystead.errors import OperatorError, WrongSetting
from keystead.portable import file_with, socket_path


class Named(NamedTuple):
    """A certificate chain and its private key, for clients that ask for one of these host names."""

    hosts: tuple[str, ...]
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "<Named>"


class Pem(NamedTuple):
    """A certificate chain and its private key, and what is served instead to clients that ask for some names."""

    certificate: bytes
    key: bytes
    named: tuple[Named, ...] = ()

    def __repr__(self) -> str:
        return "<Pem>"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[::1]:PORT` too; WrongSetting for anything else."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise WrongSetting(
            f"{text!r} is not an address", hint="write it as HOST:PORT, for example localhost:8443"
        )
    return host, int(port)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on the address; `localhost` is 127.0.0.1 and, where there is one, ::1 on the same port.

    Port 0 takes a free one. OperatorError names the address and why it can't be had.
    """
    wanted = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    sockets: list[socket.socket] = []
    for one in wanted:
        try:
            sockets.append(_listen(one, port))
        except OSError as error:
            if host == "localhost" and sockets:
                break  # a machine without IPv6
            for opened in sockets:
                opened.close()
            raise _refused(host, port, error) from None
        port = port or sockets[0].getsockname()[1]
    return sockets


async def listen_within(seconds: float, host: str, port: int, clock: Clock) -> list[socket.socket]:
    """As `listen`, where whoever has the address now may let it go within so many seconds."""
    deadline = clock.monotonic() + seconds
    while True:
        try:
            return listen(host, port)
        except OperatorError:
            if clock.monotonic() >= deadline:
                raise
        await asyncio.sleep(0.02)


def listen_control(path: Path) -> socket.socket:
    """A Unix socket at this path, for its owner alone; what lies there was left by a server that was killed."""
    with suppress(FileNotFoundError):
        path.unlink()
    # The umask of the process is its own affair; the directory (0700) and this mode keep others out.
    control = socket.socket(socket.AF_UNIX)
    previous = os.umask(0o177)
    try:
        with socket_path(path) as short:
            control.bind(short)
    finally:
        os.umask(previous)
    return control


def url_of(scheme: str, host: str, port: int, name: str = "") -> str:
    """Where clients on this machine find what listens there; `name`: a host name that goes before the address."""
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        shown = "localhost"
    return f"{scheme}://{name or shown}:{port}"


def check(host: str, port: int) -> None:
    """OperatorError if this machine or this user can't have the address, whoever has the port now."""
    try:
        _bound("127.0.0.1" if host == "localhost" else host, port).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise _refused(host, port, error) from None


def _refused(host: str, port: int, error: OSError) -> OperatorError:
    return OperatorError(
        f"cannot listen on {host}:{port}: {error.strerror or error}",
        hint="another program may use this port; choose another one with --listen or --ops-listen",
    )


def _listen(address: str, port: int) -> socket.socket:
    listener = _bound(address, port)
    try:
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _bound(address: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
    except OSError:
        listener.close()
        raise
    return listener


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with forward secrecy and AEAD ciphers only; without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def load_certificate(context: ssl.SSLContext, pem: Pem | Named) -> None:
    """Serve this certificate from now on. The key touches no disk where the system has files in memory.

    ValueError or OSError (ssl.SSLError is one) if they are not PEM, do not belong together, or the key is encrypted.
    """
    if isinstance(pem, Pem):
        contexts = {host: _context_of(named) for named in pem.named for host in named.hosts}

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None and (other := contexts.get(name.lower())) is not None:
                connection.context = other

        context.sni_callback = choose if contexts else None
    with file_with(pem.certificate) as certificate, file_with(pem.key) as key:
        context.load_cert_chain(certificate, key, password=_no_password)


def _context_of(named: Named) -> ssl.SSLContext:
    context = server_context()
    load_certificate(context, named)
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
