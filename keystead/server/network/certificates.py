"""The server's certificate: from its own CA, renewed before it expires, or the operator's own files.

Both have `renewed`, to be asked at the start and now and then: the certificate to serve from now on, or None if it has not
changed since it was last asked.
"""

import base64
import ipaddress
import os
import socket
import stat
from pathlib import Path

import msgspec

from keystead.clock import Clock
from keystead.crypto.authority import Authority
from keystead.crypto.vault import Vault
from keystead.domain.keys.key import DAY, Wrapped
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.network.listener import Pem, load_certificate, server_context

AUTHORITY_LIFETIME = 3650 * DAY
LEAF_LIFETIME = 90 * DAY
_PURPOSE = "certificate authority"


class Names(msgspec.Struct, frozen=True):
    """What the certificate is for, sorted: host names and addresses."""

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The CA as it lies in the data directory; its private key is wrapped."""

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]
    expires: int
    certificate: str
    generation: int
    key: str

    def serves(self, names: Names) -> bool:
        """Whether it is constrained to exactly these names."""
        return (self.hosts, self.addresses) == (names.hosts, names.addresses)


def names_for(host: str, more: tuple[str, ...]) -> Names:
    """The names of a server that listens on `host` and is reached by `more` too."""
    hosts: set[str] = set()
    addresses: set[str] = set()
    wanted = [host, *more]
    if host in ("localhost", "127.0.0.1", "::1"):
        wanted += ["localhost", "127.0.0.1", "::1"]
    elif host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        wanted = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *more]
    for name in wanted:
        try:
            addresses.add(str(ipaddress.ip_address(name)))
        except ValueError:
            if not _proper(name):
                raise OperatorError(
                    f"{name!r} is neither a host name nor an IP address", hint="check --name"
                ) from None
            hosts.add(name.lower())
    return Names(tuple(sorted(hosts)), tuple(sorted(addresses)))


def own_authority(
    directory: DataDirectory, vault: Vault, names: Names, clock: Clock
) -> tuple[Authority, bool]:
    """The CA of the data directory, and whether it was made just now.

    It is made anew when the names changed, since it is constrained to exactly them, or when it is about to expire.
    """
    now = int(clock.now())
    try:
        kept = msgspec.json.decode(directory.authority.read_bytes(), type=_Kept)
    except FileNotFoundError:
        kept = None
    except (OSError, msgspec.MsgspecError):
        raise OperatorError(
            f"the certificate authority's file {directory.authority} is damaged",
            hint="remove it to make a new CA, and give clients the new ca.pem",
        ) from None
    if kept is not None and kept.serves(names) and kept.expires - now > 2 * LEAF_LIFETIME:
        key = vault.unwrap_private_key(_PURPOSE, Wrapped(kept.generation, base64.b64decode(kept.key)))
        authority = Authority.load(kept.certificate.encode(), key)
        directory.write_bytes(directory.certificate, authority.certificate_pem, 0o644)
        return authority, False
    authority = Authority.create(
        "Keystead local CA",
        dns=names.hosts,
        addresses=names.addresses,
        now=now,
        lifetime=AUTHORITY_LIFETIME,
    )
    wrapped = vault.wrap_private_key(_PURPOSE, authority.key_pem())
    row = _Kept(
        hosts=names.hosts,
        addresses=names.addresses,
        expires=now + AUTHORITY_LIFETIME,
        certificate=authority.certificate_pem.decode(),
        generation=wrapped.generation,
        key=base64.b64encode(wrapped.blob).decode(),
    )
    directory.write(directory.authority, msgspec.to_builtins(row))
    directory.write_bytes(directory.certificate, authority.certificate_pem, 0o644)
    return authority, True


class Issued:
    """Certificates by the server's own CA."""

    def __init__(self, authority: Authority, names: Names, clock: Clock) -> None:
        self._authority = authority
        self._names = names
        self._clock = clock
        self._expires = 0

    def renewed(self) -> Pem | None:
        """A new one when two thirds of the last one's life are over."""
        now = self._clock.now()
        if self._expires - now > LEAF_LIFETIME / 3:
            return None
        leaf = self._authority.issue(self._names.hosts, self._names.addresses, now, LEAF_LIFETIME)
        self._expires = leaf.expires
        return Pem(leaf.certificate_pem, leaf.key_pem)


class Files:
    """The operator's own certificate chain and private key."""

    def __init__(self, certificate: str, key: str) -> None:
        self._paths = (Path(certificate), Path(key))
        self._state: list[int] = []

    def renewed(self) -> Pem | None:
        """What is in the files, if they changed; OperatorError if that can't be served."""
        certificate, key = self._paths
        for path in self._paths:
            if not os.access(path, os.R_OK):
                raise OperatorError(f"cannot read {path}", hint="check --tls-cert and --tls-key")
        if stat.S_IMODE(key.stat().st_mode) & 0o007:
            raise OperatorError(f"the private key {key} is open to all users", hint=f"chmod 600 {key}")
        state = [path.stat().st_mtime_ns for path in self._paths]
        if state == self._state:
            return None
        pem = Pem(certificate.read_bytes(), key.read_bytes())
        try:
            load_certificate(server_context(), pem)
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"cannot use the certificate {certificate} with the key {key}: {error}",
                hint="both must be PEM, belong together, and the key must not be encrypted",
            ) from None
        self._state = state
        return pem


def _proper(name: str) -> bool:
    return 0 < len(name) <= 253 and all(
        0 < len(label) <= 63 and label.replace("-", "").isalnum() and label.isascii()
        for label in name.split(".")
    )
