"""What holds for every page that a link leads to, in every language: axe-core finds nothing, nothing overflows, the page's own
policy is never broken, and every control can be reached and told by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.scene import LANGUAGES, Scene, Watch, context, pages

AXE = Path(__file__).parents[1] / "interop" / "node" / "node_modules" / "axe-core" / "axe.min.js"
FINDINGS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
    one => `${one.id}: ${one.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', ')}`)"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

# Elements that take part in the keyboard's order and show nothing when they have the focus, or have no name.
SILENT = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
    .filter(one => one.checkVisibility() && !one.disabled)
    .filter(one => { one.focus(); return document.activeElement !== one
        || (getComputedStyle(one).outlineStyle === 'none' && !one.matches(':not(:focus-visible)')); })
    .map(one => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def owner(scene: Scene, window: Browser) -> Iterator[BrowserContext]:
    """The owner's browser."""
    with context(window, viewport={"width": 360, "height": 800}) as made:
        scene.sign_in_owner(made.new_page())
        yield made


def complaints(page: Page, address: str) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = [f"{address} {one}" for one in page.evaluate(FINDINGS)]
    if page.evaluate(OVERFLOW) > 0:
        found.append(f"{address} is wider than the window")
    return found + [f"{address} silent: {one}" for one in page.evaluate(SILENT)]


def test_every_page_in_every_language(scene: Scene, owner: BrowserContext) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in tests/interop/node")
    page = owner.new_page()
    watch = Watch(page)
    addresses = pages(page, scene)
    found: list[str] = []
    for language in LANGUAGES:
        owner.add_cookies(
            [{"name": "keystead-language", "value": language, "domain": "localhost", "path": "/"}]
        )
        # Colours are the same in all languages: only the first is looked at in both schemes.
        for scheme in ("light", "dark") if language == LANGUAGES[0] else ("light",):
            page.emulate_media(color_scheme=scheme)
            for address in addresses:
                page.goto(f"{scene.url}{address}")
                assert page.get_attribute("html", "lang") == language
                found += [f"{language} {scheme} {one}" for one in complaints(page, address)]
    assert found == []
    assert watch.seen == []
