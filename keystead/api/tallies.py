"""Tallies: who uses keys and how many calls come in a minute, kept in memory and written once a minute.

They are statistics beside the records, which say the same of each call: a server that is killed loses what it counted in
its last minute. What a batch did is counted once it is durable, and is forgotten here once it is written durably.
"""

from itertools import islice

from keystead.api.batch import Batch
from keystead.domain.audit import Kind
from keystead.domain.keys.uses import Place, Use, User
from keystead.store.ports import Store

AT_ONCE = 100  # rows that one batch writes, so that they do not hold up the calls in it
MANY = 20_000  # uses in memory, from which on they are written before their minute is over
KEPT = 120  # minutes of which the calls are counted

_Minute = tuple[str, int]  # an account, and a minute since 1970
_User = tuple[
    str, ...
]  # as `User`, and `_Use` as `Use`: they are made and changed for each call, and told seldom
_Use = list[int]


class Tallies:
    """What was counted and is not written yet."""

    def __init__(self, now: int) -> None:
        self.begun = now
        self._uses: dict[Place, dict[_User, _Use]] = {}
        self._amount = 0
        self._minutes: dict[_Minute, tuple[int, int]] = {}

    @property
    def many(self) -> bool:
        """Whether they should be written soon."""
        return self._amount >= MANY

    def committed(self, batch: Batch) -> None:
        """Count what a batch did that is durable now."""
        for place, users in batch.written_uses.items():
            left = self._uses[place]
            for written in users:
                del left[written]
            self._amount -= len(users)
            if not left:
                del self._uses[place]
        for minute in batch.written_minutes:
            del self._minutes[minute]
        minutes = self._minutes
        for record, _ in batch.appended:
            if record.kind is not Kind.SERVICE_EVENT:
                minute = record.account, record.time // 60_000
                calls, refused = minutes.get(minute, (0, 0))
                minutes[minute] = calls + 1, refused + (record.code != "")
        for place, user, second, refused in batch.uses:
            of_key = self._uses.get(place)
            if of_key is None:
                of_key = self._uses[place] = {}
            use = of_key.get(user)
            if use is None:
                of_key[user] = [second, 1, refused]
                self._amount += 1
            else:
                use[0] = max(use[0], second)
                use[1] += 1
                use[2] += refused

    def write(self, store: Store, batch: Batch, now: int, most: int = AT_ONCE) -> bool:
        """Write at most so many uses, and all else, within a batch that wrote none yet. True if there are more."""
        if self._minutes:
            batch.written_minutes = dict(self._minutes)
            store.tallies.add_minutes(batch.written_minutes, now // 60 - KEPT)
        room = most
        for place, users in self._uses.items():
            some = {User(*user): Use(*use) for user, use in islice(users.items(), room)}
            batch.written_uses[place] = some
            store.tallies.add_uses(place, some)
            room -= len(some)
            if room == 0:
                break
        return most - room < self._amount

    def uses(self, store: Store, place: Place) -> list[tuple[User, Use]]:
        """Who used a key, the latest first."""
        found = store.tallies.uses(place)
        for raw, counted in self._uses.get(place, {}).items():
            user, use = User(*raw), Use(*counted)
            found[user] = use.plus(found[user]) if user in found else use
        return sorted(found.items(), key=lambda one: (-one[1].last, one[0]))

    def minutes(self, store: Store, account: str, first: int) -> dict[int, tuple[int, int]]:
        """How many calls an account's callers made, and how many were refused, by minute since 1970."""
        found = store.tallies.minutes(account, first)
        for (whose, minute), (calls, refused) in self._minutes.items():
            if whose == account and minute >= first:
                before = found.get(minute, (0, 0))
                found[minute] = before[0] + calls, before[1] + refused
        return found

    def since(self, store: Store) -> int:
        """From when on there are tallies, in seconds since 1970."""
        return store.tallies.since() or self.begun
