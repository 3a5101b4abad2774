"""Tables in memory whose every write can be undone, as a database's can."""

from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Missing:
    pass


MISSING = Missing()
Journal = list[tuple[dict[Any, Any], Any, Any]]


class Rows(Generic[K, V]):
    """A table: values by key, each with a position that only grows. Every write can be undone."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: dict[K, tuple[int, V]] = {}
        self._position = 0

    def get(self, name: K) -> V | None:
        row = self._rows.get(name)
        return None if row is None else row[1]

    def put(self, name: K, value: V) -> None:
        old = self._rows.get(name)
        self._journal.append((self._rows, name, MISSING if old is None else old))
        if old is None:
            self._position += 1
            self._rows[name] = (self._position, value)
        else:
            self._rows[name] = (old[0], value)

    def remove(self, name: K) -> None:
        self._journal.append((self._rows, name, self._rows[name]))
        del self._rows[name]

    def values(self) -> list[V]:
        """All values, in order of their first appearance."""
        return [value for _, value in sorted(self._rows.values(), key=lambda row: row[0])]
