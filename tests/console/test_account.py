"""One's own account, and how others sign in: passwords, MFA devices, what has to be done first."""

import base64
import re
from xml.etree import ElementTree

import pytest

from keystead.console import mfa
from keystead.console.visit import SESSION
from keystead.crypto import one_time_codes
from keystead.domain.products import RAM
from keystead.domain.sessions import CONFIRMED
from tests.at_console import PASSWORD
from tests.console.browser import Browser, Shown, make_user
from tests.harness import Service

ANOTHER = "another-Horse8-battery"


def _profile(service: Service, **more: str) -> None:
    make_user(service, "alice")
    service.ok("CreateLoginProfile", Version=RAM.version, UserName="alice", Password=PASSWORD, **more)


def _sign_in(browser: Browser, password: str = PASSWORD, code: str = "") -> Shown:
    return browser.post("/sign-in", {"user_name": "alice", "password": password, "code": code})


def _seed(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))


def _codes(service: Service, seed: str) -> tuple[str, str]:
    step = int(service.clock.now()) // one_time_codes.STEP
    return one_time_codes.code_at(_seed(seed), step - 1), one_time_codes.code_at(_seed(seed), step)


def _enrol(service: Service, browser: Browser) -> Shown:
    seed = browser.post("/account/mfa").field("seed")
    first, second = _codes(service, seed)
    typed = {"seed": seed, "AuthenticationCode1": first, "AuthenticationCode2": second}
    return browser.post("/account/mfa/bind", typed)


# --- the session


def test_the_page_of_the_account_says_who_is_signed_in_and_how(service: Service, owner: Browser) -> None:
    shown = owner.get("/account")
    for text in (
        "Owner of the account",
        "keystead console login",
        "keystead console code",
        "console-",
        "3:34:05",
    ):
        assert text in shown.text
    alice = Browser(service).sign_in_as("alice")
    shown = alice.get("/account")
    assert "alice" in shown.text
    assert "keystead console login" not in shown.text
    assert "not asked for again until" in shown.text
    service.clock.advance(CONFIRMED)
    assert "asked for with the next change" in alice.get("/account").text


def test_the_owner_has_no_password_and_no_device(owner: Browser) -> None:
    assert "The owner of the account has no password" in owner.get("/account/password").text
    shown = owner.post("/account/password", {"OldPassword": "a", "NewPassword": ANOTHER, "again": ANOTHER})
    assert "NotSupport.Account" in shown.text
    assert "without a password or device" in owner.get("/account/mfa").text
    assert owner.post("/account/mfa").status >= 400


# --- the own password


def test_a_password_is_changed_and_other_sessions_end(service: Service) -> None:
    _profile(service)
    browser, other = Browser(service), Browser(service)
    _sign_in(browser)
    _sign_in(other)
    typed = {"OldPassword": PASSWORD, "NewPassword": ANOTHER, "again": ANOTHER}
    shown = browser.post("/account/password", typed)
    assert shown.path == "/console/account?done=password-changed"
    assert other.get("/account").path.startswith("/console/sign-in")
    assert browser.get("/account").status == 200
    assert "do not belong together" in _sign_in(Browser(service)).text
    assert _sign_in(Browser(service), ANOTHER).path == "/console/"


@pytest.mark.parametrize(
    ("typed", "field", "text"),
    [
        ({"OldPassword": "wrong-Pass1-word"}, "OldPassword", "This is not your password"),
        ({"OldPassword": ""}, "OldPassword", "Fill this in"),
        ({"NewPassword": "short", "again": "short"}, "NewPassword", "does not follow the rules"),
        ({"NewPassword": PASSWORD, "again": PASSWORD}, "NewPassword", "was used before"),
        ({"NewPassword": "x" * 129, "again": "x" * 129}, "NewPassword", "At most 128 characters"),
        ({"again": "different"}, "again", "This is not the same password"),
    ],
)
def test_what_is_wrong_with_a_password_stands_beside_it(
    service: Service, typed: dict[str, str], field: str, text: str
) -> None:
    browser = Browser(service).sign_in_as("alice")
    asked = {"OldPassword": PASSWORD, "NewPassword": ANOTHER, "again": ANOTHER, **typed}
    shown = browser.post("/account/password", asked)
    assert shown.status == 400
    assert re.search(rf'id="{field}-error">[^<]*{text}', shown.html)
    for value in asked.values():
        assert not value or value not in shown.html
    assert _sign_in(Browser(service)).path == "/console/"


def test_the_rules_for_passwords_are_those_of_the_account(service: Service) -> None:
    browser = Browser(service).sign_in_as("alice")
    shown = browser.get("/account/password").text
    for rule in (
        "At least 8 characters",
        "A lower-case letter",
        "An upper-case letter",
        "A digit",
        "A symbol",
    ):
        assert rule in shown
    assert "None of the last" not in shown
    rules = {"MinimumPasswordLength": "12", "RequireNumbers": "false", "PasswordReusePrevention": "3"}
    service.ok("SetPasswordPolicy", Version=RAM.version, **rules)
    shown = browser.get("/account/password").text
    assert "At least 12 characters" in shown
    assert "None of the last 3 passwords" in shown
    assert "A digit" not in shown


# --- what has to be done first


def test_who_has_to_change_the_password_does_so_before_anything_else(service: Service) -> None:
    _profile(service, PasswordResetRequired="true")
    browser = Browser(service)
    assert _sign_in(browser).path == "/console/account/password"
    for page in ("/", "/users", "/account"):
        assert browser.get(page).path == "/console/account/password"
    typed = {"OldPassword": PASSWORD, "NewPassword": ANOTHER, "again": ANOTHER}
    assert browser.post("/account/password", typed).path == "/console/account?done=password-changed"
    assert browser.get("/").path == "/console/"


def test_who_has_to_enrol_a_device_does_so_before_anything_else(service: Service) -> None:
    _profile(service, PasswordResetRequired="true", MFABindRequired="true")
    browser = Browser(service)
    _sign_in(browser)
    typed = {"OldPassword": PASSWORD, "NewPassword": ANOTHER, "again": ANOTHER}
    shown = browser.post("/account/password", typed)
    assert shown.path == "/console/account/mfa"
    assert "Before anything else enrol an MFA device" in shown.text
    assert browser.get("/users").path == "/console/account/mfa"
    assert _enrol(service, browser).path == "/console/account?done=mfa-bound"
    assert browser.get("/").path == "/console/"


def test_who_has_something_to_do_first_may_sign_out_instead(service: Service) -> None:
    _profile(service, PasswordResetRequired="true")
    browser = Browser(service)
    _sign_in(browser)
    assert "You are signed out" in browser.post("/sign-out").text
    assert SESSION not in browser.cookies


# --- the own device


def test_a_device_is_enrolled_with_two_codes(service: Service) -> None:
    browser = Browser(service).sign_in_as("alice")
    shown = browser.post("/account/mfa")
    seed = shown.field("seed")
    assert seed in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert "style=" not in shown.html
    assert "data:" not in shown.html
    wrong = browser.post(
        "/account/mfa/bind", {"seed": seed, "AuthenticationCode1": "000000", "AuthenticationCode2": "000001"}
    )
    assert wrong.status == 400
    assert "not two codes of this app" in wrong.text
    assert wrong.field("seed") == seed
    short = browser.post(
        "/account/mfa/bind", {"seed": seed, "AuthenticationCode1": "12345", "AuthenticationCode2": ""}
    )
    assert "Six digits" in short.text
    assert "Fill this in" in short.text
    first, second = _codes(service, seed)
    shown = browser.post(
        "/account/mfa/bind", {"seed": seed, "AuthenticationCode1": first, "AuthenticationCode2": second}
    )
    assert shown.path == "/console/account?done=mfa-bound"
    assert "bound" in browser.get("/account").text
    assert browser.post("/account/mfa").status == 409
    service.clock.advance(60)
    another = Browser(service)
    assert "give its code as well" in _sign_in(another).text
    assert _sign_in(another, code=_codes(service, seed)[1]).path == "/console/"
    assert "password and code" in another.get("/account").text


def test_an_enrolment_that_was_left_is_begun_anew(service: Service) -> None:
    browser = Browser(service).sign_in_as("alice")
    first = browser.post("/account/mfa").field("seed")
    second = browser.post("/account/mfa").field("seed")
    assert first != second
    assert _enrol(service, browser).path == "/console/account?done=mfa-bound"


@pytest.mark.parametrize("seed", ["", "<script>", "abc", "A" * 129])
def test_what_is_no_seed_is_not_shown(service: Service, seed: str) -> None:
    browser = Browser(service).sign_in_as("alice")
    assert browser.post("/account/mfa/bind", {"seed": seed}).path == "/console/account/mfa"


def test_the_picture_is_of_dots_and_has_a_light_ground() -> None:
    svg = ElementTree.fromstring(str(mfa.picture("A" * 32, "1000000000000001", "a.b_c-d")))
    assert [path.get("fill") or path.get("stroke") for path in svg] == ["#fff", "#000"]
    assert not any("style" in one.attrib for one in svg.iter())


def test_one_unbinds_the_own_device_if_one_may(service: Service) -> None:
    browser = Browser(service).sign_in_as("alice")
    _enrol(service, browser)
    assert "ram:UnbindMFADevice" in browser.get("/account/mfa").text
    assert browser.post("/account/mfa/unbind").status == 403
    named = {"UserName": "alice", "PolicyType": "System", "PolicyName": "AliyunRAMFullAccess"}
    service.ok("AttachPolicyToUser", Version=RAM.version, **named)
    assert browser.post("/account/mfa/unbind").path == "/console/account?done=mfa-unbound"
    devices = service.ok("ListVirtualMFADevices", Version=RAM.version)["VirtualMFADevices"]
    assert devices == {"VirtualMFADevice": []}
    assert _sign_in(Browser(service)).path == "/console/"


# --- of others


def test_a_user_is_let_sign_in_and_out_again(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    shown = owner.get("/users/alice/sign-in")
    assert "it has no password" in shown.text
    assert "At least 8 characters" in shown.text
    weak = owner.post("/users/alice/sign-in/allow", {"Password": "short"})
    assert weak.status == 400
    assert 'id="Password-error">This password does not follow the rules' in weak.html
    assert "short" not in weak.html.partition("<form")[2].replace("shortest", "")
    assert "Fill this in" in owner.post("/users/alice/sign-in/allow", {"Password": ""}).text
    shown = owner.post("/users/alice/sign-in/allow", {"Password": PASSWORD, "PasswordResetRequired": "true"})
    assert "The user can sign in with this password" in shown.text
    assert "has to choose another password" in shown.text
    alice = Browser(service)
    assert _sign_in(alice).path == "/console/account/password"
    assert owner.post("/users/alice/sign-in/allow", {"Password": PASSWORD}).status == 409
    shown = owner.post("/users/alice/sign-in", {"Password": "", "MFABindRequired": "true"})
    assert "Saved" in shown.text
    found = service.ok("GetLoginProfile", Version=RAM.version, UserName="alice")["LoginProfile"]
    assert (found["PasswordResetRequired"], found["MFABindRequired"]) == (False, True)
    assert alice.get("/").path == "/console/account/mfa"
    owner.post("/users/alice/sign-in", {"Password": ANOTHER})
    assert alice.get("/").path.startswith("/console/sign-in")
    assert _sign_in(alice, ANOTHER).path == "/console/"
    assert "can sign in no longer" in owner.post("/users/alice/sign-in/end").text
    assert alice.get("/").path.startswith("/console/sign-in")
    assert owner.post("/users/alice/sign-in/end").status == 404
    assert owner.get("/users/nobody/sign-in").status == 404


def test_the_device_of_a_lost_phone_is_unbound(service: Service, owner: Browser) -> None:
    alice = Browser(service).sign_in_as("alice")
    assert "No device is bound" in owner.get("/users/alice/sign-in").text
    _enrol(service, alice)
    assert f"acs:ram::{service.account}:mfa/alice" in owner.get("/users/alice/sign-in").text
    assert "An MFA device" in owner.get("/users/alice/delete").text
    assert "The MFA device is unbound" in owner.post("/users/alice/sign-in/unbind").text
    assert owner.post("/users/alice/sign-in/unbind").status == 404
    assert _sign_in(Browser(service)).path == "/console/"
    service.clock.advance(CONFIRMED)
    assert "Is it you?" in owner.post("/users/alice/sign-in/unbind").text


def test_who_may_unbind_and_not_delete_a_device_unbinds_it(service: Service) -> None:
    alice = Browser(service).sign_in_as("alice")
    _enrol(service, alice)
    statement = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": %s, "Resource": "*"}]}'
    clerk = Browser(service).sign_in_as("clerk", statement % '["ram:UnbindMFADevice", "ram:Get*"]')
    assert "The MFA device is unbound" in clerk.post("/users/alice/sign-in/unbind").text


def test_who_may_only_see_has_no_button_that_works(service: Service) -> None:
    alice = Browser(service).sign_in_as("alice")
    _enrol(service, alice)
    browser = Browser(service).sign_in_as("auditor", "AliyunRAMReadOnlyAccess")
    shown = browser.get("/users/alice/sign-in")
    for right in ("ram:UpdateLoginProfile", "ram:DeleteLoginProfile", "ram:UnbindMFADevice"):
        assert right in shown.text
    main = shown.html.partition("<main")[2]
    assert '<button type="submit"' not in main
    assert "/sign-in/end" not in main
    assert "/sign-in/unbind" not in main
    for path, fields in (
        ("/users/alice/sign-in", {"Password": ANOTHER}),
        ("/users/alice/sign-in/allow", {"Password": ANOTHER}),
        ("/users/alice/sign-in/end", {}),
        ("/users/alice/sign-in/unbind", {}),
    ):
        refused = browser.post(path, fields)
        assert refused.status == 403
        assert "The permission ram:" in refused.text
    statement = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "ram:GetLoginProfile", "Resource": "*"}]}'
    clerk = Browser(service).sign_in_as("clerk", statement)
    assert "To see this needs the permission ram:GetUserMFAInfo" in clerk.get("/users/alice/sign-in").text
