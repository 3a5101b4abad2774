"""A service in memory, and its owner's browser."""

import pytest

from tests.console.browser import Browser
from tests.harness import Service


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def owner(service: Service) -> Browser:
    return Browser(service).sign_in_as_owner()
