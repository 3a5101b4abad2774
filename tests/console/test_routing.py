"""What holds for every page."""

import pytest

from keystead.api.http.message import HttpResponse
from tests.console.browser import HOST, Browser
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
    for token in ("", "other", "é"):
        assert browser.post("/preferences", {"theme": "light"}, token=token).status == 403
    others = (
        "https://evil.example",
        "https://localhost",
        "http://localhost:8443",
        "http://[",
        "https://[::1",
    )
    for origin in ("", "null", *others):
        assert browser.post("/preferences", {"theme": "light"}, headers={"origin": origin}).status == 403
    assert browser.cookies["keystead-theme"] == "dark"


@pytest.mark.parametrize("charset", ["unicode_escape", "undefined", "utf-7", "UTF-16"])
def test_a_form_is_in_utf_8_so_that_all_of_it_is_text(charset: str) -> None:
    browser = Browser(Service())
    token = browser.form_token()

    def post(charset: str) -> int:
        fields = (("form_token", token), ("user_name", "alice"), ("password", r"\ud800"))
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields
        ]
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        given = {"origin": f"https://{HOST}", "content-type": kind}
        return browser._go("POST", "/console/sign-in", given, f"{''.join(parts)}--x--\r\n".encode()).status

    assert post(charset) == 403
    assert browser.calls == []
    assert post("UTF-8") == 403
    assert [one.parameters["Password"] for one in browser.calls] == [r"\ud800"]


def test_a_host_that_is_no_address_is_refused() -> None:
    for host in ("[", "[::1", "localhost:²", "localhost:x", "localhost:65536", f"localhost:{'9' * 5000}"):
        assert Browser(Service())._go("GET", "/console/sign-in", {"host": host}).status == 400, host
    for host in ("", "[::1]:8443", "kms.example.org", "localhost:65535"):
        assert Browser(Service())._go("GET", "/console/sign-in", {"host": host}).status == 200, host


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


def test_a_page_that_does_not_exist_is_one_like_all_others() -> None:
    service = Service()
    browser = Browser(service)
    assert browser.get("/nowhere").path.startswith("/console/sign-in")
    browser.sign_in_as_owner()
    shown = browser.get("/nowhere")
    assert shown.status == 404
    assert "There is no such page" in shown.text
    assert shown.headers["cache-control"] == "no-store"


def test_a_service_that_does_not_even_say_who_is_signed_in_is_told_plainly() -> None:
    browser = Browser(Service())
    browser.sign_in_as_owner()

    body = b'{"Code": "ServiceUnavailableTemporary", "Message": "try again"}'
    browser.instead = HttpResponse(status=503, content_type="application/json", body=body)
    for path in ("/", "/nowhere"):
        shown = browser.get(path)
        assert shown.status == 503
        assert "The service does not answer now" in shown.text
        assert shown.headers["content-security-policy"]
