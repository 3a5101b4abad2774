"""One server and one Chromium for all tests of a file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.scene import Scene, chromium, furnished

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with furnished(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    """The browser: a test opens a reader's own context in it."""
    with chromium() as made:
        yield made
