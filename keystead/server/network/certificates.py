"""The server's certificate: from its own CA, renewed before it expires, or the operator's own files.

Both have `renewed`, to be asked at the start and now and then: the certificate to serve from now on, or None if it has not
changed since it was last asked.

A client believes a CA for its names only, and cannot be told of another one. So while one takes over from another, the
server has a certificate by each: it shows the older one's, except to clients that ask for a name which only a newer CA
may issue for, and so must know that. (The older CA can't sign the newer one: its own constraints would refuse the new
names, and it may have no CA below it.)
"""

import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from keystead.clock import Clock, iso8601
from keystead.crypto.authority import Authority, Described, Leaf, make_authority, open_authority
from keystead.crypto.vault import Vault
from keystead.domain.authorities import LOCAL, KeptAuthority, Names, is_host, serving
from keystead.domain.keys.key import DAY
from keystead.entropy import Entropy
from keystead.errors import OperatorError, WrongSetting
from keystead.server import logs
from keystead.server.data.directory import DataDirectory
from keystead.server.data.world import OpenedStore
from keystead.server.network.listener import Named, Pem, load_certificate, server_context
from keystead.store.ports import StoreFailure

LEAF_LIFETIME = 90 * DAY
_SOON = 2 * LEAF_LIFETIME
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def names_for(host: str, more: tuple[str, ...]) -> Names:
    """The names of a server that listens on `host` and is reached by `more` too; from the settings alone.

    WrongSetting if one is no name.
    """
    local = host in LOCAL.all or host in _EVERYWHERE
    try:
        return Names.of([*(LOCAL.all if local else (host,)), *more])
    except ValueError as error:
        raise WrongSetting(
            f"{error.args[0]!r} is neither a host name nor an IP address", hint="check --name"
        ) from None


def in_service(kept: Sequence[KeptAuthority], now: float, data: Path) -> tuple[KeptAuthority, ...]:
    """The CAs that may issue now, oldest first; OperatorError if there are none any more."""
    found = serving(kept, now)
    if not found:
        raise OperatorError(
            f"the certificate authority expired on {iso8601(max(one.expires for one in kept))}",
            hint=f"{_rotate(data)} makes a new one; every client needs it",
        )
    return found


def admit(names: Names, newest: Described, data: Path) -> None:
    """OperatorError if the newest CA may not issue for one of the names."""
    if refused := newest.refused(names):
        options = " ".join(f"--name {name}" for name in refused)
        raise OperatorError(
            f"the certificate authority may not issue for {', '.join(refused)}, only for {', '.join(newest.names.all)}",
            hint=f"{_rotate(data)} {options} makes one that may, beside this one, which clients go on to trust",
        )


def _rotate(data: Path) -> str:
    return f"keystead ca rotate --data {data}"


def machine_name(host: str) -> Names:
    """The machine's own name, if it listens everywhere and has a proper one.

    Nice to have in a certificate, and never a reason to refuse one: it changes with every container.
    """
    name = socket.gethostname()
    return Names.of([name] if host in _EVERYWHERE and is_host(name) else [])


def own_authorities(
    directory: DataDirectory, opened: OpenedStore, names: Names, now: int, entropy: Entropy
) -> tuple[KeptAuthority, ...]:
    """The CAs that are kept, or a first one for these names and the local ones.

    OperatorError if there was one that is gone: another one would lock out all clients.
    """
    store = opened.store
    try:
        for alone in (False, True):  # servers that begin together have one
            store.begin(alone)
            kept = store.authorities.all()
            if kept:
                return kept
            if not alone:
                store.rollback()
        for trace in (directory.authority, directory.certificate):
            if trace.exists():
                raise OperatorError(
                    f"the certificate authority of {directory.path} is gone or damaged, although it had one",
                    hint=f"restore the data directory from a backup; or let `keystead ca rotate --data {directory.path}` "
                    "make a new one, which every client needs",
                )
        kept = (make_authority(opened.vault, names | LOCAL, now, entropy),)
        store.authorities.replace(kept)
        store.commit()
        # Where there is data already, a backup that did not hold the CA may have been restored.
        level = "info" if opened.first_start else "warning"
        logs.event("a new certificate authority was made", level, file=str(directory.certificate))
        return kept
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space and the files' owner") from None
    finally:
        store.rollback()


class Issued:
    """Certificates by the server's own CAs."""

    def __init__(
        self,
        kept: tuple[KeptAuthority, ...],
        vault: Vault,
        names: Names,
        machine: Names,
        clock: Clock,
        data: Path,
    ) -> None:
        self.kept = kept
        self._data = data
        self._vault = vault
        self._names = names
        self._machine = machine
        self._clock = clock
        self._opened: dict[str, Authority | None] = {}
        self._served: tuple[object, ...] = ()  # what the last certificates were made for
        self._renew_at = 0.0

    def want(self, names: Names) -> None:
        """Be for these names from now on; OperatorError, and the names as before, if the CA may not issue for one."""
        admit(names, self._authorities()[-1].described, self._data)
        self._names = names

    def renewed(self) -> Pem | None:
        """New ones when two thirds of the last ones' life are over, or CAs or names are others.

        OperatorError if there is no CA that may issue for the names now.
        """
        now = self._clock.now()
        authorities = self._authorities()
        state = (tuple(one.certificate_pem for one in authorities), self._names)
        if state == self._served and now < self._renew_at:
            return None
        newest = authorities[-1]
        admit(self._names, newest.described, self._data)
        if newest.described.expires - now < _SOON:
            logs.event(
                "the CA expires soon: keystead ca rotate",
                "warning",
                expires=iso8601(newest.described.expires),
            )
        leaves = [self._issue(one, now) for one in authorities]
        # Near its end a CA's certificates end with it, however new they are.
        left = min(leaf.expires for _, leaf in leaves) - now
        self._served, self._renew_at = state, now + max(left * 2 / 3, LEAF_LIFETIME / 1000)
        first, *later = leaves
        known = set(first[0].hosts)
        named = []
        for names, leaf in later:
            named.append(Named(tuple(set(names.hosts) - known), leaf.certificate_pem, leaf.key_pem))
            known.update(names.hosts)
        return Pem(first[1].certificate_pem, first[1].key_pem, tuple(one for one in named if one.hosts))

    def _authorities(self) -> Sequence[Authority]:
        """Those that may issue now, oldest first."""
        kept = in_service(self.kept, self._clock.now(), self._data)
        opened = {one.certificate: self._opened.get(one.certificate) or self._open(one) for one in kept}
        self._opened = opened
        if opened[kept[-1].certificate] is None:
            raise OperatorError(
                "the certificate authority's private key does not open, or is another one's",
                hint=f"restore the data directory from a backup; or let `{_rotate(self._data)}` make a new one, which "
                "every client needs",
            )
        return [one for one in opened.values() if one is not None]

    def _open(self, kept: KeptAuthority) -> Authority | None:
        try:
            return open_authority(self._vault, kept)
        except (OperatorError, ValueError):
            return None

    def _issue(self, authority: Authority, now: float) -> tuple[Names, Leaf]:
        """By one CA: for all that it is for, and what else is wanted and it may issue for."""
        wanted = self._names | self._machine
        refused = authority.refused(wanted)
        names = authority.described.names | Names.of(one for one in wanted.all if one not in refused)
        return names, authority.issue(names.hosts, names.addresses, now, LEAF_LIFETIME)


class Files:
    """The operator's own certificate chain and private key."""

    def __init__(self, certificate: str, key: str) -> None:
        self._paths = (Path(certificate), Path(key))
        self._state: list[tuple[int, ...]] = []

    def renewed(self) -> Pem | None:
        """What is in the files, if they changed; OperatorError if that can't be served, half written perhaps."""
        certificate, key = self._paths
        for path in self._paths:
            if not os.access(path, os.R_OK):
                raise OperatorError(f"cannot read {path}", hint="check --tls-cert and --tls-key")
        if stat.S_IMODE(key.stat().st_mode) & 0o007:
            raise OperatorError(f"the private key {key} is open to all users", hint=f"chmod 600 {key}")
        state = [_state(path) for path in self._paths]
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


def _state(path: Path) -> tuple[int, ...]:
    """Of the file itself, where the path is a link: links are how some programs replace certificates."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
