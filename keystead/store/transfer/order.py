"""Which tables a store has, wherever it is kept, in the order in which they are carried: a row after those it refers to."""

from typing import NamedTuple

from keystead.store import sealed
from keystead.store.identity_ports import Identity
from keystead.store.sealed import OF_IDENTITIES, Table


class Carried(NamedTuple):
    """A table as it is carried: its rows in the order of `key`, which tells them apart. `into` is the table of the other
    database that they belong to, `among` says which of its rows are meant."""

    name: str
    key: tuple[str, ...]
    into: str
    among: str = ""

    @property
    def source(self) -> str:
        """What it is selected from."""
        return self.among or self.name


def _plain(name: str, *key: str) -> Carried:
    return Carried(name, key, name)


def _sealed(table: Table) -> Carried:
    return _plain(table.name, *(("position",) if table.columns[0] == "position" else table.key))


def _identities() -> list[Carried]:
    kinds: list[type[Identity]] = list(OF_IDENTITIES)
    return [_sealed(OF_IDENTITIES[kind]) for kind in kinds]


_NONCE = ("second", "digest")
_USE = (
    "key_account", "region", "key_id", "version", "account", "caller_type", "principal", "name", "access_key_id",
    "action",
)  # fmt: skip
OWN = tuple(
    _sealed(one) for one in (sealed.META, sealed.WRAPPING_KEYS, sealed.SERVICE_SECRETS, sealed.ROOT_KEY)
)
SEALED = (
    *OWN,
    _sealed(sealed.ACCOUNTS),
    *_identities(),
    *map(_sealed, (sealed.ACCESS_KEYS, sealed.SESSIONS, sealed.TICKETS)),
    *map(_sealed, (sealed.KEYS, sealed.KEY_VERSIONS, sealed.TAGS, sealed.ALIASES)),
    _plain("seals", "bucket"),
)
# What no seal proves; the records prove themselves.
UNSEALED = (
    _plain("stretches", "listing", "stretch", "facets"),
    _plain("guests", "guest", "account", "region", "key_id"),
    _plain("nonces", *_NONCE),
    # Those that the embedded store has not put in their places yet.
    Carried(
        "recent_nonces",
        _NONCE,
        "nonces",
        "(SELECT second, digest FROM recent_nonces EXCEPT SELECT second, digest FROM nonces) AS recent",
    ),
    _plain("key_uses", *_USE),
    _plain("minutes", "account", "minute"),
    _plain("servers", "server"),
)
RECORDS = _plain("audit", "position")
ALL = (*SEALED, *UNSEALED, RECORDS)
# Tables that are made anew, or are of one database only.
LEFT = {
    "chains": "the ends of the chains, which are found in the records",
    "fence": "the revision, which is the sealed record's",
    "positions": "the largest that was ever given, which each kind of database notes in its way",
    "migrations": "each kind of database has steps of its own",
}
