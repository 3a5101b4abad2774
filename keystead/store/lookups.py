"""Lookups: what takes long to find, and is looked for beside the batches, in what they committed.

A store answers them as of a moment after it was asked, and by as much as it says in work: so they hold nothing up.
"""

from typing import Protocol

import msgspec

from keystead.domain.keys.key import Key


class WantedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys of an account and region to find; empty means all.

    `text` is part of an id, a description, an alias, or the key or value of a tag; A to Z in either case.
    """

    account: str
    region: str
    text: str = ""
    state: str = ""
    spec: str = ""
    usage: str = ""
    origin: str = ""
    tag_key: str = ""
    tag_value: str = ""
    offset: int = 0
    limit: int = 10

    @property
    def facets(self) -> tuple[str, str, str, str]:
        """The state, spec, usage and origin that is wanted."""
        return self.state, self.spec, self.usage, self.origin


class FoundKey(msgspec.Struct, frozen=True):
    """A key with its aliases and tags, by name."""

    key: Key
    aliases: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


class FoundKeys(msgspec.Struct, frozen=True):
    """A stretch of the keys that were found, the newest first, and how many there are in all."""

    items: tuple[FoundKey, ...]
    total: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an account and region: how many there are of each state, spec and usage, and those that are rotated,
    deleted or lose their material next, in this order."""

    amounts: tuple[tuple[tuple[str, str, str], int], ...]
    rotating: tuple[Key, ...]
    leaving: tuple[Key, ...]
    expiring: tuple[Key, ...]


class Lookups(Protocol):
    """See the module. KmsError ServiceUnavailableTemporary if it can't be told now, or takes too long."""

    apart: bool
    """Whether they may be asked for on any thread, and take long enough for that."""

    def keys(self, wanted: WantedKeys) -> FoundKeys: ...

    def summary(self, account: str, region: str, limit: int) -> Summary:
        """At most `limit` of those that something happens to next."""
        ...
