"""What a database puts together of a record is what is hashed of it."""

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from keystead.domain.audit import COLUMNS, Head, Record, columns, hashed, link
from keystead.store.postgresql.place import Place
from keystead.store.reader import open_reader
from keystead.store.verification import SELECT_HASHED, Verification
from tests.store.kept import opened, records
from tests.store.test_reader import path as path
from tests.unit.domain.test_audit import RECORD

TEXTS = [name for name in COLUMNS if isinstance(getattr(RECORD, name), str) and name != "kind"]


def table() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    types = ", ".join(
        f"{name} {'TEXT' if isinstance(getattr(RECORD, name), str) else 'INTEGER'}" for name in COLUMNS
    )
    connection.execute(f"CREATE TABLE audit (position INTEGER PRIMARY KEY, {types}, hash BLOB) STRICT")
    return connection


def rows_of(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    """The rows of a log, as they are verified; the connection is closed."""
    rows = connection.execute(f"{SELECT_HASHED} ORDER BY position").fetchall()
    connection.close()
    return rows


def of_sqlite(connection: apsw.Connection, record: Record) -> bytes:
    connection.execute("DELETE FROM audit")
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    connection.execute(
        f"INSERT INTO audit ({', '.join(COLUMNS)}, hash) VALUES ({marks})",
        [str(value) if isinstance(value, str) else value for value in (*columns(record), b"")],
    )
    ((_, _, found, _),) = connection.execute(SELECT_HASHED).fetchall()
    assert isinstance(found, bytes)
    return found


@given(
    some.dictionaries(some.sampled_from(TEXTS), some.text(some.characters(codec="utf-8"), max_size=30)),
    some.integers(-(2**63), 2**63 - 1),
    some.sampled_from([(1, 0), (1, 1), (2, 0), (2, 1), (2, 2**63 - 1), (3, 5)]),
)
def test_sqlite_makes_the_same_of_a_record(texts: dict[str, str], number: int, kind: tuple[int, int]) -> None:
    record = msgspec.structs.replace(RECORD, **texts, time=number, format=kind[0], revision=kind[1])
    assert of_sqlite(table(), record) == hashed(columns(record))


@pytest.mark.parametrize("text", ["", "a\0b", "\0", "密", "\U0001f511", "1:2", "\n"])
def test_letters_of_all_kinds(text: str) -> None:
    record = msgspec.structs.replace(RECORD, user_agent=text)
    assert of_sqlite(table(), record) == hashed(columns(record))


@pytest.mark.parametrize("column", ["chain", "user_agent"])
def test_text_that_is_no_utf_8_is_named_as_altered(path: Path, column: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(f"UPDATE audit SET {column} = CAST(x'ff' AS TEXT) WHERE position = 2")
    rows = rows_of(connection)
    verification = Verification()
    for row in rows:
        verification.follow(*row)
    assert any(verdict.bad for verdict in verification.verdicts)


def test_a_verification_goes_on_where_it_ended(path: Path) -> None:
    connection = apsw.Connection(str(path))
    rows = rows_of(connection)
    whole = Verification()
    for row in rows:
        whole.follow(*row)
    for place in range(len(rows) + 1):
        first = Verification()
        for row in rows[:place]:
            first.follow(*row)
        second = Verification(first.verdicts)
        for row in rows[place:]:
            second.follow(*row)
        assert second.verdicts == whole.verdicts


def test_a_head_that_was_noted_must_be_the_very_one(path: Path) -> None:
    connection = apsw.Connection(str(path))
    rows = rows_of(connection)
    for count, noted in ((2, True), (3, False)):
        verification = Verification(expect=Head(count, rows[1][3]))
        for row in rows:
            verification.follow(*row)
        assert [verdict.noted for verdict in verification.verdicts] == [noted]


def chain_of(*kinds: tuple[int, Any]) -> tuple[str, int]:
    """What is found of a chain of records of these formats and revisions, and how many are right."""
    verification, head = Verification(), bytes(32)
    for number, (format_, revision) in enumerate(kinds, 1):
        record = msgspec.structs.replace(RECORD, sequence=number, format=format_, revision=revision)
        head = link(head, record)
        verification.follow(RECORD.chain.encode(), number, hashed(columns(record)), head)
    (verdict,) = verification.verdicts
    return verdict.bad, verdict.head.count


def test_a_chain_does_not_go_back_to_an_earlier_revision() -> None:
    assert chain_of((1, 0), (1, 0), (2, 0), (2, 7), (2, 7), (2, 8), (2, 17), (2, 17)) == ("", 8)
    for later in ((2, 7), (2, 8), (1, 0), (2, -17), (2, "x"), (2, "1:x")):
        bad, right = chain_of((2, 7), (2, 17), later, (2, 18))
        assert right == 2, later
        assert bad == f"record 3 of chain {RECORD.chain} is of an earlier revision than the one before it"
    assert chain_of((2, 0), (1, 0)) == ("", 2)


ODD = ["", "a\0b", "\0", "\ufdd0", "\ufdd00\0\ufdd01", "密", "\U0001f511", "1:2", "\n", "\\x00", "'"]


def test_postgresql_makes_the_same_of_a_record(database_url: str) -> None:
    """Of texts, too, that it can't keep as they are."""
    where = Place(database_url, "here")
    store = opened(where)
    of_first = [msgspec.structs.replace(RECORD, format=1, request_id=text) for text in ODD]
    of_second = [
        msgspec.structs.replace(RECORD, revision=number, status=-number, user_agent=text, parameters=text)
        for number in (0, 2**63 - 1)
        for text in ODD
    ]
    records(store, len(ODD), of_first)
    records(store, len(of_second), of_second)
    with closing(open_reader(where)) as reader:
        rows = reader._database.hashed("TRUE", ())
        assert len(rows) == 3 * len(ODD)
        for row, record in zip(rows, reader.all(), strict=True):
            assert row[:3] == (b"a.1", record.sequence, hashed(columns(record)))
        found = [
            (record.format, record.request_id, record.user_agent, record.status) for record in reader.all()
        ]
        assert found == [
            (one.format, one.request_id, one.user_agent, one.status) for one in of_first + of_second
        ]
        (verdict,) = reader.verify()
        assert (verdict.bad, verdict.head) == ("", store.audit.head(store.server_id))
    store.close()
