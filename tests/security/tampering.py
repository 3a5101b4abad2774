"""Every way to tamper with every sealed table, generated from the schema: a column edited, rows copied, swapped, deleted,
revived, or put back as they were.

The world has five rows in each table that are made for this: two that stay, one that was changed since yesterday, one that
was removed since, and one more for company.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from keystead.clock import FixedClock
from keystead.crypto.row_seals import RowSeals
from keystead.entropy import SeededEntropy
from keystead.store.database import Database
from keystead.store.sealed import SEALED, UNSEALED, Table
from keystead.store.sealed_table import SealedTable
from keystead.store.sqlite import SqliteStore

STAYS, CHANGED, REMOVED = "stays", "changed", "removed"
ACCOUNT = "1000000000000001"


class Manipulation(NamedTuple):
    """One of them: `do` changes the database, with yesterday's attached as `old`; `names` is what must be found named."""

    table: Table
    kind: str
    do: Callable[[apsw.Connection], None]
    names: tuple[str, ...]


def sealer() -> RowSeals:
    return RowSeals(bytes(32), SeededEntropy())


def opened(path: Path) -> SqliteStore:
    """The store, in a batch, with its seals checked."""
    store = SqliteStore.open(path, clock=FixedClock(), entropy=SeededEntropy())
    store.begin()
    store.protect(sealer())
    return store


def columns_of(connection: apsw.Connection, table: str) -> dict[str, str]:
    """The types of a table's columns, by their names."""
    return {str(row[1]): str(row[2]) for row in connection.execute(f"PRAGMA table_info({table})")}


def uncovered(connection: apsw.Connection) -> list[str]:
    """Tables and columns of a database that no seal covers, though no reason is known."""
    found = []
    sealed = {table.name: table for table in SEALED}
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    for name in (str(name) for (name,) in names):
        if name in sealed:
            covered = {*sealed[name].columns, "seal"}
            found += [f"{name}.{one}" for one in columns_of(connection, name) if one not in covered]
        elif name not in UNSEALED and not name.startswith("sqlite_"):
            found.append(name)
    return found


def row_of(table: Table, types: dict[str, str], number: int) -> tuple[Any, ...]:
    """A row of values that are in no other row of the table."""
    values: list[Any] = []
    for column in table.columns:
        match types[column]:
            case "INTEGER":
                values.append(None if column == "position" else 1000 + number)
            case "BLOB":
                values.append(f"{column} {number}".encode())
            case _:
                values.append(f"{column} {number}")
        if column in ("account", "region", "key_id") and table.kind != "alias":
            # All rows of one account, and of one key, are in one bucket.
            unique = table.key == ("account",) or (table.key[-1] == "key_id" and column == "key_id")
            values[-1] = f"{column} {number}" if unique else {"account": ACCOUNT}.get(column, column)
    return tuple(values)


def make(folder: Path) -> tuple[Path, Path]:
    """Two databases: of yesterday, and of today."""
    yesterday, today = folder / "yesterday.db", folder / "today.db"
    store = SqliteStore.open(today, clock=FixedClock(), entropy=SeededEntropy())
    store._connection.execute("PRAGMA foreign_keys = OFF").fetchall()
    database: Database = store._database
    store.begin()
    store.seal_all(sealer())
    for table in SEALED:
        rows = SealedTable(database, table)
        types = columns_of(store._connection, table.name)
        for number in range(5):
            rows.insert(row_of(table, types, number))
    store.commit()
    store._connection.execute("VACUUM INTO ?", (str(yesterday),))
    store.begin()
    for table in SEALED:
        rows = SealedTable(database, table)
        types = columns_of(store._connection, table.name)
        key = table.key_of(row_of(table, types, 3))
        for column in table.columns:
            if column not in table.key and column not in table.scope_columns and column != "position":
                new = {"INTEGER": 77, "BLOB": b"today"}.get(types[column], "today")
                rows.change(key, **{column: new})
        rows.delete(f"WHERE {table.by_key}", table.key_of(row_of(table, types, 4)))
    store.commit()
    store.close()
    return yesterday, today


def shown(key: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(value.hex() if isinstance(value, bytes) else str(value) for value in key)


def catalogue(database: Path) -> Iterator[Manipulation]:
    """All of them, for the tables that this database of today has."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    for table in SEALED:
        types = columns_of(connection, table.name)
        keys = [table.key_of(row_of(table, types, number)) for number in range(5)]
        for column in types:
            yield _edit(table, column, types, keys[0])
        yield _copy(table, types, keys[0])
        yield _swap(table, keys[0], keys[1])
        yield Manipulation(
            table, "delete", _run(f"DELETE FROM {table.name} WHERE {table.by_key}", keys[1]), ()
        )
        if set(table.columns) - set(table.key) - {"position"}:
            yield Manipulation(table, "old copy", _old(table, keys[3]), shown(keys[3]))
        yield Manipulation(table, "revive", _old(table, keys[4]), shown(keys[4]))
    connection.close()


def _run(sql: str, values: tuple[Any, ...]) -> Callable[[apsw.Connection], None]:
    def do(connection: apsw.Connection) -> None:
        connection.execute(sql, values)
        assert connection.changes() == 1, sql

    return do


def _edit(table: Table, column: str, types: dict[str, str], key: tuple[Any, ...]) -> Manipulation:
    value = {"INTEGER": 31337, "BLOB": b"planted"}.get(types[column], "planted")
    sql = f"UPDATE {table.name} SET {column} = ? WHERE {table.by_key}"
    moved = tuple(value if name == column else one for name, one in zip(table.key, key, strict=True))
    return Manipulation(table, f"edit {column}", _run(sql, (value, *key)), shown(moved))


def _copy(table: Table, types: dict[str, str], key: tuple[Any, ...]) -> Manipulation:
    """A row once more, by another key; so also its seal."""
    new = {name: {"INTEGER": 4242, "BLOB": b"copied"}.get(types[name], "copied") for name in types}
    chosen = [table.key[-1]]
    # What else must be unique.
    chosen += [
        one for one in ("position", "version_id", "name", "user_id", "session_id") if one in table.columns
    ]
    columns = [f"'{new[one]}'" if isinstance(new[one], str) else repr(new[one]) for one in chosen]
    values = {
        one: text.replace("b'", "x'") if text.startswith("b'") else text
        for one, text in zip(chosen, columns, strict=True)
    }
    values = {one: "x'636f70696564'" if text.startswith("x'") else text for one, text in values.items()}
    picked = ", ".join(values.get(one, one) for one in types)
    sql = f"INSERT INTO {table.name} SELECT {picked} FROM {table.name} WHERE {table.by_key}"
    name = new[table.key[-1]]
    return Manipulation(table, "copy", _run(sql, key), shown((name,)))


def _swap(table: Table, one: tuple[Any, ...], other: tuple[Any, ...]) -> Manipulation:
    """All of two rows but what they are known by; so also their seals."""
    names = [name for name in (*table.columns, "seal") if name not in table.key and name != "position"]

    def do(connection: apsw.Connection) -> None:
        connection.execute("PRAGMA ignore_check_constraints = ON").fetchall()
        select = f"SELECT {', '.join(names)} FROM {table.name} WHERE {table.by_key}"
        first, second = (connection.execute(select, key).fetchall()[0] for key in (one, other))
        update = f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in names)} WHERE {table.by_key}"
        aside = [f"aside {value}" if isinstance(value, str) else value for value in first]
        aside = [value + b"x" if isinstance(value, bytes) else value for value in aside]
        connection.execute(update, (*aside, *one))
        connection.execute(update, (*first, *other))
        connection.execute(update, (*second, *one))

    return Manipulation(table, "swap", do, shown(one))


def _old(table: Table, key: tuple[Any, ...]) -> Callable[[apsw.Connection], None]:
    return _run(
        f"INSERT OR REPLACE INTO {table.name} SELECT * FROM old.{table.name} WHERE {table.by_key}", key
    )


def tamper(database: Path, yesterday: Path, manipulation: Manipulation) -> None:
    """Do it, as another program."""
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA foreign_keys = OFF").fetchall()
    connection.execute("ATTACH ? AS old", (str(yesterday),))
    manipulation.do(connection)
    connection.close()
