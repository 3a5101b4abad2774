"""Databases with records, as a test finds them: where they are, and what somebody does to them behind the program."""

from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec
import psycopg

from keystead.clock import FixedClock
from keystead.domain.audit import Record, link
from keystead.entropy import SeededEntropy
from keystead.store.database_store import DatabaseStore
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.store import PostgresStore
from keystead.store.sqlite import SqliteStore
from tests.unit.domain.test_audit import RECORD

Where = Path | Place


def opened(where: Where, server: str = "a") -> DatabaseStore:
    """The store there, made if need be."""
    if isinstance(where, Path):
        return SqliteStore.open(where, clock=FixedClock(), entropy=SeededEntropy())
    return PostgresStore.open(where, server, "here", FixedClock())


def change(where: Where, *statements: str) -> None:
    """As another program would."""
    if isinstance(where, Path):
        connection = apsw.Connection(str(where))
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(where.conninfo) as session:
        for statement in statements:
            session.execute(statement.replace("x'00'", r"'\x00'").encode())


def records(store: DatabaseStore, count: int, of: Sequence[Record] = (RECORD,)) -> None:
    """So many records more on its chain, in one batch: those of `of` in turn."""
    store.begin()
    head = store.audit.head(store.server_id)
    previous, rows = head.hash, []
    for number in range(head.count + 1, head.count + 1 + count):
        record = of[(number - head.count - 1) % len(of)]
        record = msgspec.structs.replace(record, chain=store.server_id, sequence=number, time=number * 1000)
        previous = link(previous, record)
        rows.append((record, previous))
    store.audit.append(rows)
    store.commit()
