"""What every store must do with statistics."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.clock import FixedClock
from keystead.domain.keys.uses import Use, User
from keystead.entropy import SeededEntropy
from keystead.store.ports import Store
from tests.databases import new_sqlite
from tests.store.test_contract import ACCOUNT, found, fresh, key

ALICE = User("version-1", ACCOUNT, "ram-user", "2001", "alice", "LTAI1", "Encrypt")
BOB = ALICE._replace(principal="2002", name="bob")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kind = request.param if request.param != "postgresql" else request.getfixturevalue("emptied_url")
    made = fresh(kind, tmp_path)
    made.begin()
    found(made)
    made.keys.add(*key(1), {})
    made.keys.add(*key(2), {})
    made.commit()
    made.begin()
    yield made
    made.rollback()
    made.close()


def keep(store: Store) -> None:
    """What a batch adds need not be there before its end."""
    store.commit()
    store.begin()


def test_uses_of_a_key_add_up(store: Store) -> None:
    one, other = key(1)[0].place, key(2)[0].place
    store.tallies.add_uses(one, {ALICE: Use(5, 2, 1), BOB: Use(6)})
    store.tallies.add_uses(one, {ALICE: Use(3, 10, 0)})  # of a clock that was put back
    store.tallies.add_uses(other, {BOB: Use(9)})
    store.commit()
    store.begin()
    assert store.tallies.uses(one) == {ALICE: Use(5, 12, 1), BOB: Use(6, 1, 0)}
    assert store.tallies.uses(other) == {BOB: Use(9, 1, 0)}
    store.tallies.add_uses(one, {ALICE: Use(7)})
    store.rollback()
    store.begin()
    assert store.tallies.uses(one)[ALICE] == Use(5, 12, 1)
    store.tallies.forget(one)
    assert (store.tallies.uses(one), store.tallies.uses(other)) == ({}, {BOB: Use(9, 1, 0)})
    store.tallies.forget(one)  # there is nothing left to forget
    assert store.tallies.uses(one) == {}


def test_every_part_of_a_user_tells_it_from_others(store: Store) -> None:
    place = key(1)[0].place
    for member in User._fields:
        other = ALICE._replace(**{member: f"other {member}"})
        store.tallies.add_uses(place, {ALICE: Use(1), other: Use(2)})
        keep(store)
        assert store.tallies.uses(place)[other] == Use(2)
    assert store.tallies.uses(place)[ALICE] == Use(1, len(User._fields), 0)


def test_uses_of_a_key_that_is_gone_are_passed_over(store: Store) -> None:
    gone = key(3)[0].place
    store.tallies.add_uses(gone, {ALICE: Use(1)})
    keep(store)
    assert store.tallies.uses(gone) == {}


def test_minutes_add_up_and_old_ones_are_forgotten(store: Store) -> None:
    store.tallies.add_minutes({(ACCOUNT, 10): (3, 1), ("2", 10): (7, 7)}, 0)
    store.tallies.add_minutes({(ACCOUNT, 10): (1, 1), (ACCOUNT, 12): (5, 0)}, 10)
    keep(store)
    assert store.tallies.minutes(ACCOUNT, 0) == {10: (4, 2), 12: (5, 0)}
    assert store.tallies.minutes(ACCOUNT, 11) == {12: (5, 0)}
    assert store.tallies.minutes("3", 0) == {}
    store.tallies.add_minutes({}, 11)
    keep(store)
    assert store.tallies.minutes(ACCOUNT, 0) == {12: (5, 0)}
    assert store.tallies.minutes("2", 0) == {}


def test_they_say_since_when_they_are_kept(tmp_path: Path) -> None:
    sqlite = new_sqlite(tmp_path / "k.db", FixedClock(), SeededEntropy())
    assert sqlite.tallies.since() == int(FixedClock().now())
    assert fresh("memory", tmp_path).tallies.since() == 0
