"""The ends of a transfer: all tables of both kinds of database, and texts and positions as they are."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from keystead.clock import FixedClock
from keystead.crypto.row_seals import RowSeals
from keystead.domain.audit import link
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.store import migrate
from keystead.store.database import Database
from keystead.store.failures import StoreFailure
from keystead.store.holds import Hold, hold_of
from keystead.store.postgresql import schema
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.session import open_connection
from keystead.store.sealed import SEALED
from keystead.store.sqlite import SqliteStore
from keystead.store.transfer import order
from keystead.store.transfer.carrying import carry, counts, differences
from keystead.store.transfer.ends import End
from keystead.store.transfer.landing import Landing
from keystead.store.transfer.postgresql_ends import PostgresSource, PostgresTarget
from keystead.store.transfer.proof import prove
from keystead.store.transfer.sqlite_ends import Files, SqliteSource, SqliteTarget
from tests.store.test_contract import ACCOUNT, REGION, alias, found, key
from tests.unit.domain.test_audit import RECORD

AWKWARD = "a\0b\ufdd0c\ufdd00 密"
HOLD = Hold(state="copying", move="the-move", other="there", origin="o")


def sealer() -> RowSeals:
    return RowSeals(bytes(32), SeededEntropy())


def files(folder: Path) -> Files:
    return Files(*(folder / name for name in ("keystead.db", "copying.db", "moved.db", "moved.json")))


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqliteSource]:
    """A store with texts that not every database can keep."""
    folder = tmp_path / "source"
    folder.mkdir()
    store = SqliteStore.open(folder / "keystead.db", clock=FixedClock(), entropy=SeededEntropy())
    store.begin()
    store.seal_all(sealer())
    found(store)
    for number in range(1, 4):
        made, version = key(number, description=AWKWARD)
        store.keys.add(made, version, {AWKWARD: "x", "b": AWKWARD})
        store.aliases.add(alias(f"alias/{number}", f"key-{number}"))
    store.aliases.remove(alias("alias/3", "key-3"))
    record = msgspec.structs.replace(
        RECORD, chain=store.server_id, sequence=1, user_agent=AWKWARD, revision=1
    )
    store.audit.append([(record, link(bytes(32), record))])
    store.nonces.add([(second, bytes([second % 256]) * 16) for second in range(1000, 1600)])
    store.commit()
    store.begin()
    store.nonces.add([(1600, b"recent" + bytes(10))])
    store.commit()
    store.close()
    with closing(SqliteSource(files(folder), "here")) as end:
        yield end


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: sorted(database.rows(f"SELECT {', '.join(table.columns)} FROM {table.name}"), key=str)
        for table in SEALED
    }


def test_all_of_it_is_the_same_there_and_back_again(
    source: SqliteSource, database_url: str, tmp_path: Path
) -> None:
    place = Place(database_url, "there")
    with closing(PostgresTarget(place, 1)) as target, source.transaction():
        assert target.begun is None
        target.begin(HOLD, 1)
        hold = carry(source, target, HOLD, silent)
        with target.transaction():
            assert differences(source, target) == []
            ((amount,),) = target.database.rows("SELECT count(*) FROM nonces")
            assert amount == 601
            landing = Landing(source, target, sealer())
            landing.begin_chain("the-move", 1)
            record = msgspec.structs.replace(RECORD, chain="the-move.1", sequence=1)
            landing.settle(record, msgspec.structs.replace(hold, settled=True))
        with target.transaction():
            proof = prove(source, target, sealer(), "the-move.1", silent)
            assert (proof.wrong, proof.altered, proof.records) == ((), (), 2)
            there = rows(target.database)
            assert target.latest_position("aliases") == source.latest_position("aliases") == 3
            assert target.latest_position("audit") == 2
        target.finish()
    before = rows(source.database)
    before["meta"] = [(name, str(value)) for name, value in before["meta"]]
    assert there == before
    back = tmp_path / "back"
    back.mkdir()
    with closing(PostgresSource(place)) as again, closing(SqliteTarget(files(back), "back")) as target:
        with again.transaction():
            target.begin(HOLD, 1)
            hold = carry(again, target, HOLD, silent)
            with target.transaction():
                assert differences(again, target) == []
                landing = Landing(again, target, sealer())
                landing.begin_chain("the-way-back", 1)
                record = msgspec.structs.replace(RECORD, chain="the-way-back", sequence=1)
                landing.settle(record, msgspec.structs.replace(hold, settled=True))
            with target.transaction():
                assert prove(again, target, sealer(), "the-way-back", silent).wrong == ()
                assert counts(target)["audit"] == 3
        target.finish()
    store = SqliteStore.open(back / "keystead.db", clock=FixedClock(), entropy=SeededEntropy())
    with closing(store):
        assert store.server_id == "the-way-back"
        store.begin()
        store.protect(sealer())
        assert store.blocked.found == {}
        assert store.nonces.horizon() == 0
        assert store.nonces.seen(1600, b"recent" + bytes(10))
        made, version = key(9)
        store.keys.add(made, version, {})
        store.aliases.add(alias("alias/9", "key-9"))
        assert store.keys.tags(ACCOUNT, REGION, "key-1")[AWKWARD] == "x"
        store.commit()
        with closing(apsw.Connection(str(back / "keystead.db"))) as connection:
            latest = connection.execute("SELECT max(position) FROM aliases").fetchall()
            chains = connection.execute("SELECT chain, records FROM chains ORDER BY chain").fetchall()
    assert latest == [(4,)]
    assert ("the-move.1", 1) in chains


# --- both schemas


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[tuple[End, End]]:
    """Two empty stores of both kinds."""
    with (
        closing(SqliteTarget(files(tmp_path), "here")) as one,
        closing(PostgresTarget(Place(database_url, "there"), 1)) as other,
    ):
        one.begin(HOLD, 1)
        yield one, other


def test_every_table_and_column_is_carried_or_left_for_a_reason(both: tuple[End, End]) -> None:
    carried = {one.name for one in order.ALL}
    for end in both:
        assert end.tables() - carried - {"copying", "sqlite_sequence"} <= order.LEFT.keys(), end.shown
    one, other = both
    assert carried - one.tables() == {"servers"}
    assert carried - other.tables() == {"recent_nonces"}
    assert order.LEFT.keys() <= one.tables() | other.tables()
    for table in {one.name for one in order.ALL} & one.tables() & other.tables():
        assert set(one.columns(table)) == set(other.columns(table)), table


def test_a_row_comes_after_those_that_it_refers_to(both: tuple[End, End]) -> None:
    places = {one.name: place for place, one in enumerate(order.ALL)}
    for name in places:
        for _, _, parent, *_ in both[0].database.rows("SELECT * FROM pragma_foreign_key_list(?)", (name,)):
            assert places[parent] < places[name]
    found = both[1].database.rows(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
    )
    assert len(found) > 10
    assert [one for one in found if places[one[1]] >= places[one[0]]] == []


def test_every_key_of_a_table_has_an_index(both: tuple[End, End]) -> None:
    """Else each portion would be looked for among all rows."""
    for setting in ("enable_seqscan", "enable_sort"):
        both[1].database.rows(f"SET {setting} = off")
    for end, explain in zip(both, ("EXPLAIN QUERY PLAN", "EXPLAIN"), strict=True):
        for table in order.ALL:
            if end.has(table) and not table.among:
                key = ", ".join(table.key)
                plan = str(
                    end.database.rows(f"{explain} SELECT {key} FROM {table.name} ORDER BY {key} LIMIT 9")
                )
                assert "TEMP B-TREE" not in plan, plan
                assert "Sort" not in plan, plan


# --- the reason why a store is not used


def test_a_hold_is_kept_as_a_text() -> None:
    hold = msgspec.structs.replace(HOLD, after=b"\x00\xff", table="keys")
    assert hold_of(hold.text) == hold
    assert hold_of("") is None
    with pytest.raises(OperatorError, match="a reason that this version does not know"):
        hold_of('{"state": "elsewhere"}')


def test_an_end_of_another_version_is_refused(
    source: SqliteSource, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_connection(Place(database_url, "there")) as connection:
        schema.migrate(connection, "there", 1)
        connection.execute("ALTER TABLE keys DROP COLUMN service")
    with closing(PostgresTarget(Place(database_url, "there"), 1)) as target:
        target.begin(HOLD, 1)
        with pytest.raises(OperatorError, match="has no place for all that the table keys of here holds"):
            carry(source, target, HOLD, silent)
        target.database.rows("DELETE FROM fence")
        target.database.flush()
    with pytest.raises(OperatorError, match="it has no revision"):
        PostgresTarget(Place(database_url, "there"), 1)
    monkeypatch.setattr(migrate, "known", lambda: ())
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "copying.db").write_bytes(b"no database at all, and long enough for one" * 100)
    with pytest.raises(OperatorError, match="cannot open the database"):
        SqliteTarget(files(strange), "strange")


def test_another_program_that_uses_the_database_is_noticed(source: SqliteSource, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    with closing(apsw.Connection(str(folder / "keystead.db"))) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM keys").fetchall()
        with pytest.raises(StoreFailure, match="another program uses"):
            source.hold(Hold(state="moved", move="m", other="there"))
    assert (folder / "keystead.db").exists()
