"""What a database knows of the servers that share it."""

import os
import time
from collections.abc import Iterator

import pytest

from keystead.clock import FixedClock
from keystead.domain.members import Member, MemberState
from keystead.errors import OperatorError
from keystead.store.ports import StoreFailure
from keystead.store.postgresql.members import members_at
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.store import PostgresStore
from tests.postgres import Cluster, cluster

NOW = int(time.time())  # the database's clock can't be moved


@pytest.fixture
def place(database_url: str) -> Place:
    return Place(database_url, "the database")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def pair(place: Place, clock: FixedClock) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    """Two servers of one database, on host-a and host-b."""
    stores = [PostgresStore.open(place, one, f"host-{one}", clock) for one in ("a", "b")]
    yield stores[0], stores[1]
    for one in stores:
        one.close()


def states(place: Place) -> dict[str, str]:
    return {one.server: one.state.value for one in members_at(place)}


def committed(store: PostgresStore) -> None:
    store.begin()
    store.nonces.add([(NOW, os.urandom(16))])
    store.commit()


def test_each_is_known_with_how_it_is(pair: tuple[PostgresStore, PostgresStore], place: Place) -> None:
    a, b = pair
    assert a.shared.members() == b.shared.members() == members_at(place)
    assert a.shared.members()[0] == Member(
        server="a", name="host-a", epoch=1, started=NOW, seen=NOW, state=MemberState.RUNNING
    )
    assert a.shared.members()[0].chain == a.server_id
    b.close()
    assert states(place) == {"a": "running", "b": "stopped"}


def test_one_that_did_not_say_that_it_stops_is_lost_until_it_is_there_again(
    pair: tuple[PostgresStore, PostgresStore], place: Place, clock: FixedClock
) -> None:
    a, b = pair
    b._session.let_go()
    assert states(place) == {"a": "running", "b": "lost"}
    again = PostgresStore.open(place, "b", "host-c", clock)
    try:
        assert states(place) == {"a": "running", "b": "running"}
        assert [(one.name, one.epoch) for one in a.shared.members()] == [("host-a", 1), ("host-c", 2)]
    finally:
        again.close()


def test_one_that_is_retired_commits_nothing_and_never_starts_again(
    pair: tuple[PostgresStore, PostgresStore], place: Place, clock: FixedClock
) -> None:
    a, b = pair
    committed(b)
    a.begin()
    a.shared.retire("b")
    a.commit()
    assert states(place) == {"a": "running", "b": "retired"}
    with pytest.raises(StoreFailure, match="was retired"):
        committed(b)
    assert "was retired" in b.shared.problems()[0]
    b.rollback()
    with pytest.raises(StoreFailure, match="was retired"):
        b.begin()
    b.close()
    with pytest.raises(OperatorError, match="this server, b, was retired from the database"):
        PostgresStore.open(place, "b", "host-b", clock)
    committed(a)
    clock.advance(100)
    a.begin()
    a.shared.retire("b")  # as it is
    a.commit()
    assert states(place)["b"] == "retired"


def test_an_idle_one_finds_out_that_it_was_retired(pair: tuple[PostgresStore, PostgresStore]) -> None:
    a, b = pair
    b.begin()
    b.shared.tend()
    b.commit()
    assert not any("retired" in one for one in b.shared.problems())
    a.begin()
    a.shared.retire("b")
    a.commit()
    b.begin()
    with pytest.raises(StoreFailure, match="was retired"):
        b.shared.tend()
    assert "was retired" in b.shared.problems()[0]


def test_that_it_is_there_and_how_the_database_grows_is_noted_once_a_minute(
    pair: tuple[PostgresStore, PostgresStore], clock: FixedClock
) -> None:
    a, _ = pair

    def tended() -> int:
        a.begin()
        a.shared.tend()
        a.commit()
        return a.shared.members()[0].seen

    assert a.shared.size == 0
    assert tended() == NOW
    size = a.shared.size
    assert size > 1_000_000
    clock.time = NOW + 59
    assert tended() == NOW
    clock.time = NOW + 60
    assert tended() == NOW + 60
    clock.time = NOW + 30  # it was set back
    assert tended() == NOW + 30
    assert a.shared.connected


def test_a_setting_that_was_changed_is_told_within_a_minute(clock: FixedClock) -> None:
    with cluster(durable=False) as own, own.database() as url:
        store = PostgresStore.open(Place(url, "the database"), "a", "host-a", clock)
        told = store.shared.warnings
        own.configure(synchronous_commit="off")
        for moment, more in ((NOW, 1), (NOW + 59, 1), (NOW + 60, 0)):
            if moment == NOW + 60:
                own.configure(synchronous_commit="on")
            clock.time = moment
            store.begin()
            store.shared.tend()
            store.commit()
            assert len(store.shared.warnings) == len(told) + more, store.shared.warnings
        store.close()
    assert not any("synchronous_commit" in one for one in told)


def test_a_connection_that_is_gone_is_told(
    pair: tuple[PostgresStore, PostgresStore], postgres: Cluster
) -> None:
    a, _ = pair
    a.begin()
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keystead'")
    with pytest.raises(StoreFailure):
        a.shared.tend()
    a.rollback()
    assert not a.shared.connected


def test_a_database_that_cannot_be_read(place: Place) -> None:
    with pytest.raises(OperatorError, match="cannot read the database nowhere"):
        members_at(Place("host=127.0.0.1 port=1 dbname=x user=y", "nowhere"))
    with pytest.raises(OperatorError, match="cannot read the database the database"):
        members_at(place)  # nobody has made anything in it
