"""Lookups in the store in memory: at once, as they take no time worth saving."""

from keystead.domain.audit import GENESIS, REVEALING, Record, columns, hashed
from keystead.domain.identities import User
from keystead.domain.keys.key import Key, KeyFilter
from keystead.store.lookups import (
    FoundKey,
    FoundKeys,
    FoundRecord,
    FoundRecords,
    Summary,
    Verified,
    Wanted,
    WantedKeys,
)
from keystead.store.ports import Aliases, Identities, Keys
from keystead.store.verification import Verification


class MemoryLookups:
    """See keystead.store.lookups.Lookups."""

    apart = False

    def __init__(
        self, keys: Keys, aliases: Aliases, identities: Identities, records: dict[int, tuple[Record, bytes]]
    ) -> None:
        self._keys = keys
        self._aliases = aliases
        self._identities = identities
        self._records = records  # by sequence: there is one chain, so that is their position as well

    def keys(self, wanted: WantedKeys) -> FoundKeys:
        found = [
            one
            for one in map(self._found, reversed(self._of(wanted.account, wanted.region)))
            if _fits(wanted, one)
        ]
        return FoundKeys(tuple(found[wanted.offset : wanted.offset + wanted.limit]), len(found))

    def summary(self, account: str, region: str, limit: int) -> Summary:
        keys = self._of(account, region)
        amounts: dict[tuple[str, str, str], int] = {}
        for key in keys:
            kind = (str(key.state), str(key.spec), str(key.usage))
            amounts[kind] = amounts.get(kind, 0) + 1

        def next_of(dates: list[tuple[int | None, Key]]) -> tuple[Key, ...]:
            due = [(date, key) for date, key in dates if date is not None]
            return tuple(key for _, key in sorted(due, key=lambda one: one[0])[:limit])

        return Summary(
            amounts=tuple(sorted(amounts.items())),
            rotating=next_of([(key.rotation_due, key) for key in keys]),
            leaving=next_of([(key.deletion_at, key) for key in keys]),
            expiring=next_of([(key.expires, key) for key in keys]),
        )

    def records(self, wanted: Wanted, before: int) -> FoundRecords:
        matching = [
            (position, record)
            for position, record in reversed(self._log())
            if (not before or position < before) and self._matches(wanted, record)
        ]
        shown = matching[: wanted.limit]
        more = shown[-1][0] if len(shown) < len(matching) else 0
        return FoundRecords(tuple([record for _, record in shown]), more)

    def record(self, account: str, chain: str, sequence: int) -> FoundRecord | None:
        log = self._records
        record, link = log.get(sequence, (None, b""))
        if record is None or (record.account, record.chain) != (account, chain):
            return None
        return FoundRecord(record, link, log[sequence - 1][1] if sequence > 1 else GENESIS)

    def verify(self, so_far: Verified, limit: int) -> Verified:
        verification = Verification(so_far.verdicts)
        log = self._records
        total = min(so_far.total or len(log), len(log))
        last = min(so_far.position + limit, total)
        places = range(so_far.position + 1, last + 1)
        for position in places:
            record, link = log[position]
            verification.follow(record.chain.encode(), position, hashed(columns(record)), link)
        return Verified(max(last, so_far.position), total, so_far.count + len(places), verification.verdicts)

    def _log(self) -> list[tuple[int, Record]]:
        """All records with their positions, oldest first."""
        return [(position, record) for position, (record, _) in self._records.items()]

    def _matches(self, wanted: Wanted, record: Record) -> bool:
        caller = wanted.caller
        named = {user.user_id for user in self._identities.all(User, wanted.account) if user.name == caller}
        return (
            (wanted.since is None or record.time >= wanted.since)
            and (wanted.until is None or record.time < wanted.until)
            and wanted.action in ("", record.action)
            and (not wanted.resource or f':{wanted.resource}"' in record.resources)
            and (
                caller in ("", record.principal, record.access_key_id, record.session)
                or record.principal in named
            )
            and wanted.account in ("", record.account)
            and wanted.session in ("", record.access_key_id)
            and wanted.kind in ("", record.kind)
            and (not wanted.revealing or record.action in REVEALING)
            and (wanted.failed is None or (record.code != "") is wanted.failed)
        )

    def _of(self, account: str, region: str) -> list[Key]:
        found = self._keys.page(account, region, KeyFilter(), 0, 2**31).items
        keys = [self._keys.get(account, region, key_id) for key_id in found]
        return [key for key in keys if key is not None]

    def _found(self, key: Key) -> FoundKey:
        aliases = self._aliases.page_of_key(*key.place, 0, 2**31).items
        names = sorted(alias.name for alias in aliases)
        return FoundKey(key, tuple(names), tuple(self._keys.tags(*key.place).items()))


def _fits(wanted: WantedKeys, one: FoundKey) -> bool:
    key = one.key
    has = (key.state, key.spec, key.usage, key.origin)
    if not all(value in ("", found) for value, found in zip(wanted.facets, has, strict=True)):
        return False
    if wanted.name not in ("", key.key_id, *one.aliases):
        return False
    tag = (wanted.tag_key, wanted.tag_value)
    if any(tag) and not any(tag[0] in ("", name) and tag[1] in ("", value) for name, value in one.tags):
        return False
    # Bytes, of which only A to Z have another case.
    texts = [key.key_id, key.description, *one.aliases, *(text for tag in one.tags for text in tag)]
    return any(wanted.text.encode().lower() in text.encode().lower() for text in texts)
