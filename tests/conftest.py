"""For all tests: reproducible random inputs; the wheel, built once; databases; and where nothing may be skipped, a skip is a
failure."""

import os
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.databases import Databases
    from tests.harness import OnDisk, Service
    from tests.postgres import Cluster

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("ci")

# Colours are for people: no test sees any unless it asks for them.
for _name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(_name, None)

# Tests start processes by the hundred: what was compiled for one is kept for the next.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Out of the environment: to the program it would be the variable of a setting that there is not.
if os.environ.pop("KEYSTEAD_NO_SKIP", "") == "1":
    os.environ["TEST_NO_SKIP"] = "1"


# What others reach too, at a third of the suite's time and half again as much when it is measured.
_UNMEASURED = tuple(
    Path(__file__).parent / place
    for place in (
        "browser",
        "crash",
        "install",
        "interop",
        "properties/test_life_of_keys.py",
        "security/test_canaries.py",
    )
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Those are not measured, nor are the processes that they start."""
    if not {item.path, *item.path.parents} & set(_UNMEASURED):
        return (yield)
    measuring = coverage.Coverage.current()
    switches = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_")}
    if measuring:
        measuring.stop()
    try:
        return (yield)
    finally:
        os.environ.update(switches)
        if measuring:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that something was imported before
                measuring.start()


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("TEST_NO_SKIP") == "1" and report.skipped:
        # An expected failure is reported as a skip too; as long as it bears this mark it would not count.
        vars(report).pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and nothing may be: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    from tests import built

    folder = built.once(tmp_path_factory.getbasetemp(), "dist", built.distributions)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def sdist(wheel: Path) -> Path:
    """The source distribution of this checkout."""
    return next(wheel.parent.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def client_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client file of this checkout."""
    from tests import built

    folder = built.once(tmp_path_factory.getbasetemp(), "client", built.client_file)
    return folder / built.CLIENT_FILE


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Cluster]":
    """A PostgreSQL for whoever needs no more than a database: quick. One for each worker."""
    from tests.postgres import cluster

    with cluster(durable=False) as running:
        yield running


@pytest.fixture
def database_url(postgres: "Cluster") -> Iterator[str]:
    """An empty database there."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def databases(postgres: "Cluster") -> "Iterator[Databases]":
    """Databases there that have our tables and nothing in them."""
    from tests.databases import Databases, give

    made = Databases(postgres)
    give(made)
    yield made
    give(None)
    made.close()


@pytest.fixture(scope="session", autouse=True)
def _chosen_store(request: pytest.FixtureRequest) -> None:
    """Where all services are to be over PostgreSQL, databases are there before any."""
    if os.environ.get("TEST_STORE") == "postgresql":
        request.getfixturevalue("databases")


@pytest.fixture
def emptied_url(databases: "Databases") -> Iterator[str]:
    """The URL of one of them."""
    with databases.one() as url:
        yield url


@pytest.fixture(params=["disk", "postgresql"])
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> "Iterator[OnDisk]":
    """A service that can be started again, over each kind of database."""
    from tests.harness import OnDisk

    url = request.getfixturevalue("emptied_url") if request.param == "postgresql" else ""
    made = OnDisk(tmp_path / "data", url)
    yield made
    made.store.close()


@pytest.fixture(params=["memory", "disk", "postgresql"])
def any_service(request: pytest.FixtureRequest, tmp_path: Path) -> "Iterator[Service]":
    """A service over each kind of store."""
    from tests.harness import OnDisk, Service

    url = request.getfixturevalue("emptied_url") if request.param == "postgresql" else ""
    made = Service() if request.param == "memory" else OnDisk(tmp_path / "data", url)
    yield made
    made.store.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where services are over a database, tests that need the store in memory are left out."""
    if os.environ.get("TEST_STORE", "memory") != "memory":
        left_out = [item for item in items if item.get_closest_marker("memory")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
