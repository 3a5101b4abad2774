"""The repository of keys in the embedded store: keys, versions and tags."""

from collections.abc import Collection
from functools import cache
from itertools import islice

from keystead.domain.keys.key import Key, KeyFilter, KeyVersion
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.policies import guests
from keystead.store.database import Database, remember
from keystead.store.key_rows import key_of, listing_of, row_of_key, row_of_version, version_of
from keystead.store.listing import Listing
from keystead.store.ports import Page
from keystead.store.sealed import KEY_VERSIONS, KEYS, TAGS
from keystead.store.sealed_table import SealedTable
from keystead.store.tables import Aliases

_FACETS = "state || ' ' || spec || ' ' || usage || ' ' || origin || ' ' || protection || ' ' || service"
_OF_KEY = "WHERE account = ? AND region = ? AND key_id = ?"
_BY_ID = "WHERE account = ? AND version_id = ?"


class Keys:
    """See keystead.store.ports.Keys."""

    def __init__(self, database: Database, listing: Listing, aliases: Aliases) -> None:
        self._database = database
        self._listing = listing
        self._aliases = aliases
        self._key_rows = SealedTable(database, KEYS)
        self._version_rows = SealedTable(database, KEY_VERSIONS)
        self._tag_rows = SealedTable(database, TAGS)
        self._keys: dict[tuple[str, str, str], Key] = {}
        self._versions: dict[tuple[str, str], KeyVersion] = {}
        self._tags: dict[tuple[str, str, str], dict[str, str]] = {}

    def drop_cache(self) -> None:
        self._keys.clear()
        self._versions.clear()
        self._tags.clear()

    def get(self, account: str, region: str, key_id: str) -> Key | None:
        found = self._keys.get((account, region, key_id))
        if found is None:
            row = self._key_rows.get(account, region, key_id)
            if row is None:
                return None
            found = key_of(row)
            remember(self._keys, (account, region, key_id), found)
        return found

    def add(self, key: Key, version: KeyVersion, tags: dict[str, str]) -> None:
        row = self._key_rows.insert(row_of_key(key))
        self._add_guests(key)
        self.add_version(version)
        self._add_tags(key.account, key.region, key.key_id, tags)
        self._listing.count(listing_of(key.account, key.region), row[0], _facets(key), 1)

    def put(self, key: Key) -> None:
        row = self._key_rows.put(row_of_key(key))
        assert row is not None
        old, position = key_of(row), row[0]
        if old.policy != key.policy:
            self._remove_guests(key)
            self._add_guests(key)
        if _facets(old) != _facets(key):
            self._listing.count(listing_of(key.account, key.region), position, _facets(old), -1)
            self._listing.count(listing_of(key.account, key.region), position, _facets(key), 1)
        self._keys.pop(key.place, None)

    def remove(self, key: Key) -> tuple[str, ...]:
        place = key.place
        self._aliases.remove_all_of(*place)
        self._tag_rows.delete(_OF_KEY, place)
        removed = self._version_rows.delete(_OF_KEY, place)
        self._remove_guests(key)
        for row in self._key_rows.delete(_OF_KEY, place):
            self._listing.count(listing_of(key.account, key.region), row[0], _facets(key_of(row)), -1)
        self.drop_cache()
        return tuple(version_of(row).version_id for row in removed)

    def add_version(self, version: KeyVersion) -> None:
        self._version_rows.insert(row_of_version(version))

    def put_version(self, version: KeyVersion) -> None:
        self._version_rows.put(row_of_version(version))
        self._versions.pop((version.account, version.version_id), None)

    def versions(self, account: str, region: str, key_id: str, offset: int, limit: int) -> Page[KeyVersion]:
        # Numbers count from 1 without a gap: the last is how many there are.
        place = (account, region, key_id)
        last = self._database.rows(f"SELECT max(number) FROM key_versions {_OF_KEY}", place)  # noqa: S608
        total = int(last[0][0] or 0)
        rows = self._version_rows.select(
            f"{_OF_KEY} AND number <= ? ORDER BY number DESC LIMIT ?",
            (*place, total - offset, limit),
            _scope(place),
        )
        return Page(tuple(version_of(row) for row in rows), total)

    def version(self, account: str, version_id: str) -> KeyVersion | None:
        found = self._versions.get((account, version_id))
        if found is None:
            # The index of both finds it: another account's version is not met on the way.
            rows = self._version_rows.select(_BY_ID, (account, version_id))
            if not rows:
                return None
            found = version_of(rows[0])
            remember(self._versions, (account, version_id), found)
        return found

    def versions_after(self, place: tuple[str, str, str, int], limit: int) -> tuple[KeyVersion, ...]:
        order = ", ".join(KEY_VERSIONS.key)
        rows = self._version_rows.select(
            f"WHERE ({order}) > (?, ?, ?, ?) ORDER BY {order} LIMIT ?", (*place, limit)
        )
        return tuple(map(version_of, rows))

    def has_version(self, version_id: str) -> bool:
        # An account at a time: in the embedded store an id is looked up among those of one.
        return bool(
            self._database.rows(
                "SELECT 1 FROM key_versions WHERE account IN (SELECT account FROM accounts) AND version_id = ?",
                (version_id,),
            )
        )

    def shares(self, account: str, region: str, key_id: str, guest: str) -> bool:
        # By this index the key's other guests are not met on the way.
        return bool(
            self._database.rows(
                "SELECT 1 FROM guests INDEXED BY guests_by_name "
                "WHERE guest IN (?, '*') AND account = ? AND region = ? AND key_id = ?",
                (guest, account, region, key_id),
            )
        )

    def hosts(self, guest: str) -> tuple[str, ...]:
        rows = self._database.rows(
            "SELECT DISTINCT account FROM guests WHERE guest IN (?, '*') AND account <> ? ORDER BY account",
            (guest, guest),
        )
        return tuple(str(account) for (account,) in rows)

    def _add_guests(self, key: Key) -> None:
        if not key.policy:
            return
        self._database.many(
            "INSERT INTO guests (guest, account, region, key_id) VALUES (?, ?, ?, ?)",
            [(guest, *key.place) for guest in guests(key.policy, key.account)],
        )

    def _remove_guests(self, key: Key) -> None:
        self._database.rows("DELETE FROM guests WHERE account = ? AND region = ? AND key_id = ?", key.place)

    def tags(self, account: str, region: str, key_id: str) -> dict[str, str]:
        place = (account, region, key_id)
        found = self._tags.get(place)
        if found is None:
            rows = self._tag_rows.select(f"{_OF_KEY} ORDER BY name", place, _scope(place))
            found = {str(row[3]): str(row[4]) for row in rows}
            remember(self._tags, place, found)
        return dict(found)

    def put_tags(self, account: str, region: str, key_id: str, tags: dict[str, str]) -> None:
        self._database.revised = True
        self._tag_rows.delete(_OF_KEY, (account, region, key_id))
        self._add_tags(account, region, key_id, tags)

    def tagged(
        self, account: str, region: str, tags: dict[str, str | None], after: str, limit: int
    ) -> tuple[str, ...]:
        # INTERSECT of ranges of one index each: no tag but the wanted ones is looked at.
        one = "SELECT key_id FROM tags WHERE account = ? AND region = ? AND key_id > ?"
        values: list[str | int] = [account, region, after]
        ranges = [one]
        if tags:
            ranges = [
                f"{one} AND name = ?{'' if value is None else ' AND value = ?'}" for value in tags.values()
            ]
            each = ((account, region, after, *tag) for tag in tags.items())
            values = [item for items in each for item in items if item is not None]
        sql = f"SELECT DISTINCT key_id FROM ({' INTERSECT '.join(ranges)}) AS n ORDER BY key_id LIMIT ?"  # noqa: S608
        return tuple(str(key_id) for (key_id,) in self._database.rows(sql, [*values, limit]))

    def _add_tags(self, account: str, region: str, key_id: str, tags: dict[str, str]) -> None:
        self._tags.pop((account, region, key_id), None)
        for name, value in tags.items():
            self._tag_rows.insert((account, region, key_id, name, value))

    def page(self, account: str, region: str, where: KeyFilter, offset: int, limit: int) -> Page[str]:
        @cache
        def wanted(text: str) -> bool:
            return where.fits(account, text.split(" "))

        if where.named:
            named = [key_id for key_id, text in self._named(account, region, where) if wanted(text)]
            return Page(tuple(named[offset : offset + limit]), len(named))

        def walk(first: int, last: int) -> list[str]:
            rows = self._database.rows(
                f"SELECT key_id, {_FACETS} FROM keys "  # noqa: S608
                "WHERE account = ? AND region = ? AND position >= ? AND position < ? ORDER BY position",
                (account, region, first, last),
            )
            return [key_id for key_id, text in rows if wanted(text)]

        items, total = self._listing.page(listing_of(account, region), offset, limit, walk, wanted)
        return Page(items, total)

    def amounts(self) -> dict[KeyState, int]:
        found: dict[KeyState, int] = {}
        for facets, amount in self._listing.amounts("keys"):
            state = KeyState(facets.partition(" ")[0])
            found[state] = found.get(state, 0) + amount
        return found

    def _named(self, account: str, region: str, where: KeyFilter) -> list[tuple[str, str]]:
        """Id and facets of the keys that a filter names, in order: an INTERSECT of index ranges, each key looked up once."""
        place, ranges, values = "WHERE account = ? AND region = ? AND", [], []
        if where.ids:
            ranges.append(f"SELECT key_id FROM keys {place} key_id {_among(where.ids)}")  # noqa: S608
            values += [account, region, *where.ids]
        if where.aliases:
            ranges.append(f"SELECT DISTINCT key_id FROM aliases {place} name {_among(where.aliases)}")  # noqa: S608
            values += [account, region, *where.aliases]
        if where.instances:
            among = f"instance {_among(where.instances)} AND instance <> ''"
            ranges.append(f"SELECT key_id FROM keys {place} {among}")  # noqa: S608
            values += [account, region, *where.instances]
        if where.tag_keys or where.tag_values:
            both = [("name", where.tag_keys), ("value", where.tag_values)]
            conditions = " AND ".join(f"{column} {_among(some)}" for column, some in both if some)
            ranges.append(f"SELECT DISTINCT key_id FROM tags {place} {conditions}")  # noqa: S608
            values += [account, region, *where.tag_keys, *where.tag_values]
        rows = self._database.rows(
            f"SELECT k.key_id, {_FACETS} FROM ({' INTERSECT '.join(ranges)}) AS n CROSS JOIN keys AS k "  # noqa: S608
            "WHERE k.account = ? AND k.region = ? AND k.key_id = n.key_id ORDER BY k.position",
            [*values, account, region],
        )
        return [(str(key_id), str(text)) for key_id, text in rows]

    def due(self, now: int, limit: int) -> tuple[Key, ...]:
        return self._next_by("deletion_at", now, limit)

    def rotating(self, now: int, limit: int) -> tuple[Key, ...]:
        return self._next_by("rotation_due", now, limit)

    def expiring(self, now: int, limit: int) -> tuple[Key, ...]:
        return self._next_by("expires", now, limit)

    def _next_by(self, column: str, now: int, limit: int) -> tuple[Key, ...]:
        rows = self._key_rows.sound(f"WHERE {column} IS NOT NULL AND {column} <= ? ORDER BY {column}", (now,))
        return tuple([key_of(row) for row in islice(rows, limit)])


def _facets(key: Key) -> str:
    return f"{key.state} {key.spec} {key.usage} {key.origin} {key.protection} {key.service}"


def _scope(place: tuple[str, str, str]) -> str | None:
    return KEYS.scope_of_key(place)


def _among(values: Collection[str]) -> str:
    return f"IN ({', '.join('?' * len(values))})"
