"""Lookups: what takes long to find, and is looked for beside the batches, in what they committed.

A store answers them as of a moment after it was asked, and by as much as it says in work: so they hold nothing up.
"""

from typing import Protocol

import msgspec

from keystead.domain.audit import Head, Record
from keystead.domain.keys.key import Key

LONGEST = 10.0  # seconds that one of them may take, where a database does it


class WantedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys of an account and region to find; empty means all.

    `name` is the id or an alias; `text` is part of an id, a description, an alias, or the key or value of a tag; A to Z in
    either case.
    """

    account: str
    region: str
    name: str = ""
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

    @property
    def searches(self) -> bool:
        """Whether more than facets is wanted."""
        return bool(self.name or self.text or self.tag_key or self.tag_value)


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


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to list. Times are milliseconds since 1970; empty and None mean all."""

    since: int | None = None
    until: int | None = None
    action: str = ""
    resource: str = ""  # the end of an ARN: key/ID or alias/NAME
    caller: str = ""  # what a record has, or a RAM user's name now
    account: str = ""
    session: str = ""  # the AccessKey or the session of the console
    kind: str = ""
    revealing: bool = False
    failed: bool | None = None
    limit: int | None = None


class FoundRecords(msgspec.Struct, frozen=True):
    """Records, the newest first, and the position before which to look on; 0: there are no more."""

    items: tuple[Record, ...]
    before: int


class FoundRecord(msgspec.Struct, frozen=True):
    """A record with its hash and that of the one before it on the chain."""

    record: Record
    hash: bytes
    previous: bytes


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the verification of one chain found. `bad` names the first bad record and why; empty: all are right."""

    chain: str
    head: Head
    bad: str = ""
    noted: bool | None = None  # whether a head noted before is on the chain; None: none was asked for


class Verified(msgspec.Struct, frozen=True):
    """How far a verification is: the verdicts on the chains up to this position of the log, which ended at the position
    `total` when it began, and how many records that were."""

    position: int = 0
    total: int = 0
    count: int = 0
    verdicts: tuple[Verdict, ...] = ()

    @property
    def done(self) -> bool:
        """Whether that is all that the log had when it began."""
        return self.position >= self.total


class Lookups(Protocol):
    """See the module. KmsError ServiceUnavailableTemporary if it can't be told now, or takes too long."""

    apart: bool
    """Whether they may be asked for on any thread, and take long enough for that."""

    def keys(self, wanted: WantedKeys) -> FoundKeys: ...

    def summary(self, account: str, region: str, limit: int) -> Summary:
        """At most `limit` of those that something happens to next."""
        ...

    def records(self, wanted: Wanted, before: int) -> FoundRecords:
        """Records before this position of the log (0: from its end), at most `wanted.limit` of them. After so many rows it
        stops in any case, and says where to go on. The time of a clock that was put back by more than an hour is not
        looked for beyond that hour."""
        ...

    def record(self, account: str, chain: str, sequence: int) -> FoundRecord | None:
        """The record of an account's caller at this place of a chain."""
        ...

    def verify(self, so_far: Verified, limit: int) -> Verified:
        """Verify at most `limit` more records, of those that there were when the verification began: beyond them, what is
        committed later may come to stand before what was committed earlier."""
        ...
