"""The house rules as tests. Each rule is a function that names what breaks it, and each is seen to find a planted case."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead import variables
from keystead.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "keystead"
UNIT = ROOT / "tests" / "unit"

# Rooms and modules without a unit test file of their own, and where they are tested instead.
TESTED_IN = {
    "given_settings": "tests/unit/test_settings.py",
    "server/recovery": "tests/cli",
    "api/access_keys": "tests/operations/test_ram_access_keys.py",
    "api/ask": "tests/unit/api/test_pipeline.py",
    "api/coerce": "tests/unit/api/test_wire_types.py",
    "api/needs": "tests/unit/api/test_resolve.py",
    "api/ram_lookup": "tests/operations/test_ram_attachments.py",
    "api/ram_types": "tests/operations/test_ram_users.py",
    "cli": "tests/cli",
    "client": "tests/cli",
    "console": "tests/console",
    "crypto/primitives/digests": "tests/unit/crypto/test_signing_secret.py",
    "crypto/primitives/unopenable": "tests/unit/crypto/test_sealing.py",
    "files": "tests/cli",
    "operations": "tests/operations",
    "proxy": "tests/interop",
    "store": "tests/store",
    "testing": "tests/unit/testing",
    "server/foreground": "tests/cli",
    "server/backup/aside": "tests/cli",
    "server/backup/key_file": "tests/cli",
    "server/backup/last_backup": "tests/cli",
    "server/backup/making": "tests/cli",
    "server/backup/manifest": "tests/cli",
    "server/backup/process": "tests/cli",
    "server/backup/proof": "tests/cli",
    "server/backup/restoring": "tests/cli",
    "server/backup/revived": "tests/cli",
    "server/backup/root_link": "tests/cli",
    "server/service/backups": "tests/cli",
    "server/data/anchor": "tests/cli/test_anchor.py",
    "server/data/discovery": "tests/cli",
    "server/data/older_copy": "tests/cli/test_anchor.py",
    "server/data/opened_store": "tests/cli",
    "server/data/protection": "tests/security/test_altered_rows.py",
    "server/data/moved": "tests/unit/server/move/test_moving.py",
    "server/move/places": "tests/unit/server/move/test_moving.py",
    "server/data/verification": "tests/cli/test_store.py",
    "server/data/world": "tests/cli",
    "server/ephemeral": "tests/interop",
    "server/nodes": "tests/cli/test_several.py",
    "server/rootkey": "tests/cli",
    "server/network/certificate_watch": "tests/cli",
    "server/network/console_process": "tests/unit/server/network/test_console_supervisor.py",
    "server/network/limits": "tests/unit/server/network/test_connection.py",
    "server/network/own_proxy": "tests/cli",
    "server/network/spawn": "tests/unit/server/network/test_front_supervisor.py",
    "server/service/alarms": "tests/security/test_altered_rows.py",
    "server/service/anchoring": "tests/cli/test_anchor.py",
    "server/service/metrics": "tests/unit/server/service/test_ops.py",
    "server/service/timers": "tests/crash",
}
# Unit tests of one subject, not of one module.
SUBJECTS = {"cli/mistyped", "crypto/golden_blobs", "proxy/location", "server/refuse"}

MAX_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}
# Each with one letter in brackets, so that this file does not match.
PRIVATE = ["/work[/]", r"/root[/]\.", "/home[/][a-z]", r"\.\./share[d]", r"pypi\.or[g]", r"npmjs\.or[g]"]
TIME = {"time", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
CHANCE = {"random", "secrets", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"}


def modules(package: Path) -> list[str]:
    """Every module by its path without suffix, `store/ports`; packages themselves, and what runs in other programs, left out."""
    found = (file.relative_to(package).with_suffix("").as_posix() for file in sorted(package.rglob("*.py")))
    return [name for name in found if not name.endswith(("__init__", "__main__")) and "hooks/" not in name]


# --- the shape of modules


def too_long(package: Path) -> list[str]:
    return [
        file.name
        for file in package.rglob("*.py")
        if len(file.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    ]


def test_no_module_is_longer_than_the_limit(tmp_path: Path) -> None:
    assert too_long(PACKAGE) == []
    (tmp_path / "short.py").write_text("pass\n" * MAX_LINES)
    assert too_long(tmp_path) == []
    (tmp_path / "long.py").write_text("pass\n" * (MAX_LINES + 1))
    assert too_long(tmp_path) == ["long.py"]


def vague(names: list[str]) -> list[str]:
    return [name for name in names if VAGUE & set(re.split(r"[/_]", name))]


def test_no_module_has_a_vague_name() -> None:
    assert vague(modules(PACKAGE)) == []
    assert vague(["api/wire_types", "api/utils", "base", "store/sql_helpers", "store/database"]) == [
        "api/utils",
        "base",
        "store/sql_helpers",
    ]


def undescribed(package: Path) -> list[str]:
    return [
        file.name
        for file in package.rglob("*.py")
        if not (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").strip()
    ]


def test_every_module_says_what_it_is(tmp_path: Path) -> None:
    assert undescribed(PACKAGE) == []
    (tmp_path / "silent.py").write_text("# a comment is not a docstring\nx = 1\n")
    assert undescribed(tmp_path) == ["silent.py"]


# --- tests mirror modules


def unmirrored(names: list[str], tests: list[str]) -> set[str]:
    """Modules without a test file, and test files without a module."""
    lone = {name for name in names if not {name, name.split("/")[0]} & TESTED_IN.keys()} - set(tests)
    return lone | (set(tests) - set(names) - SUBJECTS)


def test_unit_tests_mirror_the_modules() -> None:
    files = (file.relative_to(UNIT).with_suffix("").as_posix() for file in UNIT.rglob("test_*.py"))
    tests = [name.replace("test_", "", 1) for name in files]
    names = modules(PACKAGE)
    assert unmirrored(names, tests) == set()
    assert unmirrored([*names, "api/new"], [*tests, "api/gone"]) == {"api/new", "api/gone"}
    assert [where for where in TESTED_IN.values() if not (ROOT / where).exists()] == []
    rooms = {name.split("/")[0] for name in names}
    assert [entry for entry in TESTED_IN if entry not in {*names, *rooms}] == []
    assert [entry for entry in TESTED_IN if entry in tests] == []


# --- time, randomness, dependencies


def readings(source: str, banned: set[str]) -> Iterator[str]:
    """The banned modules and attributes that a source imports or names."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            case ast.Attribute():
                names = [ast.unparse(node), ".".join(ast.unparse(node).split(".")[-2:])]
            case _:
                pass
        yield from banned.intersection(names)


@pytest.mark.parametrize(("banned", "reader"), [(TIME, "clock.py"), (CHANCE, "entropy.py")])
def test_time_and_randomness_are_read_in_one_place(banned: set[str], reader: str) -> None:
    found = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(readings(file.read_text(encoding="utf-8"), banned))
    }
    assert found == {reader}


@pytest.mark.parametrize(
    "planted",
    [
        "import time",
        "from time import monotonic",
        "import secrets",
        "from random import choice",
        "from os import urandom",
        "def f():\n    import random",
        "os.urandom(3)",
        "datetime.now()",
        "datetime.datetime.utcnow()",
        "uuid.uuid4()",
    ],
)
def test_a_planted_reading_is_found(planted: str) -> None:
    assert list(readings(planted, TIME | CHANCE))


def unpinned(dependencies: list[str], lock: str) -> list[str]:
    """The dependencies that a lock file does not pin to one version with hashes."""
    normal = [re.split(r"[<>=~!;\[ ]", line)[0].lower().replace("_", "-") for line in dependencies]
    return [
        name
        for name in normal
        if not re.search(
            rf"^{re.escape(name)}==\S+.*\\\n(    --hash=sha256:[0-9a-f]{{64}}( \\)?\n)+", lock, re.M
        )
    ]


def test_every_dependency_is_pinned_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    assert unpinned(project["project"]["dependencies"], runtime) == []
    build = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    assert unpinned(project["build-system"]["requires"], build) == []
    extras = (ROOT / "requirements" / "extras.txt").read_text(encoding="utf-8")
    optional = project["project"]["optional-dependencies"]
    given = [
        one for extra in optional.keys() - {"pytest"} for one in optional[extra]
    ]  # that is the projects' own
    assert unpinned(given, extras) == []
    assert unpinned(["new>=1"], runtime) == ["new"]
    assert unpinned(["apsw"], "apsw==3.54.1.0\n") == ["apsw"]


def test_the_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        lock = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return {line.split(" ")[0] for line in lock.splitlines() if "==" in line.split(" ")[0]}

    assert pins("runtime.txt") | pins("build.txt") | pins("extras.txt") <= pins("dev.txt")


# --- what is in the repository


def private(text: str) -> list[str]:
    return [pattern for pattern in PRIVATE if re.search(pattern, text)]


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="this is no git checkout")
def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 100
    for file in files:
        if file.is_file():
            assert private(file.read_text(encoding="utf-8", errors="replace")) == [], file
    for machine in (
        "see /work|/x",
        "/root|/.cache",
        "/home|/me",
        "../share|d",
        "https://pypi.or|g",
        "npmjs.or|g",
    ):
        assert private(machine) == []
        assert private(machine.replace("|", ""))


# --- imports go down


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("domain/keys/key.py", "import keystead.store.ports", "Imports go down only"),
        ("crypto/blob.py", "import keystead.store.ports", "Imports go down only"),
        ("errors.py", "import keystead.domain.keys.key", "Imports go down only"),
        ("utils.py", "", "Imports go down only"),
        ("operations/kms/keys.py", "import keystead.operations.kms.aliases", "Families of operations"),
        ("api/wire_types.py", "import cryptography", "Only crypto uses the cryptography library"),
        ("server/app.py", "import apsw", "Only the store speaks to databases"),
        ("server/data/directory.py", "import psycopg", "Only the store speaks to databases"),
        (
            "domain/keys/lifecycle.py",
            "import keystead.domain.keys.key",
            "Packages and modules import each other in no circle",
        ),
        ("server/network/link.py", "import keystead.server.service.pools", "Within the server"),
        ("cli/commands/kms.py", "import keystead.store.sqlite", "Commands reach store and crypto"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    module: str, planted: str, contract: str, tmp_path: Path
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "keystead", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "keystead" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(rf"^{contract}.* BROKEN", done.stdout, re.M), done.stdout


# --- nothing is skipped in silence


@pytest.mark.parametrize(
    "planted",
    [
        "import pytest\ndef test_it(): pytest.skip('no program')\n",
        "import pytest\npytest.importorskip('no_such_module')\n",
        "import pytest\n@pytest.mark.xfail(reason='later')\ndef test_it(): assert False\n",
    ],
)
@pytest.mark.parametrize(("no_skip", "status"), [("0", {0, 5}), ("1", {1, 2})])
def test_a_skip_is_a_failure_where_nothing_may_be_skipped(
    planted: str, no_skip: str, status: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text(planted)
    monkeypatch.setenv("TEST_NO_SKIP", no_skip)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in status, done.stdout


# --- variables of the environment


def unknown_variables(files: list[Path]) -> list[str]:
    """What looks like a variable of ours and is none: a user who is told of it would be refused."""
    known = {*(one.variable for one in SETTINGS), *variables.OF_CLIENTS, *variables.OF_RUN}
    known |= {variables.CONFIG, variables.STORE_PASSWORD}
    known.add("KEYSTEAD_NO_SKIP")  # of the suite, which takes it out of the environment
    return [
        f"{file.name}: {name}"
        for file in files
        for name in re.findall(r"\bKEYSTEAD_[A-Z_]+\b", file.read_text(encoding="utf-8"))
        if name not in known
    ]


def test_every_variable_that_is_named_exists(tmp_path: Path) -> None:
    folders = [PACKAGE, ROOT / "docs", ROOT / "examples", ROOT / ".ci"]
    files = [
        file for folder in folders for file in folder.rglob("*") if file.suffix in TEXTS and file.is_file()
    ]
    files += [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", ".ci/run", "tests/conftest.py")
    ]
    assert unknown_variables(files) == []
    (tmp_path / "page.md").write_text("KEYSTEAD_LISTEN and KEYSTEAD_LISTN")
    assert unknown_variables([tmp_path / "page.md"]) == ["page.md: KEYSTEAD_LISTN"]


TEXTS = {".py", ".md", ".cjs", ".toml", ".service", ".timer", ".conf", ".js"}
