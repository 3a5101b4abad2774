"""The verification names the first altered, missing or moved record."""

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from keystead.domain.audit import COLUMNS, GENESIS, Head, link
from keystead.errors import OperatorError
from keystead.store.contents import Contents
from keystead.store.migrate import Migration
from keystead.store.postgresql import schema
from keystead.store.postgresql.place import Place
from keystead.store.reader import (
    Reader,
    RootKeyNeeded,
    Verdict,
    Wanted,
    open_reader,
    root_key_needed,
)
from keystead.store.stored_log import STRETCH
from tests.postgres import OWNER, Cluster
from tests.store.kept import Where, change, opened, records
from tests.unit.domain.test_audit import RECORD

COUNT = 6


def filled(where: Where) -> None:
    store = opened(where)
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    filled(tmp_path / "k.db")
    return tmp_path / "k.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """A database without records."""
    if request.param == "sqlite":
        return tmp_path / "k.db"
    return Place(request.getfixturevalue("database_url"), "here")


@pytest.fixture
def log(where: Where) -> Where:
    """A database with records."""
    filled(where)
    return where


def verdict(where: Where, expect: Head | None = None) -> Verdict:
    with closing(open_reader(where)) as reader:
        (found,) = reader.verify(expect)
    return found


def test_an_untouched_chain_is_right(log: Where) -> None:
    found = verdict(log)
    assert (found.bad, found.head.count, found.noted) == ("", COUNT, None)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("chain", "sequence")])
def test_an_altered_column_is_found(log: Where, column: str) -> None:
    value = "9" if column in ("format", "time", "status", "revision") else "'altered'"
    change(log, f"UPDATE audit SET {column} = {value} WHERE sequence = 3")
    found = verdict(log)
    assert "record 3 " in found.bad
    assert found.head.count == 2


def test_a_hash_of_another_type_is_found(log: Where) -> None:
    change(log, "UPDATE audit SET hash = x'00' WHERE sequence = 3")
    assert "record 3 " in verdict(log).bad


def test_a_missing_record_is_found(log: Where) -> None:
    change(log, "DELETE FROM audit WHERE sequence = 3")
    assert "record 3 of" in verdict(log).bad
    assert "is missing" in verdict(log).bad


def test_swapped_records_are_found(log: Where) -> None:
    change(
        log,
        "UPDATE audit SET sequence = 99 WHERE sequence = 3",
        "UPDATE audit SET sequence = 3 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 99",
    )
    assert "record 3 of" in verdict(log).bad


def test_a_cut_off_tail_is_proved_by_a_head_noted_before(log: Where) -> None:
    whole = verdict(log).head
    assert verdict(log, whole).noted
    change(log, f"DELETE FROM audit WHERE sequence = {COUNT}")
    found = verdict(log, whole)
    assert not found.noted
    assert ("its end was cut off" in found.bad) == isinstance(
        log, Path
    )  # where the ends are noted beside them
    assert verdict(log, Head()).noted


def sequences(log: Where, **wanted: object) -> list[int]:
    reader = open_reader(log)
    try:
        return [record.sequence for record in reader.list(Wanted(**wanted))]  # type: ignore[arg-type]
    finally:
        reader.close()


def test_records_are_listed_by_what_is_wanted(log: Where) -> None:
    assert sequences(log) == [1, 2, 3, 4, 5, 6]
    assert sequences(log, limit=2) == [5, 6]
    assert sequences(log, since=2000, until=4000) == [2, 3]
    assert sequences(log, action="Decrypt") == [2, 4, 6]
    assert sequences(log, failed=True) == [5, 6]
    assert sequences(log, failed=False) == [1, 2, 3, 4]
    assert sequences(log, resource="key/k3") == [3]
    assert sequences(log, caller="LTAI2") == [2]
    assert sequences(log, caller=RECORD.principal, action="Encrypt", failed=False, limit=1) == [3]


def test_all_are_streamed_in_order(log: Where) -> None:
    reader = open_reader(log)
    assert [record.sequence for record in reader.all()] == [1, 2, 3, 4, 5, 6]
    reader.close()


def test_every_chain_is_verified(log: Where) -> None:
    change(log, "UPDATE audit SET chain = 'another' WHERE sequence > 4")
    reader = open_reader(log)
    verdicts = {found.chain: found for found in reader.verify()}
    reader.close()
    assert len(verdicts) == 2
    assert "record 1 of chain another is missing" in verdicts["another"].bad
    (first,) = (found for chain, found in verdicts.items() if chain != "another")
    assert first.head.count == 4
    assert ("its end was cut off" in first.bad) == isinstance(log, Path)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "DELETE FROM audit",
            "all records of this one are gone: chain .* has none, and the database notes 6",
        ),
        (
            "UPDATE chains SET hash = zeroblob(32)",
            "ends otherwise than the database notes, which has 6 records",
        ),
    ],
)
def test_a_log_that_ends_otherwise_than_noted_is_found(path: Path, statement: str, told: str) -> None:
    change(path, statement)
    assert re.search(told, verdict(path).bad)


def test_a_doubled_record_is_found(log: Where) -> None:
    names = ", ".join(COLUMNS)
    if not isinstance(log, Path):
        change(log, "ALTER TABLE audit DROP CONSTRAINT audit_chain_sequence_key")
    change(log, f"INSERT INTO audit ({names}, hash) SELECT {names}, hash FROM audit WHERE sequence = 2")
    found = verdict(log)
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


@pytest.mark.parametrize("read", ["all", "each"])
def test_a_slow_reader_lets_the_log_be_cut_and_reads_what_was_there_when_it_began(
    read: str, tmp_path: Path
) -> None:
    store = opened(tmp_path / "k.db")
    records(store, 3 * STRETCH)
    reader = open_reader(tmp_path / "k.db")
    coming = reader.all() if read == "all" else reader.each(Wanted())
    log, sizes, found = tmp_path / "k.db-wal", [], 0
    for found, record in enumerate(coming, 1):
        assert record.sequence == found
        if found % 200 == 0:  # whoever reads does something else meanwhile
            for _ in range(10):
                records(store, 100)
            sizes.append(log.stat().st_size)
    assert found == 3 * STRETCH
    # 30,000 records more: that would be a log of three times this size.
    assert max(sizes) < 24 << 20
    assert reader.verify()[0].head == store.audit.head(store.server_id)
    reader.close()
    store.close()


@pytest.mark.parametrize("count", [1, STRETCH - 1, STRETCH, STRETCH + 1])
def test_stretches_lose_nothing_at_their_ends(count: int, where: Where) -> None:
    store = opened(where)
    records(store, count)
    with closing(open_reader(where)) as reader:
        assert [record.sequence for record in reader.all()] == list(range(1, count + 1))
        assert reader.verify()[0].head.count == count
    store.close()


def test_a_row_before_all_others_is_read_as_well(path: Path) -> None:
    change(path, "UPDATE audit SET position = -9223372036854775807 - 1 WHERE sequence = 3")
    assert verdict(path).bad.startswith("record 1 of chain")
    reader = open_reader(path)
    assert len(list(reader.all())) == COUNT
    reader.close()


# --- of a database that servers share


@pytest.fixture
def shared(database_url: str) -> Place:
    return Place(database_url, "here")


def test_a_slow_reader_has_no_transaction_meanwhile(shared: Place) -> None:
    store = opened(shared)
    records(store, STRETCH + 1)
    with closing(open_reader(shared)) as reader, psycopg.connect(shared.conninfo) as other:
        coming = reader.all()
        next(coming)
        ((state,),) = other.execute(
            "SELECT state FROM pg_stat_activity WHERE pid = %s",
            (reader._database._reading.info.backend_pid,),  # type: ignore[attr-defined]
        ).fetchall()
        assert state == "idle"
        records(store, 1)
        assert len(list(coming)) == STRETCH  # those that were there when it began
    store.close()


def test_chains_of_several_servers_are_read_beside_each_other(shared: Place) -> None:
    a, b = opened(shared, "a"), opened(shared, "b")
    for _ in range(3):
        records(a, 2)
        records(b, 1)
    with closing(open_reader(shared)) as reader:
        assert {one.chain: (one.head.count, one.bad) for one in reader.verify()} == {
            "a.1": (6, ""),
            "b.1": (3, ""),
        }
        assert [(one.chain, one.sequence) for one in reader.list(Wanted(limit=2))] == [("a.1", 5), ("a.1", 6)]
    a.close()
    b.close()


def test_what_is_not_committed_yet_leaves_no_gap(shared: Place) -> None:
    """A server's records have their positions before others', and are committed after them."""
    a, b = opened(shared, "a"), opened(shared, "b")
    records(a, 1)
    with psycopg.connect(shared.conninfo) as late:
        names = ", ".join(name for name in (*COLUMNS, "hash") if name != "sequence")
        late.execute(
            f"INSERT INTO audit (sequence, {names}) SELECT 2, {names} FROM audit WHERE chain = 'a.1'".encode()
        )
        records(b, 3)
        with closing(open_reader(shared)) as reader:
            coming = reader.verify()
        assert {one.chain: (one.head.count, one.bad) for one in coming} == {"a.1": (1, ""), "b.1": (3, "")}
        late.rollback()
    a.close()
    b.close()


def test_an_empty_database_and_one_that_is_away_are_told(shared: Place) -> None:
    with pytest.raises(OperatorError, match="there is no data in here") as caught:
        open_reader(shared)
    assert "keystead serve" in caught.value.hint
    away = Place(make_conninfo(shared.conninfo, dbname="none"), "elsewhere")
    for asked in (open_reader, root_key_needed):
        with pytest.raises(OperatorError, match="cannot read the database elsewhere: ") as caught:
            asked(away)
        assert "psql" in caught.value.hint
    assert root_key_needed(shared) == RootKeyNeeded()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("INSERT INTO migrations VALUES (999, 'x', 'x', 1)", "was written by a newer keystead"),
        ("UPDATE migrations SET checksum = 'x'", "is not the one that this program knows"),
    ],
)
def test_a_shared_database_of_another_version_is_told_as_such(
    shared: Place, statement: str, told: str
) -> None:
    opened(shared).close()
    change(shared, statement)
    with pytest.raises(OperatorError, match=told):
        open_reader(shared)


def test_a_shared_database_of_an_earlier_version_is_told_as_such(
    shared: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(shared).close()
    steps = (*schema.known(), Migration(999, "later", "SELECT 1"))
    monkeypatch.setattr(schema, "known", lambda: steps)
    with pytest.raises(OperatorError, match="last used by an earlier keystead"):
        open_reader(shared)


def test_a_database_that_goes_away_is_told(shared: Place, postgres: Cluster) -> None:
    filled(shared)
    reader = open_reader(shared)
    end(postgres, reader)
    for look in (lambda: list(reader.all()), reader.verify, reader.holdings.accounts.all):
        with pytest.raises(OperatorError, match="cannot read the database here"):
            look()
    reader.close()


def test_what_this_user_may_not_read_is_told(shared: Place, postgres: Cluster) -> None:
    filled(shared)
    database = conninfo_to_dict(shared.conninfo)["dbname"]
    tables = sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(sql.Identifier(OWNER))
    postgres.run(tables, str(database))
    with pytest.raises(OperatorError, match="permission denied"):
        open_reader(shared)


def test_all_that_it_holds_is_counted(log: Where) -> None:
    with closing(Contents(log)) as contents:
        assert {name: amount for name, amount in contents.amounts().items() if amount} == {"audit": COUNT}
        assert contents.damage() == ""
        assert contents.latest_nonce() == 0
        assert list(contents.versions()) == []
        assert contents.disabled() == contents.leaving() == ()


def end(postgres: Cluster, reader: Reader) -> None:
    """End its connection from the other side."""
    pid = reader._database._reading.info.backend_pid  # type: ignore[attr-defined]
    assert postgres.run(sql.SQL("SELECT pg_terminate_backend({}, 10000)").format(pid)) == [(True,)]
