"""The server's certificate: from its own CA, renewed before it expires, or the operator's own files."""

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
from keystead.domain.keys import DAY, Wrapped
from keystead.errors import OperatorError
from keystead.server.directory import DataDirectory

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


def check_files(certificate: str, key: str) -> None:
    """OperatorError if the operator's certificate or key can't be read or the key is open to others."""
    for path in (certificate, key):
        if not os.access(path, os.R_OK):
            raise OperatorError(f"cannot read {path}", hint="check --tls-cert and --tls-key")
    if stat.S_IMODE(Path(key).stat().st_mode) & 0o007:
        raise OperatorError(f"the private key {key} is open to all users", hint=f"chmod 600 {key}")


def _proper(name: str) -> bool:
    return 0 < len(name) <= 253 and all(
        0 < len(label) <= 63 and label.replace("-", "").isalnum() and label.isascii()
        for label in name.split(".")
    )
