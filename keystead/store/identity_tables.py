"""Users, groups, policies and how users sign in, in the embedded store: a table for each type, a column for each field.

An account has some hundreds of them at most, so all of a type are read at once and known by heart from then on.
"""

from typing import Any, NamedTuple

import msgspec

from keystead.domain.identities import Attachment, CustomPolicy, Group, Member, PolicyVersion, User
from keystead.domain.sign_in import KnownAddress, LoginProfile, MfaDevice, PasswordPolicy
from keystead.store.database import Database
from keystead.store.identity_ports import IDENTITIES, Identity, Revisions, V, identity_key


class _Table(NamedTuple):
    """The statements of the table of a type."""

    fields: tuple[str, ...]
    other: tuple[str, ...]  # the fields that are not part of its key
    select: str
    insert: str
    update: str
    delete: str


def _table(name: str, kind: type[Identity]) -> _Table:
    fields, key = kind.__struct_fields__, IDENTITIES[kind]
    other = tuple(field for field in fields if field not in key)
    columns = ", ".join(fields)
    where = " WHERE " + " AND ".join(f"{field} = ?" for field in key)
    changed = ", ".join(f"{field} = ?" for field in other)
    return _Table(
        fields,
        other,
        f"SELECT {columns} FROM {name}",  # noqa: S608 - these are our own names
        f"INSERT INTO {name} ({columns}) VALUES ({', '.join('?' * len(fields))})",  # noqa: S608 - as above
        f"UPDATE {name} SET {changed}{where}",  # noqa: S608 - as above
        f"DELETE FROM {name}{where}",  # noqa: S608 - as above
    )


_TABLES: dict[type[Identity], _Table] = {
    kind: _table(name, kind)
    for name, kind in (
        ("users", User),
        ("user_groups", Group),
        ("members", Member),
        ("policies", CustomPolicy),
        ("policy_versions", PolicyVersion),
        ("attachments", Attachment),
        ("login_profiles", LoginProfile),
        ("password_policies", PasswordPolicy),
        ("mfa_devices", MfaDevice),
        ("known_addresses", KnownAddress),
    )
}


class Identities:
    """See keystead.store.ports.Identities."""

    def __init__(self, database: Database) -> None:
        self._database = database
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
            found = self._all[kind, account] = self._rows(kind, "account = ?", account)
        return found

    def versions(self, account: str, policy: str) -> tuple[PolicyVersion, ...]:
        return self._rows(PolicyVersion, "account = ? AND policy = ?", account, policy)

    def add(self, one: Identity) -> None:
        self._changed(one)
        self._database.rows(_TABLES[type(one)].insert, msgspec.structs.astuple(one))

    def put(self, one: Identity) -> None:
        self._changed(one)
        table = _TABLES[type(one)]
        self._database.rows(
            table.update, (*(getattr(one, field) for field in table.other), *identity_key(one))
        )

    def remove(self, one: Identity) -> None:
        self._changed(one)
        self._database.rows(_TABLES[type(one)].delete, identity_key(one))

    def _changed(self, one: Identity) -> None:
        self._database.revise()
        self._all.pop((type(one), one.account), None)
        self._revisions.changed(one.account)

    def _rows(self, kind: type[Any], where: str, *values: str) -> tuple[Any, ...]:
        table = _TABLES[kind]
        rows = self._database.rows(f"{table.select} WHERE {where} ORDER BY position", values)
        # SQLite has no truth values: those come as numbers.
        values_of = [dict(zip(table.fields, row, strict=True)) for row in rows]
        return tuple([msgspec.convert(one, kind, strict=False) for one in values_of])
