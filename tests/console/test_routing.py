"""What holds for every page."""

from tests.console.browser import Browser
from tests.harness import Service


def test_a_page_is_for_who_is_signed_in() -> None:
    shown = Browser(Service()).get("/")
    assert shown.path == "/console/sign-in"
    assert "Sign in" in shown.text


def test_the_owner_sees_the_overview() -> None:
    browser = Browser(Service())
    browser.sign_in_as_owner()
    assert "Overview" in browser.get("/").text


def test_a_form_comes_from_this_host_with_its_token() -> None:
    browser = Browser(Service())
    browser.sign_in_as_owner()
    assert browser.post("/preferences", {"theme": "dark"}).status == 200
    assert browser.cookies["keystead-theme"] == "dark"
    assert browser.post("/preferences", {"theme": "light"}, token="other").status == 403
    for origin in ("", "null", "https://evil.example", "https://localhost"):
        assert browser.post("/preferences", {"theme": "light"}, headers={"origin": origin}).status == 403
    assert browser.cookies["keystead-theme"] == "dark"
