"""The server's certificate authorities as they are kept, and the names that certificates are for."""

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

from keystead.domain.keys.key import Wrapped


class Names(msgspec.Struct, frozen=True):
    """Host names, in lower case, and IP addresses; each sorted, each once."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @classmethod
    def of(cls, words: Iterable[str]) -> "Names":
        """What these words name; ValueError with the first one that is neither a host name nor an IP address."""
        hosts: set[str] = set()
        addresses: set[str] = set()
        for word in words:
            try:
                address = ipaddress.ip_address(word)
                # A zone (fe80::1%eth0) is this machine's own affair: no certificate can name it.
                addresses.add(str(address).partition("%")[0])
            except ValueError:
                if not is_host(word):
                    raise ValueError(word) from None
                hosts.add(word.lower())
        return cls(tuple(sorted(hosts)), tuple(sorted(addresses)))

    def __or__(self, other: "Names") -> "Names":
        return Names.of((*self.all, *other.all))

    @property
    def all(self) -> tuple[str, ...]:
        """Host names first."""
        return (*self.hosts, *self.addresses)


def is_host(word: str) -> bool:
    """Whether it is a host name, as RFC 1123 section 2.1 has them: what ends in a number is a mistyped address."""
    labels = word.split(".")
    return (
        len(word) <= 253
        and not labels[-1].isdigit()
        and all(len(label) <= 63 and label.replace("-", "").isalnum() and label.isascii() for label in labels)
    )


LOCAL = Names.of(("localhost", "127.0.0.1", "::1"))  # by which the server's own machine reaches it


class KeptAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """A CA: its certificate (PEM) and its private key (wrapped). Times are seconds since 1970.

    `retires` is when its successor takes over all that it serves; None as long as there is none.
    """

    certificate: str
    key: Wrapped
    expires: int
    retires: int | None = None


def serving(kept: Sequence[KeptAuthority], now: float) -> tuple[KeptAuthority, ...]:
    """Those that clients may trust the server by, oldest first; empty if all have expired."""
    return tuple(one for one in kept if one.expires > now and (one.retires is None or one.retires > now))


def succeed(
    kept: Sequence[KeptAuthority], successor: KeptAuthority, now: int, overlap: int
) -> tuple[KeptAuthority, ...]:
    """The CAs from now on: those that serve go on for `overlap` seconds, or as long as they would have anyway."""
    end = now + overlap
    before = (
        msgspec.structs.replace(one, retires=end if one.retires is None else min(one.retires, end))
        for one in kept
    )
    return (*serving(tuple(before), now), successor)


def bundle(kept: Sequence[KeptAuthority], now: float) -> str:
    """What clients are to trust, as PEM."""
    return "".join(one.certificate for one in serving(kept, now))
