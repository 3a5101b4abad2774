"""Lookups in a database end in time; those in one that servers share keep their connections."""

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from keystead.clock import FixedClock, SystemClock
from keystead.domain.audit import COLUMNS, columns, link
from keystead.errors import ServiceUnavailableTemporary
from keystead.store import record_lookups, sqlite_snapshot
from keystead.store.lookup_tables import DatabaseLookups
from keystead.store.lookups import LONGEST, Verified, WantedKeys
from keystead.store.postgresql import snapshot, watch
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.snapshot import Readings
from keystead.store.snapshot import Unreadable
from keystead.store.sqlite_snapshot import readings
from tests.postgres import Cluster
from tests.store import kept
from tests.store.test_sqlite import opened
from tests.unit.domain.test_audit import RECORD

WANTED = WantedKeys(account="1", region="r", text="a")


class Passing(FixedClock):
    """A clock of which so many seconds pass between two looks."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def monotonic(self) -> float:
        self.advance(self.seconds)
        return self.time


@pytest.mark.parametrize("seconds", [0.0, LONGEST + 1])
def test_one_that_takes_too_long_is_given_up(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).close()
    monkeypatch.setattr(sqlite_snapshot, "_STEPS", 1)
    lookups = DatabaseLookups(readings(tmp_path / "k.db", Passing(seconds)))
    if seconds:
        with pytest.raises(ServiceUnavailableTemporary):
            lookups.keys(WANTED)
    else:
        assert lookups.keys(WANTED).total == 0


def test_a_database_that_is_none_is_refused_as_unavailable(tmp_path: Path) -> None:
    (tmp_path / "k.db").write_bytes(b"no database" * 100)
    with pytest.raises(ServiceUnavailableTemporary):
        DatabaseLookups(readings(tmp_path / "k.db", FixedClock())).keys(WANTED)


# --- in a database that servers share


@pytest.fixture
def shared(database_url: str) -> Place:
    kept.opened(Place(database_url, "here")).close()
    return Place(database_url, "here")


def pid(readings: Readings) -> int:
    """Of the connection of one look-up."""
    with readings() as snapshot:
        ((found,),) = snapshot.rows("SELECT pg_backend_pid()")
    return int(found)


def test_one_that_waits_for_too_long_is_given_up(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "LONGEST", 0.1)
    lookups = DatabaseLookups(Readings(shared, SystemClock()))
    with psycopg.connect(shared.conninfo) as other:
        other.execute("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ServiceUnavailableTemporary):
            lookups.keys(WANTED)
    assert lookups.keys(WANTED).total == 0


def test_a_database_that_says_nothing_is_not_waited_for(
    shared: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LONGEST", 0.2)
    monkeypatch.setattr(watch, "_LOOKS_EVERY", 0.05)
    readings = Readings(shared, SystemClock())
    process = pid(readings)

    def look() -> None:
        with readings() as reading:
            os.kill(process, signal.SIGSTOP)
            reading.rows("SELECT 1")

    try:
        with pytest.raises(Unreadable):
            look()
    finally:
        os.kill(process, signal.SIGCONT)
    assert pid(readings) != process


def test_connections_are_kept_for_the_next_ones(shared: Place) -> None:
    clock = FixedClock()
    readings = Readings(shared, clock)
    first = pid(readings)
    assert pid(readings) == first
    with readings() as one, readings() as two, readings() as three:
        pids = {one.rows("SELECT pg_backend_pid()")[0][0] for one in (one, two, three)}
    assert len(pids) == 3
    assert len(readings._kept) == 2
    assert pid(readings) in pids
    clock.advance(61)
    assert pid(readings) not in pids
    readings.close()
    assert readings._kept == []


def test_a_connection_that_was_lost_is_not_used_again(shared: Place, postgres: Cluster) -> None:
    readings = Readings(shared, SystemClock())
    first = pid(readings)
    postgres.run(sql.SQL("SELECT pg_terminate_backend({}, 10000)").format(first))
    assert pid(readings) != first
    with pytest.raises(ZeroDivisionError), readings():
        raise ZeroDivisionError
    assert readings._kept == []


def test_each_sees_what_was_committed_before_it_and_nothing_after(shared: Place) -> None:
    store, lookups = kept.opened(shared), DatabaseLookups(Readings(shared, SystemClock()))
    readings = Readings(shared, SystemClock())
    for number in range(1, 4):
        kept.records(store, 1)
        assert lookups.verify(Verified(), 10).total == number
    with readings() as reading:
        before = record_lookups.verify(reading, Verified(), 10)
        kept.records(store, 1)
        assert record_lookups.verify(reading, Verified(), 10) == before
    store.close()


def test_a_shared_database_that_is_away_is_refused_as_unavailable(shared: Place) -> None:
    away = Place(make_conninfo(shared.conninfo, dbname="none"), "elsewhere")
    with pytest.raises(ServiceUnavailableTemporary):
        DatabaseLookups(Readings(away, SystemClock())).keys(WANTED)


def test_records_that_are_committed_late_are_no_gap_to_a_verification(shared: Place) -> None:
    """A verification in pieces: one has a position within the first of them, and is committed after it."""
    a, b = kept.opened(shared, "a"), kept.opened(shared, "b")
    kept.records(a, 1)
    lookups = DatabaseLookups(Readings(shared, SystemClock()))
    chain, head = a.server_id, a.audit.head(a.server_id)
    second = msgspec.structs.replace(RECORD, chain=chain, sequence=2)
    third = msgspec.structs.replace(RECORD, chain=chain, sequence=3)
    with psycopg.connect(shared.conninfo) as late:
        marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
        late.execute(
            f"INSERT INTO audit ({', '.join(COLUMNS)}, hash) VALUES ({marks})".encode(),
            [*map(_plain, columns(second)), link(head.hash, second)],
        )
        kept.records(b, 3)
        so_far = lookups.verify(Verified(), 3)
        assert [(one.chain, one.head.count) for one in so_far.verdicts] == [(chain, 1), (b.server_id, 1)]
        late.commit()
    a.begin()
    a.audit.append([(third, link(link(head.hash, second), third))])
    a.commit()
    so_far = lookups.verify(so_far, 100)
    assert [(one.head.count, one.bad) for one in so_far.verdicts] == [(1, ""), (3, "")]
    assert (so_far.done, so_far.count) == (True, 4)
    anew = lookups.verify(Verified(), 100)
    assert [(one.head.count, one.bad) for one in anew.verdicts] == [(3, ""), (3, "")]
    a.close()
    b.close()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
