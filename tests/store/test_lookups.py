"""Lookups in the embedded store end in time."""

from pathlib import Path

import pytest

from keystead.clock import FixedClock
from keystead.errors import ServiceUnavailableTemporary
from keystead.store import sqlite_snapshot
from keystead.store.lookup_tables import DatabaseLookups
from keystead.store.lookups import LONGEST, WantedKeys
from keystead.store.sqlite_snapshot import readings
from tests.store.test_sqlite import opened

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
