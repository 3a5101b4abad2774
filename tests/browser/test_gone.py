"""The server is gone: the page says so, and comes back by itself; what was being typed stays."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.scene import Scene, context
from tests.live import LiveServer, live


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server on a port that it has again after its next start."""
    with live(tmp_path_factory.mktemp("gone") / "data") as server:
        server.options = ("--listen", server.description["url"].partition("://")[2])
        yield Scene(server)


@pytest.fixture
def owner(scene: Scene, window: Browser) -> Iterator[BrowserContext]:
    with context(window) as made:
        scene.sign_in_owner(made.new_page())
        yield made


def _away(server: LiveServer) -> None:
    assert server.stop() == 0


def test_a_page_that_is_looked_at_says_so_and_comes_back(scene: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/")
    banner = page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(banner).to_be_hidden()
    _away(scene.server)
    expect(banner).to_be_visible()
    with page.expect_navigation():
        scene.server.start()
    expect(banner).to_be_hidden()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_form_that_was_begun_stays_and_can_be_sent(scene: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/keys/create")
    page.get_by_label("Description").fill("typed before")
    banner = page.get_by_role("alert").filter(has_text="The server does not answer")
    _away(scene.server)
    expect(banner).to_be_visible()
    scene.server.start()
    expect(banner).to_be_hidden()
    expect(page.get_by_label("Description")).to_have_value("typed before")
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_role("status")).to_contain_text("The key was created")


def test_a_part_that_cannot_be_fetched_says_so_at_once(scene: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/keys")
    _away(scene.server)
    page.get_by_label("Find", exact=True).fill("web")
    banner = page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(banner).to_be_visible(timeout=12_000)  # before the page would look by itself
    scene.server.start()
    expect(banner).to_be_hidden()
