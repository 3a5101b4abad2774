"""Lookups in the store in memory: at once, as they take no time worth saving."""

from typing import TYPE_CHECKING

from keystead.domain.keys.key import Key
from keystead.store.lookups import FoundKey, FoundKeys, Summary, WantedKeys

if TYPE_CHECKING:
    from keystead.store.memory import MemoryStore


class MemoryLookups:
    """See keystead.store.lookups.Lookups."""

    apart = False

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

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

    def _of(self, account: str, region: str) -> list[Key]:
        return [key for key in self._store.keys.all() if (key.account, key.region) == (account, region)]

    def _found(self, key: Key) -> FoundKey:
        aliases = self._store.aliases.page_of_key(*key.place, 0, 2**31).items
        names = sorted(alias.name for alias in aliases)
        return FoundKey(key, tuple(names), tuple(self._store.keys.tags(*key.place).items()))


def _fits(wanted: WantedKeys, one: FoundKey) -> bool:
    key = one.key
    has = (key.state, key.spec, key.usage, key.origin)
    if not all(value in ("", found) for value, found in zip(wanted.facets, has, strict=True)):
        return False
    tag = (wanted.tag_key, wanted.tag_value)
    if any(tag) and not any(tag[0] in ("", name) and tag[1] in ("", value) for name, value in one.tags):
        return False
    # Bytes, of which only A to Z have another case.
    texts = [key.key_id, key.description, *one.aliases, *(text for tag in one.tags for text in tag)]
    return any(wanted.text.encode().lower() in text.encode().lower() for text in texts)
