"""Power cuts at any call of the disk: what was acknowledged is there, and nothing is there by halves."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import apsw
import pytest

from keystead.server.data.directory import DataDirectory
from keystead.store import nonce_tables, sqlite
from keystead.store.ports import StoreFailure
from tests.durable import Durable, State, members, prepare, reopened
from tests.faulty_vfs import Disk

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
CYCLES = 100_000 if EVIDENCE else 1_000
WORKERS = 2
GROWN = 40  # cycles on one database, each after the power cut of the one before


def run(
    folder: Path,
    seed: int,
    cycles: int,
    early: bool = False,
    change: Callable[[apsw.Connection], None] | None = None,
) -> list[str]:
    """Cycles of calls, power cut and new start; what was wrong with the first that went wrong. `early` acknowledges before the commit."""
    chance = random.Random(seed)
    directory = prepare(folder / "data")
    disk = Disk()
    live = folder / "live"
    for cycle in range(cycles):
        if cycle % GROWN == 0:
            shutil.rmtree(live, ignore_errors=True)
            live.mkdir()
            shutil.copy(directory.database, live / "k.db")
        allowed = one(directory, disk, live, chance, f"{seed}/{cycle}".encode(), early, change)
        found, bad = reopened(live / "k.db", directory.root_key)
        if found not in allowed:
            bad.append("neither the acknowledged state nor that of the batch under way")
        if bad:
            return [f"seed {seed}, cycle {cycle}: {why}" for why in bad]
    return []


def one(
    directory: DataDirectory,
    disk: Disk,
    live: Path,
    chance: random.Random,
    seed: bytes,
    early: bool,
    change: Callable[[apsw.Connection], None] | None,
) -> list[State]:
    """One cycle; the states that the next start may find. The power is cut at a random call."""
    disk.restart()
    disk.plan = lambda number, kind: None
    service = Durable(directory, live / "k.db", seed)
    if change is not None:
        change(service.connection)
    _, acknowledged = service.run([])
    service.sqlite.commit()
    allowed = [acknowledged]
    cut = disk.calls + chance.choice((3, 10, 40, 120)) + chance.randrange(40)

    def power(number: int, kind: str) -> None:
        if number >= cut:
            raise apsw.IOError

    disk.plan = power
    known: list[str] = []
    try:
        while True:
            calls = [next(chosen(chance, known)) for _ in range(chance.choice((1, 1, 2, 5)))]
            answers, after = service.run(calls)
            allowed = [after] if early else [allowed[-1], after]
            service.sqlite.commit()
            allowed = [after]
            known += [
                str(members(one)["KeyMetadata"]["KeyId"]) for one in answers if "KeyMetadata" in members(one)
            ]
    except StoreFailure:
        pass
    for path in list(live.iterdir()):
        path.unlink()
    disk.cut(chance, live)
    disk.plan = lambda number, kind: None
    service.connection.close(force=True)
    return allowed


def chosen(chance: random.Random, known: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A random call, about a key that exists where it needs one."""
    actions = (
        ["CreateKey"]
        if not known
        else ["CreateKey", "Encrypt", "Encrypt", "Encrypt", "Encrypt", "DescribeKey"]
    )
    actions += (
        [
            "DisableKey",
            "EnableKey",
            "ScheduleKeyDeletion",
            "CancelKeyDeletion",
            "CreateAlias",
            "CreateKeyVersion",
        ]
        if known
        else []
    )
    action = chance.choice(actions)
    parameters = {} if action == "CreateKey" else {"KeyId": chance.choice(known)}
    if action == "Encrypt":
        parameters["Plaintext"] = "x" * chance.choice((1, 500, 6000))
    if action == "ScheduleKeyDeletion":
        parameters["PendingWindowInDays"] = "7"
    if action == "CreateAlias":
        parameters["AliasName"] = f"alias/{chance.randrange(10**9)}"
    yield action, parameters


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write-backs of the log to the database, and of nonces to their places, are to happen within a cycle."""
    monkeypatch.setattr(sqlite, "_WAL_PAGES", 30)
    monkeypatch.setattr(nonce_tables, "RECENT_NONCES", 8)


def worker(folder: Path, cycles: int, seed: int) -> list[str]:
    sqlite._WAL_PAGES, nonce_tables.RECENT_NONCES = 30, 8
    place = folder / str(seed)
    place.mkdir()
    return run(place, seed, cycles)


@pytest.mark.crash
def test_nothing_acknowledged_is_lost(memory: Path) -> None:
    began = time.monotonic()
    with ProcessPoolExecutor(WORKERS) as pool:
        wrong = [
            one
            for part in pool.map(partial(worker, memory, CYCLES // WORKERS), range(WORKERS))
            for one in part
        ]
    print(f"power loss: {CYCLES} cycles in {time.monotonic() - began:.0f} s, {len(wrong)} wrong")
    assert wrong == []


@pytest.mark.crash
@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_a_store_that_does_not_sync_is_found(memory: Path, small_log: None, level: str) -> None:
    def lazy(connection: apsw.Connection) -> None:
        connection.execute(f"PRAGMA synchronous = {level}").fetchall()

    assert run(memory, 1, 40, change=lazy) != []


@pytest.mark.crash
def test_an_early_acknowledgement_is_found(memory: Path, small_log: None) -> None:
    assert run(memory, 2, 60, early=True) != []
