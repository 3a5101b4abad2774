"""kill -9 at any step of a move, there and back: the store can be used in one place or in none, and the same command goes on."""

import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.grow import Size, build
from keystead.clock import SystemClock
from keystead.domain.keys.key import KeyFilter
from keystead.entropy import SystemEntropy
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.store.postgresql.database import PostgresDatabase
from keystead.store.postgresql.round_trip import Prepared
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.transfer import carrying
from keystead.store.transfer.postgresql_ends import PostgresSource, PostgresTarget
from keystead.store.transfer.sqlite_ends import SqliteSource
from tests.live import KEYSTEAD, keystead, without_ours
from tests.moving import World

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
STRIDE = 3 if EVIDENCE else 45  # steps from one kill to the next
KEYS = int(os.environ.get("TEST_MOVED_KEYS", "1000000" if EVIDENCE else "1000"))
REGION = "cn-hangzhou"
KILLS = 20 if EVIDENCE else 3  # of a large store, each way
PROVED = 7  # the exit status of a move that is about to begin its last steps
SAMPLE = 1000  # keys of it that are opened
pytestmark = pytest.mark.crash

# What changes something, or asks a database.
_STEPS = (
    (SqliteDatabase, "rows"),
    (SqliteDatabase, "many"),
    (PostgresDatabase, "_fetch"),
    (PostgresTarget, "put"),
    (Prepared, "run"),
)
_CHANGES = ("os.rename", "os.remove", "os.mkdir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Kills its own process before a step: that of this number, of those before all is proved, when it ends; or of the `last`
    ones, which come after that."""

    def __init__(self, number: int, last: bool) -> None:
        self._left = number
        self._last = last
        self._counts = not last
        for owner, name in _STEPS:
            setattr(owner, name, self._counted(getattr(owner, name)))
        for source in (SqliteSource, PostgresSource):
            setattr(source, "hold", self._begun(source.hold))  # noqa: B010 - it is a method to the type checkers
        sys.addaudithook(self._audited)

    def _step(self) -> None:
        if self._counts:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            self._step()
            return work(*args, **more)

        return step

    def _begun(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def begun(*args: Any) -> Any:
            if not self._last:
                os._exit(PROVED)
            self._counts = True
            return work(*args)

        return begun

    def _audited(self, event: str, arguments: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if event in _CHANGES or opened:
            self._step()


def killed(world: World, source: str, target: str, number: int, *, last: bool) -> int:
    """Move it in a process of its own, which is killed at a step; gives its status."""
    process = os.fork()
    if not process:
        try:
            Steps(number, last)
            world.move(source, target)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def in_use(place: str) -> bool:
    """Whether a server would use what is there."""
    if "://" not in place:
        return (Path(place) / "keystead.db").exists()
    with psycopg.connect(place) as connection:
        if connection.execute("SELECT to_regclass('fence')").fetchone() == (None,):
            return False
        made = connection.execute("SELECT EXISTS (SELECT FROM accounts)").fetchone()
        return made == (True,) and connection.execute("SELECT held FROM fence").fetchone() == ("",)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world") / "data")


def test_killed_at_each_step_there_and_back(
    world: World, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 20)
    data = str(world.copied(tmp_path / "data"))
    kills = 0
    for source, target in ((data, database_url), (database_url, data)):
        step = random.randrange(1, STRIDE)
        while (status := killed(world, source, target, step, last=False)) == -signal.SIGKILL:
            kills += 1
            step += STRIDE
            assert (in_use(source), in_use(target)) == (True, False)
        assert status == PROVED
        step = 1
        while (status := killed(world, source, target, step, last=True)) == -signal.SIGKILL:
            kills += 1
            step += 1
            assert not (in_use(source) and in_use(target))
        assert status == 0
        assert (in_use(source), in_use(target)) == (False, True)
        world.use(Path(data), target if target is database_url else "")
    assert kills > 20


def started(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*KEYSTEAD, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=without_ours()
    )


def test_a_large_store_is_moved_there_and_back_under_kills(tmp_path: Path, database_url: str) -> None:
    data = tmp_path / "data"
    build(data, Size(KEYS, KEYS // 2))
    for source, target in ((str(data), database_url), (database_url, str(data))):
        words = ("store", "copy", "--from", source, "--to", target)
        began, kills, seconds = time.monotonic(), 0, 1.0 + KEYS / 60_000
        while True:
            process = started(*words)
            try:
                _, told = process.communicate(
                    timeout=random.uniform(1.0, seconds) if kills < KILLS else 3600 * 4
                )
            except subprocess.TimeoutExpired:
                process.kill()
                _, told = process.communicate()
                kills += 1
                assert not (in_use(source) and in_use(target))
                continue
            assert process.returncode == 0, told.decode()
            break
        sys.stdout.write(
            f"\n{KEYS:,} keys: {kills} kills, {time.monotonic() - began:.0f} s from {source} to {target}\n"
        )
        assert (in_use(source), in_use(target)) == (False, True)
        opened(data, target)
    verified = keystead("store", "verify", "--data", str(data), timeout=3600)
    assert verified.returncode == 0, verified.stdout


def opened(data: Path, place: str) -> None:
    """Look whether all keys are there, and some of them open."""
    directory, shared = DataDirectory(data), place_of(place if "://" in place else "", "", {})
    directory.lock()
    try:
        found = open_store(directory, SystemClock(), SystemEntropy(), shared=shared)
        with closing(found.store):
            found.store.begin()
            page = found.store.keys.page(found.account, REGION, KeyFilter(), KEYS // 2, SAMPLE)
            assert page.total == KEYS
            for key_id in page.items:
                key = found.store.keys.get(found.account, REGION, key_id)
                assert key is not None
                version = found.store.keys.version(found.account, key.primary_version)
                assert version is not None
                found.vault.prove_version(version)
            found.store.rollback()
    finally:
        directory.unlock()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_disk_that_fills_up_is_told_and_it_goes_on(world: World, tmp_path: Path, database_url: str) -> None:
    data, small = world.copied(tmp_path / "data"), tmp_path / "small"
    world.move(data, database_url)
    size = os.stat(data / "moved.db").st_size
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", str(small)], check=True)
    try:
        words = (
            "store",
            "copy",
            "--from",
            database_url,
            "--to",
            str(small),
            "--root-key",
            str(data / "root.key"),
        )
        for _ in range(2):
            told = keystead(*words)
            assert told.returncode == 1, told.stdout
            assert "full" in told.stderr
            assert "run the same command again" in told.stderr
            assert in_use(database_url)
            assert not in_use(str(small))
        subprocess.run(["mount", "-o", f"remount,size={size * 8}", str(small)], check=True)
        told = keystead(*words)
        assert told.returncode == 0, told.stderr
        assert (in_use(database_url), in_use(str(small))) == (False, True)
        world.use(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)
