"""Tallies in the embedded store. They decide nothing, so they count no revision up."""

from collections.abc import Mapping

from keystead.domain.keys.uses import Place, Use, User
from keystead.store.database import Database

_MIGRATION = "key_uses"
_PLACE = "key_account = ? AND region = ? AND key_id = ?"


class Tallies:
    """See keystead.store.ports.Tallies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self) -> int:
        ((applied,),) = self._database.rows("SELECT applied FROM migrations WHERE name = ?", (_MIGRATION,))
        return int(applied)

    def add_uses(self, place: Place, uses: Mapping[User, Use]) -> None:
        self._database.many(
            # Only of a key that is still there: one that was deleted takes its uses along.
            "INSERT INTO key_uses SELECT account, region, key_id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM keys "
            "WHERE account = ? AND region = ? AND key_id = ? "
            "ON CONFLICT DO UPDATE SET last = max(last, excluded.last), count = count + excluded.count, "
            "refused = refused + excluded.refused",
            [(*user, *use, *place) for user, use in uses.items()],
        )

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
        self._database.rows("DELETE FROM minutes WHERE minute < ?", (before,))
        self._database.many(
            "INSERT INTO minutes VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, refused = refused + excluded.refused",
            [(*minute, *amounts) for minute, amounts in minutes.items()],
        )

    def minutes(self, account: str, first: int) -> dict[int, tuple[int, int]]:
        rows = self._database.rows(
            "SELECT minute, calls, refused FROM minutes WHERE account = ? AND minute >= ?", (account, first)
        )
        return {int(minute): (int(calls), int(refused)) for minute, calls, refused in rows}
