"""Which tables are sealed, what each of their rows is known by, and to which bucket of the set hash it belongs.

Every table of the schema is here or in UNSEALED, every column in its table: a test compares them with the schema.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, get_type_hints
from zlib import crc32

from keystead.domain.identities import Attachment, CustomPolicy, Group, Member, PolicyVersion, User
from keystead.domain.sessions import Session, Ticket
from keystead.domain.sign_in import KnownAddress, LoginProfile, MfaDevice, PasswordPolicy
from keystead.store.identity_ports import IDENTITIES, Identity

BUCKETS = 48  # of all that belongs to keys: their sums, 72 bytes each, fit into one page of a database with the record
SERVER = "server"  # the bucket, and the scope, of what belongs to the server itself
KEY_BUCKETS = tuple([f"keys {number}" for number in range(BUCKETS)])  # their sums are in the record itself
RECORD = "record"  # where that lies among the buckets
Row = tuple[Any, ...]


class Table:
    """A sealed table. `columns` are all but `seal`, `key` are those that a row is known by from all others, `scope` those
    that say whose it is; `kind` is what that is: key, alias, account or server. `truths` are true or false."""

    def __init__(
        self,
        number: int,
        name: str,
        columns: Sequence[str],
        key: Sequence[str],
        kind: str = "account",
        scope: Sequence[str] = ("account",),
        truths: Sequence[str] = (),
    ) -> None:
        self.number = number  # it stands for the name in seals, and never changes
        self.name = name
        self.columns = tuple(columns)
        self.key = tuple(key)
        self.kind = kind
        self.scope_columns = tuple(scope)
        self._truths = [self.columns.index(one) for one in truths]
        self._texts = not _NUMBERS & set(self.key)
        self.key_of = _picker(self.columns, self.key)
        self._scope_of = _picker(self.columns, self.scope_columns)
        self._scope_of_key = (
            _picker(self.key, self.scope_columns) if set(self.scope_columns) <= set(self.key) else None
        )
        self.select = f"SELECT {', '.join((*self.columns, 'seal'))} FROM {name}"  # noqa: S608 - our own names
        self.by_key = " AND ".join(f"{column} = ?" for column in self.key)

    def scope(self, row: Row) -> str:
        """Whose the row is."""
        return " ".join((self.kind, *self._scope_of(row))) if self.scope_columns else SERVER

    def scope_of_key(self, key: Row) -> str | None:
        """Whose a row of this key is; None if the key alone does not say it."""
        if not self.scope_columns:
            return SERVER
        return None if self._scope_of_key is None else " ".join((self.kind, *self._scope_of_key(key)))

    def plain(self, values: Sequence[Any]) -> Row:
        """The values of a row as they come out of a database: it has no truth values."""
        if not self._truths:
            return tuple(values)
        row = list(values)
        for place in self._truths:
            row[place] = int(row[place])
        return tuple(row)

    def location(self, key: Row) -> int:
        """A number below 2^40 that finds the row again, of its key and its table; by chance another's as well."""
        words = key if self._texts else map(str, key)
        return crc32("\0".join(words).encode()) << 8 | self.number


def bucket_of(scope: str) -> str:
    """The bucket that all rows of a scope belong to."""
    if scope[0] == "k" or scope[1] == "l":  # key and alias; not account and server
        return KEY_BUCKETS[crc32(scope.encode()) % BUCKETS]
    return scope


def _picker(columns: tuple[str, ...], some: tuple[str, ...]) -> Callable[[Row], Row]:
    places = [columns.index(one) for one in some]
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places) if places else lambda row: ()


def _of_identity(number: int, name: str, kind: type[Identity]) -> Table:
    columns = ("position", *kind.__struct_fields__)
    return Table(number, name, columns, IDENTITIES[kind], truths=_truths_of(kind))


def _truths_of(kind: type[Any]) -> list[str]:
    return [name for name, hint in get_type_hints(kind).items() if hint is bool]


_NUMBERS = {"one", "number", "generation", "digest"}  # columns of keys that are no texts


_PLACE = ("account", "region", "key_id")

ACCOUNTS = Table(1, "accounts", ("position", "account", "created", "name", "status"), ("account",))
ACCESS_KEYS = Table(
    2,
    "access_keys",
    (
        "position", "access_key_id", "account", "status", "created", "generation", "secret", "description", "creator",
        "last_used", "user_id", "expires",
    ),
    ("access_key_id",),
)  # fmt: skip
KEYS = Table(
    3,
    "keys",
    (
        "position", *_PLACE, "spec", "usage", "origin", "protection", "state", "description", "created", "primary_version",
        "rotated", "instance", "deletion_at", "rotation_interval", "rotation_due", "protected", "protection_reason",
        "policy", "absent", "material_check", "expires", "service",
    ),
    _PLACE, "key", _PLACE, ("protected", "absent"),
)  # fmt: skip
KEY_VERSIONS = Table(
    4,
    "key_versions",
    (*_PLACE, "version_id", "number", "spec", "usage", "origin", "created", "generation", "material"),
    (*_PLACE, "number"), "key", _PLACE,
)  # fmt: skip
TAGS = Table(5, "tags", (*_PLACE, "name", "value"), (*_PLACE, "name"), "key", _PLACE)
_ALIAS = ("account", "region", "name")
ALIASES = Table(6, "aliases", ("position", *_ALIAS, "key_id", "created"), _ALIAS, "alias", _ALIAS)
SESSIONS = Table(7, "sessions", Session.__struct_fields__, ("digest",), truths=_truths_of(Session))
TICKETS = Table(8, "tickets", Ticket.__struct_fields__, ("digest",))
_WRAPPED = ("root_fingerprint", "blob", "created")
WRAPPING_KEYS = Table(9, "wrapping_keys", ("generation", *_WRAPPED), ("generation",), SERVER, ())
SERVICE_SECRETS = Table(10, "service_secrets", ("name", *_WRAPPED), ("name",), SERVER, ())
ROOT_KEY = Table(
    22, "root_key", ("one", "fingerprint", "provider", "parameters", "since"), ("one",), SERVER, ()
)
META = Table(11, "meta", ("name", "value"), ("name",), SERVER, ())
OF_IDENTITIES: dict[type[Identity], Table] = {
    User: _of_identity(12, "users", User),
    Group: _of_identity(13, "user_groups", Group),
    Member: _of_identity(14, "members", Member),
    CustomPolicy: _of_identity(15, "policies", CustomPolicy),
    PolicyVersion: _of_identity(16, "policy_versions", PolicyVersion),
    Attachment: _of_identity(17, "attachments", Attachment),
    LoginProfile: _of_identity(18, "login_profiles", LoginProfile),
    PasswordPolicy: _of_identity(19, "password_policies", PasswordPolicy),
    MfaDevice: _of_identity(20, "mfa_devices", MfaDevice),
    KnownAddress: _of_identity(21, "known_addresses", KnownAddress),
}
SEALED = (
    ACCOUNTS, ACCESS_KEYS, KEYS, KEY_VERSIONS, TAGS, ALIASES, SESSIONS, TICKETS, WRAPPING_KEYS, SERVICE_SECRETS, META,
    ROOT_KEY, *OF_IDENTITIES.values(),
)  # fmt: skip
BY_NUMBER = {table.number: table for table in SEALED}
# The rows of buckets themselves are what the record adds up.
BUCKET_ROWS = Table(0, "seals", ("bucket", "blob"), ("bucket",), SERVER, ())

# Tables whose rows have no seal, and why.
UNSEALED = {
    "audit": "each record is bound to the one before it, and the head is anchored",
    "chains": "the end of each chain; the chain itself proves it",
    "nonces": "two rows for each call; the horizon, up to which all are refused, is sealed",
    "recent_nonces": "as nonces",
    "stretches": "how long listings are, counted from sealed rows; `keystead store verify` counts anew",
    "guests": "read from the sealed policies of keys; `keystead store verify` reads anew",
    "key_uses": "statistics, which decide nothing: what proves anything is in the records",
    "minutes": "as key_uses",
    "migrations": "the program knows each by its checksum",
    "seals": "encrypted, and added up in the sealed record",
}
