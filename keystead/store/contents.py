"""All that a database holds, read from one end to the other, for who proves or moves it."""

from collections.abc import Iterator
from pathlib import Path

from keystead.domain.accounts import AccessKey, ServiceSecret, WrappingKey
from keystead.domain.keys.key import Key, KeyVersion
from keystead.domain.sign_in import MfaDevice
from keystead.store.key_rows import key_of, version_of
from keystead.store.migrate import known
from keystead.store.reader import Reader, connect
from keystead.store.sealed import KEY_VERSIONS, KEYS
from keystead.store.seals import Sealer, read_record

# What is counted, so that a loss shows: every table but those that are caches, or empty themselves.
COUNTED = (
    "accounts", "access_keys", "aliases", "attachments", "audit", "key_versions", "keys", "members", "mfa_devices",
    "policies", "policy_versions", "tags", "user_groups", "users", "wrapping_keys",
)  # fmt: skip


class Contents(Reader):
    """See keystead.store.reader.Reader. All iterators are of the snapshot that it was opened with."""

    def __init__(self, path: Path) -> None:
        """OperatorError if it can't be read."""
        super().__init__(connect(path))

    def damage(self) -> str:
        """What SQLite finds wrong with the file, "" for nothing."""
        for (found,) in self._rows("PRAGMA integrity_check(1)"):
            if found != "ok":
                return str(found).splitlines()[-1]
        for row in self._rows("PRAGMA foreign_key_check"):
            return f"a row of {row[0]} belongs to none of {row[2]}"
        return ""

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
        with self._told():
            return self.keyring().all()

    def secrets(self) -> tuple[ServiceSecret, ...]:
        """The service's own keys."""
        with self._told():
            return self.keyring().secrets()

    def versions(self) -> Iterator[KeyVersion]:
        """Every version of every key."""
        return map(version_of, self._rows(KEY_VERSIONS.select))

    def access_keys(self) -> Iterator[AccessKey]:
        """Every AccessKey."""
        for account in self.accounts():
            with self._told():
                found = self.holdings.accounts.access_keys(account)
            yield from found

    def devices(self) -> Iterator[MfaDevice]:
        """Every MFA device."""
        identities = self.holdings.identities
        for account in self.accounts():
            with self._told():
                found = identities.all(MfaDevice, account)
            yield from found

    def disabled(self) -> tuple[Key, ...]:
        """The keys that are disabled, in order of their creation."""
        return tuple(map(key_of, self._rows(f"{KEYS.select} WHERE state = 'Disabled' ORDER BY position")))

    def leaving(self) -> tuple[Key, ...]:
        """The keys that are to be deleted, the longest due first."""
        where = "WHERE deletion_at IS NOT NULL ORDER BY deletion_at, position"
        return tuple(map(key_of, self._rows(f"{KEYS.select} {where}")))

    def latest_nonce(self) -> int:
        """The second of the latest request that it has accepted and remembers, or has forgotten."""
        seconds = "SELECT max(second) AS second FROM {}"
        rows = self._rows(
            f"SELECT max(second) FROM ({seconds.format('nonces')} UNION ALL {seconds.format('recent_nonces')})"  # noqa: S608
        )
        return max(int(next(rows)[0] or 0), int(str(self._meta("horizon"))))

    def _meta(self, name: str) -> object:
        return next(iter(self._rows("SELECT value FROM meta WHERE name = ?", (name,))), (0,))[0]

    def _count(self, table: str) -> int:
        return int(next(self._rows(f"SELECT count(*) FROM {table}"))[0])  # noqa: S608 - constant names


def schema() -> int:
    """The newest that this program knows."""
    return known()[-1].number
