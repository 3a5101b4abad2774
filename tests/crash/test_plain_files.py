"""Power cuts and failing calls at any point of a backup, a restore, and what replaces small files.

After each of them the last good backup opens, a new one is whole or not there, a restored directory is whole or says that its
restore did not come to its end, a replaced file is the old one or the new one, and the next try works.
"""

import copy
import errno
import os
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import apsw
import pytest

from bench.grow import Size, build
from keystead import portable
from keystead.crypto import root_key
from keystead.errors import OperatorError
from keystead.files import atomic_file
from keystead.server.backup import making, proof, restoring
from keystead.store import copying
from tests.crash.written import CUT, DONE, FAILED, FILES, KEYS, STORES, Case, Store
from tests.faulty_files import CUTS, Cut, Disk, PowerCut

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
CASES = STORES | FILES
# Calls to try of each case, of Python's and of SQLite's: all, or some that are spread evenly.
OURS, SQLITES = (10_000, 60) if EVIDENCE else (4, 1)
CHANCES = 3 if EVIDENCE else 1  # power cuts at each call of which chance decides
# Where a disk may be full.
FILLING = {"open", "write", "mkdir", "link", "rename", "sqlite open", "sqlite write", "sqlite pwrite64"}
pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with backups beside it."""
    folder = tmp_path_factory.mktemp("written") / "store"
    folder.mkdir()
    build(folder / "data", Size(KEYS, 5))
    shutil.copy(folder / "data" / "root.key", folder)
    made = Store()
    made.place(folder)
    made.backups.mkdir()
    made.back_up(made.backups, keep=1, keys=made.keys)
    made.back_up(made.named)
    earlier = folder / "earlier"
    earlier.mkdir()
    with closing(apsw.Connection(str(made.data.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(earlier / "keystead.db"),))
    (earlier / "ca.pem").write_bytes(b"a certificate\n")
    return folder


class Trial:
    """One case, as often as it is to go wrong."""

    def __init__(self, make: Callable[[], Case], template: Path, memory: Path) -> None:
        self._template, self._live, self._after = template, memory / "live", memory / "after"
        self._case, self._seen = make(), set[bytes]()
        self._chance = random.Random(1)
        self.fresh()
        self._case.remember()
        self._template = memory / "template"  # as it was remembered
        shutil.copytree(self._live, self._template)

    def fresh(self) -> None:
        for one in (self._live, self._after):
            shutil.rmtree(one, ignore_errors=True)
        shutil.copytree(self._template, self._live)
        self._case.place(self._live)

    def calls(self) -> list[str]:
        """All that it makes if nothing goes wrong."""
        self.fresh()
        with Disk(self._live) as disk:
            self._case.run()
        assert self._case.wrong(DONE, disk.calls) == []
        return disk.calls

    def cut(self, number: int, kind: str = "") -> list[str]:
        """What is wrong after power cuts before this call, or after the last one."""
        self.fresh()
        cuts = [*CUTS[:3], *(CUTS[3 + n % 2] for n in range(CHANCES))]

        def power(call: int, kind: str) -> None:
            if call == number:
                self._cut(disk, cuts)
                raise PowerCut

        with Disk(self._live, power) as disk:
            try:
                self._case.run()
            except (OperatorError, OSError):
                pass
        ended, calls = CUT, disk.calls[: number - 1]
        if len(disk.calls) < number:
            ended, calls = DONE, disk.calls
            self._cut(disk, cuts)
        again = self._chance.randrange(len(cuts))
        return [
            f"{ended} before call {number} ({kind}), {cut}: {why}"
            for n, cut in enumerate(cuts)
            if self._is_new(self._after / str(n), f"{ended}{'write' in calls}")
            for why in self._wrong(self._after / str(n), ended, calls, again=n == again)
        ]

    def _is_new(self, folder: Path, when: str) -> bool:
        """Whether no earlier power cut has left just this, with as much written."""
        found = sha256(when.encode())
        for path in sorted(folder.rglob("*")):
            content = path.read_bytes() if path.is_file() else b"a folder"
            found.update(f"{path.relative_to(folder)} {len(content)} ".encode() + content)
        before = len(self._seen)
        self._seen.add(found.digest())
        return len(self._seen) > before

    def _cut(self, disk: Disk, cuts: Sequence[Cut]) -> None:
        self._after.mkdir()
        for number, cut in enumerate(cuts):
            disk.cut(cut, self._chance, self._after / str(number))

    def fail(self, number: int, kind: str, error: int, *, lasting: bool = False) -> list[str]:
        """What is wrong after a run in which this call failed, or all from it on."""
        self.fresh()

        def fault(call: int, kind: str) -> None:
            if call == number or (lasting and call > number):
                raise OSError(error, os.strerror(error))

        why, ended = "", CUT if lasting else FAILED
        with Disk(self._live, fault) as disk:
            try:
                self._case.run()
                ended = DONE
            except OperatorError:
                pass
            except Exception as problem:
                why = f"{type(problem).__name__}: {problem}"
        where = self._live
        if ended == DONE:  # although a call failed: then nothing may depend on what was not synced
            self._cut(disk, [Cut(0, 0)])
            where = self._after / "0"
        wrong = self._wrong(where, ended, disk.calls, again=True)
        return [f"call {number} ({kind}) failed, {ended}: {one}" for one in [*filter(None, [why]), *wrong]]

    def _wrong(self, folder: Path, ended: str, calls: Sequence[str], *, again: bool) -> list[str]:
        case = copy.copy(self._case)
        case.place(folder)
        wrong = case.wrong(ended, calls)
        if again and case.due() and not wrong:
            try:
                case.run()
            except Exception as problem:
                return [f"the next try failed: {type(problem).__name__}: {problem}"]
            wrong = [f"after the next try: {why}" for why in case.wrong(DONE, [])]
        return wrong


def spread(calls: Sequence[str]) -> list[int]:
    """The numbers of calls to try, of Python's and of SQLite's."""
    chosen: list[int] = []
    for ours, most in ((True, OURS), (False, SQLITES)):
        numbers = [n for n, kind in enumerate(calls, 1) if kind.startswith("sqlite") is not ours]
        step = max(1.0, len(numbers) / most)
        chosen += {numbers[int(at * step)] for at in range(int(len(numbers) / step))}
    return sorted(chosen)


@pytest.fixture
def trial(request: pytest.FixtureRequest, memory: Path, store: Path) -> Trial:
    empty = memory / "empty"
    empty.mkdir()
    return Trial(CASES[request.param], store if request.param in STORES else empty, memory)


@pytest.mark.parametrize("trial", CASES, indirect=True)
def test_a_power_cut_at_any_call(trial: Trial) -> None:
    calls = trial.calls()
    numbers = [*spread(calls), len(calls) + 100]
    wrong = [
        why
        for number in numbers
        for why in trial.cut(number, calls[number - 1] if number <= len(calls) else "")
    ]
    print(f"{len(calls)} calls, {len(numbers) * (3 + CHANCES)} power cuts, {len(wrong)} wrong")
    assert wrong == []


@pytest.mark.parametrize("trial", CASES, indirect=True)
def test_a_call_that_fails(trial: Trial) -> None:
    calls = trial.calls()
    wrong, tried = [], 0
    for number in spread(calls):
        kind = calls[number - 1]
        for error in (errno.EIO, errno.ENOSPC) if kind in FILLING else (errno.EIO,):
            tried += 1
            wrong += trial.fail(number, kind, error)
        tried += 1
        wrong += trial.fail(number, kind, errno.EROFS, lasting=True)
    print(f"{len(calls)} calls, {tried} failures, {len(wrong)} wrong")
    assert wrong == []


# --- what the harness is to find


@pytest.mark.parametrize(
    ("trial", "module", "name"),
    [
        ("file", portable, "sync"),
        ("file", portable, "sync_directory"),
        ("root key", root_key, "sync"),
        ("wrapping keys", atomic_file, "sync"),
        ("backup under a name", atomic_file, "sync_directory"),
        ("first backup", making, "make_directory"),
        ("restore", restoring, "durable"),
        ("restore", restoring, "sync_directory"),
        ("restore", proof, "sync_directory"),
    ],
    indirect=["trial"],
)
def test_what_does_not_sync_is_found(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    def careless(path: object, *_: object) -> None:
        if name == "make_directory":
            os.makedirs(str(path))

    monkeypatch.setattr(module, name, careless)
    calls = trial.calls()
    assert any(trial.cut(number) for number in [len(calls) + 100, *spread(calls)])


@pytest.mark.parametrize("trial", ["file", "anchor"], indirect=True)
def test_a_failed_write_that_is_ignored_is_found(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(descriptor: int, content: bytes) -> None:
        with suppress(OSError):
            os.write(descriptor, content)

    monkeypatch.setattr(portable, "write", careless)
    number = trial.calls().index("write") + 1
    assert trial.fail(number, "write", errno.ENOSPC)


@pytest.mark.parametrize("trial", ["restore"], indirect=True)
def test_a_log_that_could_not_be_written_back_is_found(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_size", lambda path: 0)
    writes = [number for number, kind in enumerate(trial.calls(), 1) if kind == "sqlite pwrite64"]
    assert any(trial.fail(number, "", errno.EIO) for number in reversed(writes))
