"""pytest's fixtures, found through the entry point `pytest11`.

    def test_it(kms):
        key = kms.new_key()
        my_program(kms.client(), key)
        assert kms.calls == ["GenerateDataKey"]

Nothing but this module is loaded before a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from keystead.testing.local_kms import LocalKms


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings of the server that all tests of a session share."""
    parser.addini("keystead_seed", "a TOML file of fixed keys (from the rootdir)", default="")
    parser.addini(
        "keystead_region", "the region of the test server (default: cn-hangzhou, or the seed's)", default=""
    )
    group = parser.getgroup("keystead")
    group.addoption("--keystead-seed", metavar="FILE", help="a TOML file of fixed keys for the test server")


@pytest.fixture(scope="session")
def kms_server(pytestconfig: pytest.Config) -> "Iterator[LocalKms]":
    """The server of this session: one per worker under pytest-xdist, each with a port of its own."""
    from keystead.errors import OperatorError
    from keystead.testing.local_kms import LocalKms

    given = pytestconfig.getoption("--keystead-seed")
    named = pytestconfig.getini("keystead_seed")
    seed = given or (str(pytestconfig.rootpath / named) if named else None)
    try:
        server = LocalKms(region=pytestconfig.getini("keystead_region"), seed=seed).start()
    except OperatorError as problem:
        pytest.fail(f"{problem.message}; {problem.hint}", pytrace=False)
    yield server
    server.stop()


@pytest.fixture
def kms(kms_server: "LocalKms") -> "Iterator[LocalKms]":
    """The session's server, with no calls and no faults yet.

    Keys of other tests are still there: take new ones. After a test that moved the clock the server starts anew with the
    seed's keys. A planned fault that no call met fails the test: it tested something else.
    """
    kms_server.forget()
    yield kms_server
    unmet = kms_server.unmet()
    if kms_server.clock.moved:
        kms_server.reset()
    kms_server.forget()
    if unmet:
        pytest.fail(
            f"no call met the planned fault: {'; '.join(unmet)} (those of kms.call and kms.new_key meet none)",
            pytrace=False,
        )


@pytest.fixture
def kms_key(kms: "LocalKms") -> str:
    """The id of a new symmetric key."""
    return kms.new_key()


@pytest.fixture
def kms_client(kms: "LocalKms") -> Any:
    """A client of alibabacloud_kms20160120."""
    return kms.client()


@pytest.fixture
def kms_classic_client(kms: "LocalKms") -> Any:
    """A client of aliyun-python-sdk-core with aliyun-python-sdk-kms."""
    return kms.classic_client()


@pytest.fixture
def kms_environment(kms: "LocalKms", monkeypatch: pytest.MonkeyPatch) -> "LocalKms":
    """The environment in which official clients work unmodified, in this process and the programs that it starts."""
    from keystead.testing.patch import roots

    change = kms.environment()
    for name in change.removed:
        monkeypatch.delenv(name, raising=False)
    for name, value in change.values.items():
        monkeypatch.setenv(name, value)
    for module, name, value in roots(change):
        monkeypatch.setattr(module, name, value)
    return kms
