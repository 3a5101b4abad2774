"""The rows of a store, carried from one end to the other: table by table, some thousand at a time."""

from collections.abc import Callable
from hashlib import blake2b, sha256

import msgspec

from keystead.errors import OperatorError
from keystead.store.holds import Hold
from keystead.store.transfer.ends import End, Source, Target, packed, unpacked
from keystead.store.transfer.order import ALL, UNSEALED, Carried

AT_ONCE = 10_000  # rows in one transaction
Tell = Callable[[str, int, int], None]  # what is done, how much of it, of how much


def origin(source: Source, account: str, revision: int) -> str:
    """What stands for a store as it is now: another one, and the same after any call, has another."""
    ends = {chain: str(end) for chain, end in source.ends().items()}
    return sha256(msgspec.json.encode([account, revision, ends])).hexdigest()


def order() -> str:
    """What stands for the order in which rows are carried."""
    return sha256(msgspec.json.encode(ALL)).hexdigest()[:16]


def carry(source: Source, target: Target, hold: Hold, tell: Tell) -> Hold:
    """Write all rows that the target lacks, and give how far it has come. StoreFailure where that fails; then it goes on
    from there. OperatorError if the ends are of different versions."""
    tables = [one for one in ALL if source.has(one) and one.into in target.tables()]
    amounts = {one.name: source.count(one) for one in tables}
    total, done = max(1, sum(amounts.values())), 0
    begun = [one.name for one in tables].index(hold.table) if hold.table else 0
    for place, table in enumerate(tables):
        if place < begun:
            done += amounts[table.name]
            continue
        columns = _columns(source, target, table)
        after = unpacked(hold.after) if table.name == hold.table else None
        while rows := source.rows(table, columns, after, AT_ONCE):
            after = tuple(rows[-1][columns.index(one)] for one in table.key)
            hold = msgspec.structs.replace(hold, table=table.name, after=packed(after))
            target.put(table, columns, rows, hold)
            done += len(rows)
            tell("copying", min(done, total), total)
        target.filled(table)
    return hold


def _columns(source: End, target: End, table: Carried) -> tuple[str, ...]:
    columns = _columns_of(source, table)
    if not set(columns) <= set(target.columns(table.into)):
        raise OperatorError(
            f"{target.shown} has no place for all that the table {table.name} of {source.shown} holds",
            hint="both are to be of this version: start keystead serve on the first once",
        )
    return columns


def differences(source: Source, target: Target, tell: Tell = lambda what, done, total: None) -> list[str]:
    """The tables that are not as at the source: by how many rows they have, and where neither seals nor chains prove these,
    by what is in them. In a transaction of each."""
    found = []
    both = target.tables()
    for place, into in enumerate(sorted({one.into for one in ALL} & both)):
        tables = [one for one in ALL if one.into == into and source.has(one)]
        if tables and _contents(source, tables) != _contents(target, [_OF[into]]):
            found.append(into)
        tell("comparing", place + 1, len(both))
    return found


_OF = {one.name: one for one in ALL}


def _contents(end: End, tables: list[Carried]) -> tuple[int, int]:
    """How many rows these tables have, and the sum of their digests in whatever order; 0 where it is not needed."""
    amount = total = 0
    for table in tables:
        if table not in UNSEALED:
            amount += end.count(table)
            continue
        columns = sorted(_columns_of(end, table))
        for row in end.database.each(f"SELECT {', '.join(columns)} FROM {table.source}"):  # noqa: S608 - our own names
            amount += 1
            total += int.from_bytes(blake2b(msgspec.msgpack.encode(row), digest_size=16).digest(), "big")
    return amount, total


def _columns_of(end: End, table: Carried) -> tuple[str, ...]:
    return table.key if table.among else end.columns(table.name)


def counts(end: End) -> dict[str, int]:
    """How many rows each table has."""
    return {one.name: end.count(one) for one in ALL if one.name == one.into and end.has(one)}
