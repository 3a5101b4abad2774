"""Tallies in memory."""

from collections.abc import Callable, Mapping

from keystead.domain.keys.uses import Place, Use, User
from keystead.store.journal import Journal, Rows


class Tallies:
    """See keystead.store.ports.Tallies."""

    def __init__(self, journal: Journal, exists: Callable[[Place], bool]) -> None:
        self._exists = exists
        self._uses: Rows[Place, dict[User, Use]] = Rows(journal)
        self._minutes: Rows[tuple[str, int], tuple[int, int]] = Rows(journal)

    def since(self) -> int:
        return 0

    def add_uses(self, place: Place, uses: Mapping[User, Use]) -> None:
        if self._exists(place):
            found = self.uses(place)
            for user, use in uses.items():
                found[user] = use.plus(found[user]) if user in found else use
            self._uses.put(place, found)

    def uses(self, place: Place) -> dict[User, Use]:
        return dict(self._uses.get(place) or {})

    def forget(self, place: Place) -> None:
        if self._uses.get(place) is not None:
            self._uses.remove(place)

    def add_minutes(self, minutes: Mapping[tuple[str, int], tuple[int, int]], before: int) -> None:
        for old in [minute for minute, _ in self._minutes.items() if minute[1] < before]:
            self._minutes.remove(old)
        for minute, (calls, refused) in minutes.items():
            known = self._minutes.get(minute) or (0, 0)
            self._minutes.put(minute, (known[0] + calls, known[1] + refused))

    def minutes(self, account: str, first: int) -> dict[int, tuple[int, int]]:
        return {
            minute: amounts
            for (whose, minute), amounts in self._minutes.items()
            if whose == account and minute >= first
        }
