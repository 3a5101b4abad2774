"""The verification names the first altered, missing or moved record."""

from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec
import pytest

from keystead.domain.audit import COLUMNS, GENESIS, Head, link
from keystead.errors import OperatorError
from keystead.store.reader import STRETCH, Verdict, Wanted, open_reader
from keystead.store.sqlite import SqliteStore
from tests.store.test_sqlite import opened
from tests.unit.domain.test_audit import RECORD

COUNT = 6


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = opened(tmp_path)
    store.begin()
    previous, rows = GENESIS, []
    for number in range(1, COUNT + 1):
        record = msgspec.structs.replace(
            RECORD,
            chain=store.server_id,
            sequence=number,
            time=number * 1000,
            action="Encrypt" if number % 2 else "Decrypt",
            code="" if number < 5 else "Rejected.Disabled",
            resources=f'["acs:kms:r:1:key/k{number}"]',
            access_key_id=f"LTAI{number}",
        )
        previous = link(previous, record)
        rows.append((record, previous))
    store.audit.append(rows)
    store.commit()
    store.close()
    return tmp_path / "k.db"


def verdict(path: Path, expect: Head | None = None) -> Verdict:
    reader = open_reader(path)
    try:
        (found,) = reader.verify(expect)
    finally:
        reader.close()
    return found


def change(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_an_untouched_chain_is_right(path: Path) -> None:
    found = verdict(path)
    assert (found.bad, found.head.count, found.noted) == ("", COUNT, None)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("chain", "sequence")])
def test_an_altered_column_is_found(path: Path, column: str) -> None:
    value = "9" if column in ("format", "time", "status", "revision") else "'altered'"
    change(path, f"UPDATE audit SET {column} = {value} WHERE sequence = 3")
    found = verdict(path)
    assert "record 3 " in found.bad
    assert found.head.count == 2


def test_a_hash_of_another_type_is_found(path: Path) -> None:
    change(path, "UPDATE audit SET hash = x'00' WHERE sequence = 3")
    assert "record 3 " in verdict(path).bad


def test_a_missing_record_is_found(path: Path) -> None:
    change(path, "DELETE FROM audit WHERE sequence = 3")
    assert "record 3 of" in verdict(path).bad
    assert "is missing" in verdict(path).bad


def test_swapped_records_are_found(path: Path) -> None:
    change(
        path,
        "UPDATE audit SET sequence = 99 WHERE sequence = 3",
        "UPDATE audit SET sequence = 3 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 99",
    )
    assert "record 3 of" in verdict(path).bad


def test_a_cut_off_tail_is_proved_by_a_head_noted_before(path: Path) -> None:
    whole = verdict(path).head
    assert verdict(path, whole).noted
    change(path, f"DELETE FROM audit WHERE sequence = {COUNT}")
    found = verdict(path, whole)
    assert (found.bad, found.noted) == ("", False)
    assert verdict(path, Head()).noted


def sequences(path: Path, **wanted: object) -> list[int]:
    reader = open_reader(path)
    try:
        return [record.sequence for record in reader.list(Wanted(**wanted))]  # type: ignore[arg-type]
    finally:
        reader.close()


def test_records_are_listed_by_what_is_wanted(path: Path) -> None:
    assert sequences(path) == [1, 2, 3, 4, 5, 6]
    assert sequences(path, limit=2) == [5, 6]
    assert sequences(path, since=2000, until=4000) == [2, 3]
    assert sequences(path, action="Decrypt") == [2, 4, 6]
    assert sequences(path, failed=True) == [5, 6]
    assert sequences(path, failed=False) == [1, 2, 3, 4]
    assert sequences(path, resource="key/k3") == [3]
    assert sequences(path, caller="LTAI2") == [2]
    assert sequences(path, caller=RECORD.principal, action="Encrypt", failed=False, limit=1) == [3]


def test_all_are_streamed_in_order(path: Path) -> None:
    reader = open_reader(path)
    assert [record.sequence for record in reader.all()] == [1, 2, 3, 4, 5, 6]
    reader.close()


def test_every_chain_is_verified(path: Path) -> None:
    change(path, "UPDATE audit SET chain = 'another' WHERE sequence > 4")
    reader = open_reader(path)
    verdicts = {found.chain: found for found in reader.verify()}
    reader.close()
    assert len(verdicts) == 2
    assert "record 1 of chain another is missing" in verdicts["another"].bad
    (first,) = (found for chain, found in verdicts.items() if chain != "another")
    assert (first.bad, first.head.count) == ("", 4)


def test_a_doubled_record_is_found(path: Path) -> None:
    names = ", ".join(COLUMNS)
    change(path, f"INSERT INTO audit ({names}, hash) SELECT {names}, hash FROM audit WHERE sequence = 2")
    found = verdict(path)
    assert f"record 2 of chain {found.chain} stands where record {COUNT + 1} should" == found.bad


def test_a_database_of_another_version_is_told_as_such(path: Path) -> None:
    change(path, "PRAGMA user_version = 5")
    with pytest.raises(OperatorError, match="another version of keystead") as caught:
        open_reader(path)
    assert "start keystead serve" in caught.value.hint


def test_a_hash_that_is_no_bytes_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = open_reader(path)
    hashed = reader._database.hashed

    def textual(where: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        return [(*row[:-1], "text") if row[1] == 3 else row for row in hashed(where, values)]

    monkeypatch.setattr(reader._database, "hashed", textual)
    (found,) = reader.verify()
    reader.close()
    assert "record 3 " in found.bad


def test_a_damaged_database_is_told(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    pages = range(4096, len(whole), 4096)
    for page in pages:
        whole[page : page + 4096] = b"\xff" * 4096
    reader = open_reader(path)
    path.write_bytes(whole)
    with pytest.raises(OperatorError, match="cannot read"):
        list(reader.all())
    reader.close()


def append(store: SqliteStore, count: int) -> None:
    """More records on its chain, in one batch."""
    store.begin()
    head = store.audit.head(store.server_id)
    previous, rows = head.hash, []
    for number in range(head.count + 1, head.count + 1 + count):
        record = msgspec.structs.replace(RECORD, chain=store.server_id, sequence=number, time=number)
        previous = link(previous, record)
        rows.append((record, previous))
    store.audit.append(rows)
    store.commit()


@pytest.mark.parametrize("read", ["all", "each"])
def test_a_slow_reader_lets_the_log_be_cut_and_reads_what_was_there_when_it_began(
    read: str, tmp_path: Path
) -> None:
    store = opened(tmp_path)
    append(store, 3 * STRETCH)
    reader = open_reader(tmp_path / "k.db")
    records = reader.all() if read == "all" else reader.each(Wanted())
    log, sizes, found = tmp_path / "k.db-wal", [], 0
    for found, record in enumerate(records, 1):
        assert record.sequence == found
        if found % 200 == 0:  # whoever reads does something else meanwhile
            for _ in range(10):
                append(store, 100)
            sizes.append(log.stat().st_size)
    assert found == 3 * STRETCH
    # 30,000 records more: that would be a log of three times this size.
    assert max(sizes) < 24 << 20
    assert reader.verify()[0].head == store.audit.head(store.server_id)
    reader.close()
    store.close()


@pytest.mark.parametrize("count", [1, STRETCH - 1, STRETCH, STRETCH + 1])
def test_stretches_lose_nothing_at_their_ends(count: int, tmp_path: Path) -> None:
    store = opened(tmp_path)
    append(store, count)
    reader = open_reader(tmp_path / "k.db")
    assert [record.sequence for record in reader.all()] == list(range(1, count + 1))
    assert reader.verify()[0].head.count == count
    reader.close()
    store.close()


def test_a_row_before_all_others_is_read_as_well(path: Path) -> None:
    change(path, "UPDATE audit SET position = -9223372036854775807 - 1 WHERE sequence = 3")
    assert verdict(path).bad.startswith("record 1 of chain")
    reader = open_reader(path)
    assert len(list(reader.all())) == COUNT
    reader.close()
