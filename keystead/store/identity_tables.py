"""Users, groups, policies and how users sign in, in the embedded store: a table for each type, a column for each field.

An account has some hundreds of them at most, so all of a type are read at once and known by heart from then on.
"""

from typing import Any

import msgspec

from keystead.domain.identities import PolicyVersion
from keystead.store.database import Database
from keystead.store.identity_ports import Identity, Revisions, V, identity_key
from keystead.store.sealed import OF_IDENTITIES
from keystead.store.sealed_table import SealedTable


class Identities:
    """See keystead.store.ports.Identities."""

    def __init__(self, database: Database) -> None:
        self._tables = {kind: SealedTable(database, table) for kind, table in OF_IDENTITIES.items()}
        self._all: dict[tuple[type[Identity], str], tuple[Any, ...]] = {}
        self._revisions = Revisions()

    def drop_cache(self) -> None:
        self._all.clear()
        self._revisions.all_changed()

    def revision(self, account: str) -> int:
        return self._revisions.of(account)

    def all(self, kind: type[V], account: str) -> tuple[V, ...]:
        found = self._all.get((kind, account))
        if found is None:
            found = self._all[kind, account] = self._rows(kind, account)
        return found

    def versions(self, account: str, policy: str) -> tuple[PolicyVersion, ...]:
        return self._rows(PolicyVersion, account, " AND policy = ?", policy)

    def add(self, one: Identity) -> None:
        self._changed(one).insert((None, *msgspec.structs.astuple(one)))

    def put(self, one: Identity) -> None:
        self._changed(one).put((None, *msgspec.structs.astuple(one)))

    def remove(self, one: Identity) -> None:
        table = self._changed(one)
        table.delete(f"WHERE {table.table.by_key}", identity_key(one))

    def _changed(self, one: Identity) -> SealedTable:
        self._all.pop((type(one), one.account), None)
        self._revisions.changed(one.account)
        return self._tables[type(one)]

    def _rows(self, kind: type[Any], account: str, more: str = "", *values: str) -> tuple[Any, ...]:
        sql = f"WHERE account = ?{more} ORDER BY position"
        rows = self._tables[kind].select(sql, (account, *values), f"account {account}")
        # SQLite has no truth values: those come as numbers.
        fields = kind.__struct_fields__
        values_of = [dict(zip(fields, row[1:-1], strict=True)) for row in rows]
        return tuple([msgspec.convert(one, kind, strict=False) for one in values_of])
