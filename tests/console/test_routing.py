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


def test_what_was_done_is_said_once() -> None:
    browser = Browser(Service())
    browser.sign_in_as_owner()
    shown = browser.get("/users", marker="a b&c=ü", done="saved")
    assert "Saved" in shown.text
    assert shown.field("page") == "/users?marker=a+b%26c%3D%C3%BC"
    again = browser.post("/preferences", {"theme": "dark", "page": shown.field("page")})
    assert again.path == f"/console{shown.field('page')}"
    assert "Saved" not in again.text


def test_a_form_that_is_answered_with_a_page_leads_back_to_the_page_that_it_was_on() -> None:
    browser = Browser(Service())
    browser.sign_in_as_owner()
    shown = browser.post("/groups/none/remove", {"UserName": "alice", "page": "/groups"})
    assert shown.field("page") == "/groups"


def test_https_is_for_good_except_on_localhost() -> None:
    for host, kept in (("kms.example.org", True), ("kms.example.org:8443", True), ("localhost:8443", False)):
        asked = {"user_name": "nobody", "password": "wrong"}
        here = {"host": host, "origin": f"https://{host}"}
        shown = Browser(Service()).post("/sign-in", asked, headers=here)
        assert shown.path == "/console/sign-in"
        assert ("strict-transport-security" in shown.headers) is kept, host
