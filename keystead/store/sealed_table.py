"""A sealed table as the repositories use it: what is read is checked, what is written is sealed and added up."""

from collections.abc import Iterator, Sequence
from typing import Any

from keystead.store.database import Database
from keystead.store.sealed import Row, Table
from keystead.store.seals import Seals


class SealedTable:
    """The rows of one table. They come out as its columns in order, and their seals behind them.

    StoredRowAltered for a row that is not as it was written.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self.table = table
        names = (*table.columns, "seal")
        self._insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        self._delete = f"DELETE FROM {table.name} WHERE {table.by_key}"  # noqa: S608 - our own names
        self._get = f"{table.select} WHERE {table.by_key}"
        self._placed = table.columns[0] == "position"

    def select(self, more: str, values: Sequence[Any] = (), scope: str | None = None) -> list[Row]:
        """The rows of the statement that ends with this. `scope`: whose they are, if they are one's; then the lack of them
        is checked, too."""
        rows = self._database.rows(f"{self.table.select} {more}", values)
        seals = self._database.seals
        if seals is None:
            return rows
        if scope is not None or not rows:
            seals.blocked.guard(self.table, scope)
        return seals.checked(self.table, rows)

    def sound(self, more: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """As `select`, without the rows that were altered: for work that must go on with the others."""
        seals = self._database.seals
        for row in self._database.each(f"{self.table.select} {more}", values):
            if seals is None or seals.is_sound(self.table, row):
                yield row

    def get(self, *key: Any) -> Row | None:
        """The row of this key, or None."""
        rows = self._database.rows(self._get, key)
        seals = self._database.seals
        if seals is not None:
            if rows:
                seals.check(self.table, rows[0])
            else:
                seals.blocked.guard(self.table, self.table.scope_of_key(key))
        return rows[0] if rows else None

    def insert(self, values: Sequence[Any]) -> Row:
        """A new row, of values in the order of the columns; a position of None is given the next one."""
        row = self.table.plain(values)
        if self._placed and row[0] is None:
            row = (self._database.next_position(self.table.name), *row[1:])
        self._database.revised = True
        seals = self._database.seals
        self._database.rows(self._insert, (*row, b"" if seals is None else seals.add(self.table, row)))
        return row

    def put(self, values: Sequence[Any]) -> Row | None:
        """Replace the row of the same key, whose position stays; gives what it was, None if there is none."""
        row = self.table.plain(values)
        old = self.get(*self.table.key_of(row))
        if old is None:
            return None
        if self._placed:
            row = (old[0], *row[1:])
        self._replace(old, row)
        return old

    def change(self, key: Sequence[Any], **values: Any) -> Row | None:
        """Change some columns of the row of this key, none of them of the key; gives what it was, None if there is none."""
        old = self.get(*key)
        if old is not None:
            row = list(old[:-1])
            for column, value in values.items():
                row[self.table.columns.index(column)] = value
            self._replace(old, self.table.plain(row))
        return old

    def delete(self, more: str, values: Sequence[Any] = ()) -> list[Row]:
        """Remove the rows of the condition; gives them."""
        rows = self.select(more, values)
        self.remove(rows)
        return rows

    def remove(self, rows: Sequence[Row]) -> None:
        """Remove these rows, as they were read."""
        seals = self._database.seals
        for row in rows:
            self._database.revised = True
            if seals is not None:
                seals.remove(self.table, row)
            self._database.rows(self._delete, self.table.key_of(row))

    def _replace(self, old: Row, row: Row) -> None:
        columns = self.table.columns
        changed = [place for place, value in enumerate(row) if value != old[place]]
        if not changed:
            return
        self._database.revised = True
        values = [row[place] for place in changed]
        names = [f"{columns[place]} = ?" for place in changed]
        seals = self._database.seals
        if seals is not None:
            seals.remove(self.table, old)
            names.append("seal = ?")
            values.append(seals.add(self.table, row))
        self._database.rows(
            f"UPDATE {self.table.name} SET {', '.join(names)} WHERE {self.table.by_key}",  # noqa: S608 - our own names
            (*values, *self.table.key_of(old)),
        )


def seal_table(database: Database, seals: Seals, table: Table) -> int:
    """Seal all rows of a table as they are; gives how many they are."""
    # By a second cursor: those that were sealed are not met again, since no key is changed.
    amount = 0
    sql = f"UPDATE {table.name} SET seal = ? WHERE {table.by_key}"  # noqa: S608 - our own names
    for sealed in database.each(table.select):
        row = sealed[:-1]
        database.rows(sql, (seals.add(table, row), *table.key_of(row)))
        amount += 1
        if amount % 10_000 == 0:
            seals.settle()
    return amount
