"""Tallies in databases. They decide nothing, so they count no revision up."""

from collections.abc import Mapping

from keystead.domain.keys.uses import Place, Use, User
from keystead.store.database import Database

# The step of the schema that brought them: of SQLite's, or PostgreSQL's first one.
_SINCE = "SELECT applied FROM migrations WHERE name IN ('key_uses', 'initial') ORDER BY number DESC LIMIT 1"
# Only of a key that is still there: one that was deleted takes its uses along.
_ADD_USE = (
    "INSERT INTO key_uses (version, account, caller_type, principal, name, access_key_id, action, last, count, refused, "
    "key_account, region, key_id) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, account, region, key_id FROM keys "
    "WHERE account = ? AND region = ? AND key_id = ? "
    "ON CONFLICT (key_account, region, key_id, version, account, caller_type, principal, name, access_key_id, action) "
    "DO UPDATE SET last = CASE WHEN excluded.last > key_uses.last THEN excluded.last ELSE key_uses.last END, "
    "count = key_uses.count + excluded.count, refused = key_uses.refused + excluded.refused"
)
_ADD_MINUTE = (
    "INSERT INTO minutes VALUES (?, ?, ?, ?) ON CONFLICT (account, minute) "
    "DO UPDATE SET calls = minutes.calls + excluded.calls, refused = minutes.refused + excluded.refused"
)
_PLACE = "key_account = ? AND region = ? AND key_id = ?"


class Tallies:
    """See keystead.store.ports.Tallies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self) -> int:
        ((applied,),) = self._database.rows(_SINCE)
        return int(applied)

    def add_uses(self, place: Place, uses: Mapping[User, Use]) -> None:
        self._database.beside(_ADD_USE, [(*user, *use, *place) for user, use in sorted(uses.items())])

    def uses(self, place: Place) -> dict[User, Use]:
        rows = self._database.rows(
            "SELECT version, account, caller_type, principal, name, access_key_id, action, last, count, refused "  # noqa: S608
            f"FROM key_uses WHERE {_PLACE}",
            place,
        )
        return {User(*row[:7]): Use(*row[7:]) for row in rows}

    def forget(self, place: Place) -> None:
        self._database.rows(f"DELETE FROM key_uses WHERE {_PLACE}", place)  # noqa: S608 - a constant

    def add_minutes(self, minutes: Mapping[tuple[str, int], tuple[int, int]], before: int) -> None:
        self._database.beside("DELETE FROM minutes WHERE minute < ?", [(before,)])
        self._database.beside(
            _ADD_MINUTE, [(*minute, *amounts) for minute, amounts in sorted(minutes.items())]
        )

    def minutes(self, account: str, first: int) -> dict[int, tuple[int, int]]:
        rows = self._database.rows(
            "SELECT minute, calls, refused FROM minutes WHERE account = ? AND minute >= ?", (account, first)
        )
        return {int(minute): (int(calls), int(refused)) for minute, calls, refused in rows}
