"""All that a database holds, read from one end to the other, for who proves or moves it."""

from collections.abc import Iterator
from pathlib import Path

from keystead.domain.accounts import AccessKey, ServiceSecret, WrappingKey
from keystead.domain.keys.key import Key, KeyVersion
from keystead.domain.sign_in import MfaDevice
from keystead.store.key_rows import key_of, version_of
from keystead.store.migrate import known
from keystead.store.postgresql.place import Place
from keystead.store.reader import Reader, open_snapshot
from keystead.store.sealed import KEY_VERSIONS, KEYS
from keystead.store.seals import Sealer, read_record

# What is counted, so that a loss shows: every table but those that are caches, or empty themselves.
COUNTED = (
    "accounts", "access_keys", "aliases", "attachments", "audit", "key_versions", "keys", "members", "mfa_devices",
    "policies", "policy_versions", "tags", "user_groups", "users", "wrapping_keys",
)  # fmt: skip


class Contents(Reader):
    """See keystead.store.reader.Reader. All iterators are of the snapshot that it was opened with."""

    def __init__(self, place: Path | Place) -> None:
        """OperatorError if it can't be read."""
        super().__init__(open_snapshot(place))

    def damage(self) -> str:
        """What the database itself finds wrong with what it keeps, "" for nothing."""
        return self._database.damage()

    def server(self) -> str:
        """The id of the server that it is of."""
        return str(self._meta("server_id"))

    def revision(self, sealer: Sealer | None) -> int:
        """How many batches have changed it; 0 if its rows are not sealed yet."""
        record = None if sealer is None else read_record(self._database, sealer)
        return 0 if record is None else record[0]

    def amounts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: self._count(name) for name in COUNTED}

    def wrapping_keys(self) -> tuple[WrappingKey, ...]:
        """All generations."""
        return self.keyring().all()

    def secrets(self) -> tuple[ServiceSecret, ...]:
        """The service's own keys."""
        return self.keyring().secrets()

    def versions(self) -> Iterator[KeyVersion]:
        """Every version of every key."""
        return map(version_of, self._database.each(KEY_VERSIONS.select))

    def access_keys(self) -> Iterator[AccessKey]:
        """Every AccessKey."""
        for account in self.accounts():
            yield from self.holdings.accounts.access_keys(account)

    def devices(self) -> Iterator[MfaDevice]:
        """Every MFA device."""
        identities = self.holdings.identities
        for account in self.accounts():
            yield from identities.all(MfaDevice, account)

    def disabled(self) -> tuple[Key, ...]:
        """The keys that are disabled, in order of their creation."""
        return tuple(map(key_of, self._rows(f"{KEYS.select} WHERE state = 'Disabled' ORDER BY position")))

    def leaving(self) -> tuple[Key, ...]:
        """The keys that are to be deleted, the longest due first."""
        where = "WHERE deletion_at IS NOT NULL ORDER BY deletion_at, position"
        return tuple(map(key_of, self._rows(f"{KEYS.select} {where}")))

    def latest_nonce(self) -> int:
        """The second of the latest request that it has accepted and remembers, or has forgotten."""
        latest = int(str(self._meta("horizon")))
        for table in {"nonces", "recent_nonces"} & self._database.tables():
            ((second,),) = self._rows(f"SELECT max(second) FROM {table}")  # noqa: S608 - constant names
            latest = max(latest, second or 0)
        return latest

    def _meta(self, name: str) -> object:
        return (self._database.row("SELECT value FROM meta WHERE name = ?", (name,)) or (0,))[0]

    def _count(self, table: str) -> int:
        ((count,),) = self._rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - constant names
        return int(count)


def schema() -> int:
    """The newest that this program knows."""
    return known()[-1].number
