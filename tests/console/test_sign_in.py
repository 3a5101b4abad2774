"""Signing in and out: by password, code and link; sessions that end, and what a form keeps when one has."""

import base64

import pytest

from keystead.api.http.receive import Received
from keystead.api.pipeline import Answer
from keystead.console.visit import SESSION, VISITOR
from keystead.crypto import one_time_codes
from keystead.domain.products import RAM
from keystead.domain.sessions import IDLE, LONGEST, ONCE
from tests.at_console import PASSWORD
from tests.console.browser import Browser, make_user
from tests.harness import Service


def give_password(service: Service, user: str, *policies: str) -> None:
    """Make a RAM user who may sign in."""
    make_user(service, user, *policies)
    service.ok("CreateLoginProfile", Version=RAM.version, UserName=user, Password=PASSWORD)


def _signed_in(service: Service, user: str) -> Browser:
    """By the form itself."""
    browser = Browser(service)
    assert "Overview" in _posted(browser, user, PASSWORD)
    return browser


def _posted(browser: Browser, user: str, password: str, code: str = "") -> str:
    shown = browser.post("/sign-in", {"user_name": user, "password": password, "code": code})
    assert not password or password not in shown.html
    return shown.text


def test_a_user_signs_in_with_a_password() -> None:
    service = Service()
    give_password(service, "alice")
    browser = _signed_in(service, "alice")
    assert "alice" in browser.get("/").text
    assert browser.get("/sign-in").path == "/console/"


def test_a_wrong_password_and_a_user_that_is_not_there_are_refused_alike() -> None:
    service = Service()
    give_password(service, "alice")
    browser = Browser(service)
    said = _posted(browser, "alice", "wrong")
    assert "do not belong together" in said
    assert _posted(browser, "nobody", "wrong").replace("nobody", "alice") == said.replace("nobody", "alice")
    assert SESSION not in browser.cookies
    assert "Give your user name" in _posted(browser, "alice", "")
    assert "too long" in _posted(browser, "alice", "x" * 129)


def test_attempts_are_limited_and_the_page_says_until_when() -> None:
    service = Service()
    give_password(service, "alice")
    browser = Browser(service)
    for _ in range(10):
        assert "do not belong together" in _posted(browser, "alice", "wrong")
    assert "Try again after Jan 2, 2026, 3:19:05" in _posted(browser, "alice", PASSWORD)
    Browser(service).sign_in_as_owner()  # whom nobody can lock out
    service.clock.advance(15 * 60)
    assert "Overview" in _posted(browser, "alice", PASSWORD)


def bind_device(service: Service, user: str) -> bytes:
    def ram(action: str, **parameters: str) -> dict[str, dict[str, str]]:
        return service.ok(action, Version=RAM.version, **parameters)

    made = ram("CreateVirtualMFADevice", VirtualMFADeviceName=user)["VirtualMFADevice"]
    text = made["Base32StringSeed"]
    seed = base64.b32decode(text + "=" * (-len(text) % 8))
    step = int(service.clock.now()) // one_time_codes.STEP
    codes = [one_time_codes.code_at(seed, step - 1), one_time_codes.code_at(seed, step)]
    ram(
        "BindMFADevice",
        UserName=user,
        SerialNumber=made["SerialNumber"],
        AuthenticationCode1=codes[0],
        AuthenticationCode2=codes[1],
    )
    return seed


def test_a_user_with_a_device_gives_its_code_too() -> None:
    service = Service()
    give_password(service, "alice")
    seed = bind_device(service, "alice")
    service.clock.advance(60)
    browser = Browser(service)
    assert "give its code as well" in _posted(browser, "alice", PASSWORD)
    assert "This code is not right" in _posted(browser, "alice", PASSWORD, "000000")
    code = one_time_codes.code_at(seed, int(service.clock.now()) // one_time_codes.STEP)
    assert "Overview" in _posted(browser, "alice", PASSWORD, f"{code[:3]} {code[3:]}")
    again = Browser(service)
    assert "was used before" in _posted(again, "alice", PASSWORD, code)
    assert SESSION not in again.cookies


def test_looking_at_a_link_uses_nothing_up_and_its_button_works_once() -> None:
    service = Service()
    made = service.operate("CreateSignInLink")[1]
    for _ in range(3):  # prefetched, previewed, opened
        looking = Browser(service)
        shown = looking.get(f"/link/{made['Token']}")
        assert made["ShortCode"] in shown.text
        assert [call.action for call in looking.calls] == []
    browser = Browser(service)
    token = browser.get(f"/link/{made['Token']}").field("token")
    assert "Overview" in browser.post("/link", {"token": token}).text
    thief = Browser(service)
    shown = thief.post("/link", {"token": token})
    assert shown.status == 403
    assert "used before" in shown.text
    assert SESSION not in thief.cookies


def test_a_link_is_good_for_a_minute() -> None:
    service = Service()
    browser = Browser(service)
    token = str(service.operate("CreateSignInLink")[1]["Token"])
    service.clock.advance(ONCE - 1)
    assert "Overview" in browser.post("/link", {"token": token}).text
    token = str(service.operate("CreateSignInLink")[1]["Token"])
    service.clock.advance(ONCE)
    late = Browser(service).post("/link", {"token": token})
    assert "its minute is over" in late.text
    assert token not in late.html


def test_a_link_is_redeemed_from_its_page_only() -> None:
    service = Service()
    token = str(service.operate("CreateSignInLink")[1]["Token"])
    browser = Browser(service)
    for origin in ("", "null", "https://evil.example"):
        assert browser.post("/link", {"token": token}, headers={"origin": origin}).status == 403
    assert browser.post("/link", {"token": token}, token="0" * 64).status == 403
    assert browser.post("/link", {"token": token}).status == 200


def test_who_signs_in_anew_has_one_session() -> None:
    service = Service()
    for user in ("alice", "bob"):
        give_password(service, user)
    browser = _signed_in(service, "alice")
    for how in ("password", "link"):
        before = browser.cookies[SESSION]
        if how == "link":
            token = str(service.operate("CreateSignInLink")[1]["Token"])
            assert "Overview" in browser.post("/link", {"token": token}).text
        else:
            assert "Overview" in _posted(browser, "bob", PASSWORD)
        old = Browser(service)
        old.cookies[SESSION] = before
        assert old.get("/").path.startswith("/console/sign-in")
        assert browser.get("/").path == "/console/"


def test_a_cookie_that_was_there_before_is_never_adopted() -> None:
    service = Service()
    give_password(service, "alice")
    for how in ("password", "link"):
        browser = Browser(service)
        browser.cookies |= {SESSION: "planted", VISITOR: "planted"}
        if how == "link":
            token = str(service.operate("CreateSignInLink")[1]["Token"])
            assert "Overview" in browser.post("/link", {"token": token}).text
        else:
            assert "Overview" in _posted(browser, "alice", PASSWORD)
        assert browser.cookies[SESSION] not in ("", "planted")
        other = Browser(service)
        other.cookies[SESSION] = "planted"
        assert other.get("/").path.startswith("/console/sign-in")


def test_signing_in_again_gives_another_token() -> None:
    service = Service()
    give_password(service, "alice")
    browser = _signed_in(service, "alice")
    first = browser.cookies[SESSION]
    _posted(browser, "alice", PASSWORD)
    assert browser.cookies[SESSION] != first


def test_an_old_cookie_is_refused_after_signing_out() -> None:
    browser = Browser(Service()).sign_in_as("alice")
    old = browser.cookies[SESSION]
    shown = browser.post("/sign-out")
    assert "You are signed out" in shown.text
    assert SESSION not in browser.cookies
    browser.cookies[SESSION] = old
    assert browser.get("/").path == "/console/sign-in"


@pytest.mark.parametrize("seconds", [IDLE, LONGEST])
def test_a_session_ends(seconds: int) -> None:
    service = Service()
    browser = Browser(service).sign_in_as("alice", "AliyunRAMReadOnlyAccess")
    end = service.clock.now() + seconds
    while service.clock.now() < end - IDLE:
        service.clock.advance(IDLE - 60)
        assert browser.get("/users").status == 200
    service.clock.advance(end - service.clock.now() - 1)
    assert browser.get("/design").path == "/console/design"
    service.clock.advance(1)
    assert browser.get("/users").path == "/console/sign-in?next=%2Fusers"


def test_a_form_that_was_sent_too_late_is_filled_in_again_but_for_what_is_sensitive() -> None:
    service = Service()
    browser = Browser(service).sign_in_as_owner()
    service.clock.advance(IDLE)
    typed = {
        "UserName": "bob",
        "Comments": "<b>night shift</b>",
        "Password": "hunter2-Secret",
        "confirm_password": "hunter2-Secret",
        "PolicyDocument": "hunter2-Secret",
        "plaintext": "hunter2-Secret",
        "anything": "hunter2-Secret",
        "page": "/users/-/create",
    }
    shown = browser.post("/users/-/create", typed)
    assert shown.status == 401
    assert "nothing was done" in shown.text
    assert "hunter2" not in shown.html
    assert "<b>night" not in shown.html
    assert shown_users(service) == []
    give_password(service, "carol")
    fields = {name: shown.field(name) for name in ("next", "kept.UserName", "kept.Comments")}
    wrong = browser.post("/sign-in", {"user_name": "carol", "password": "wrong", **fields})
    assert wrong.field("kept.UserName") == "bob"
    back = browser.post("/sign-in", {"user_name": "carol", "password": PASSWORD, **fields})
    assert back.path == "/console/users/-/create?UserName=bob&Comments=%3Cb%3Enight+shift%3C%2Fb%3E"


def test_a_form_that_is_too_much_for_an_address_is_not_kept() -> None:
    service = Service()
    browser = Browser(service).sign_in_as_owner()
    service.clock.advance(IDLE)
    shown = browser.post("/users/-/create", {"UserName": "bob", "Description": "x" * 2000})
    assert "kept." not in shown.html


def test_after_signing_in_one_is_back_at_a_page_of_the_console_and_nowhere_else() -> None:
    service = Service()
    give_password(service, "alice", "AliyunRAMReadOnlyAccess")
    for page, path in (
        ("/users?marker=b", "/console/users?marker=b"),
        ("//evil.example/", "/console/"),
        ("https://evil.example/", "/console/"),
        ("/\\evil.example", "/console/"),
        ("/\r\nSet-Cookie: a=b", "/console/"),
    ):
        browser = Browser(service)
        shown = browser.post("/sign-in", {"user_name": "alice", "password": PASSWORD, "next": page})
        assert shown.path == path


def test_a_session_that_ends_while_a_page_is_made_leads_to_the_sign_in_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service()
    service.ok("CreateGroup", Version=RAM.version, GroupName="staff")
    browser = Browser(service).sign_in_as_owner()
    take = service.take

    def slowly(received: Received) -> Answer:
        if received.action == "ListUsersForGroup":
            service.clock.advance(IDLE)
        return take(received)

    monkeypatch.setattr(service, "take", slowly)
    assert browser.get("/groups/staff").path == "/console/sign-in"


def test_language_appearance_and_region_are_kept_and_others_are_not() -> None:
    browser = Browser(Service())
    for name, good, bad in (
        ("language", "zh-TW", "xx"),
        ("theme", "dark", "pink"),
        ("region", "cn-beijing", "not a region"),
    ):
        for value in (good, bad):
            browser.post("/preferences", {name: value})
            assert browser.cookies[f"keystead-{name}"] == good
    browser.post("/preferences", {"theme": "system"})
    assert "keystead-theme" not in browser.cookies or browser.cookies["keystead-theme"] == ""
    assert '<html lang="zh-TW">' in browser.get("/sign-in").html


def shown_users(service: Service) -> list[str]:
    """The names of the users that there are."""
    return [user["UserName"] for user in service.ok("ListUsers", Version=RAM.version)["Users"]["User"]]
