"""The pages of users and their AccessKeys: each form, what refuses it, and what they show to whom."""

import json
from pathlib import Path

import pytest

from keystead.client.access_key import read_access_key
from keystead.domain.audit import Kind
from keystead.domain.products import RAM
from keystead.domain.sessions import CONFIRMED
from tests.at_console import PASSWORD
from tests.console.browser import Browser, Shown, make_user
from tests.harness import Service

HOSTILE = "<script>alert(1)</script>\"'&"
ALLOWS = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": %s, "Resource": "*"}]}'


def _user(service: Service, name: str) -> dict[str, str]:
    found: dict[str, str] = service.ok("GetUser", Version=RAM.version, UserName=name)["User"]
    return found


def _access_keys(service: Service, name: str) -> list[dict[str, str]]:
    found = service.ok("ListAccessKeys", Version=RAM.version, UserName=name)
    access_keys: list[dict[str, str]] = found["AccessKeys"]["AccessKey"]
    return access_keys


def test_a_page_without_users_says_what_to_do_next(owner: Browser) -> None:
    assert "There are no users yet" in owner.get("/users").text


def test_users_are_listed_by_pages_and_from_a_name_on(service: Service, owner: Browser) -> None:
    for number in range(51):
        service.ok("CreateUser", Version=RAM.version, UserName=f"user-{number:02}")
    first = owner.get("/users")
    assert "user-49" in first.text
    assert "user-50" not in first.text
    assert "/console/users?marker=user-50" in first.html
    assert "user-50" in owner.get("/users", marker="user-50").text
    assert "no user from this name on" in owner.get("/users", marker="z").text


def test_a_user_is_created_shown_and_changed(service: Service, owner: Browser) -> None:
    typed = {
        "UserName": "alice",
        "DisplayName": HOSTILE,
        "Comments": "c" * 128,
        "Email": "",
        "MobilePhone": "",
    }
    shown = owner.post("/users/-/create", typed)
    assert shown.path == "/console/users/alice?done=user-created"
    assert "The user is created" in shown.text
    assert shown.field("NewDisplayName") == HOSTILE
    assert HOSTILE not in shown.html
    assert HOSTILE in owner.get("/users").text
    assert HOSTILE not in owner.get("/users").html
    changed = {"NewUserName": "alicia", "NewDisplayName": "", "NewComments": "night shift"}
    shown = owner.post("/users/alice", changed)
    assert shown.path == "/console/users/alicia?done=saved"
    user = _user(service, "alicia")
    assert (user["DisplayName"], user["Comments"]) == ("", "night shift")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("UserName", "x" * 64, "x" * 65),
        ("UserName", "a.b_c-d", "two words"),
        ("DisplayName", "é" * 128, "é" * 129),
        ("Email", "x" * 128, "x" * 129),
        ("MobilePhone", "1" * 32, "1" * 33),
        ("Comments", "<" * 128, "<" * 129),
    ],
)
def test_what_is_typed_is_checked_beside_its_field_and_kept(
    owner: Browser, name: str, good: str, bad: str
) -> None:
    typed = {"UserName": "alice", "Comments": "kept", name: bad}
    shown = owner.post("/users/-/create", typed)
    assert shown.status == 400
    assert "This is not accepted" in shown.text
    assert f'id="{name}-error"' in shown.html
    assert {each: shown.field(each) for each in typed} == typed
    assert not any(call.action == "CreateUser" for call in owner.calls)
    assert owner.post("/users/-/create", {**typed, name: good}).status == 200


def test_a_name_is_needed_and_one_that_is_taken_is_refused(service: Service, owner: Browser) -> None:
    assert "Fill this in" in owner.post("/users/-/create", {"UserName": " "}).text
    make_user(service, "alice")
    shown = owner.post("/users/-/create", {"UserName": "alice", "Comments": "kept"})
    assert shown.status == 409
    assert "EntityAlreadyExists.User" in shown.text
    assert shown.field("Comments") == "kept"
    make_user(service, "bob")
    shown = owner.post("/users/bob", {"NewUserName": "alice"})
    assert shown.status == 409
    assert shown.field("NewUserName") == "alice"


def test_a_user_that_is_gone_is_said_to_be(owner: Browser) -> None:
    for page in ("", "/access-keys", "/groups", "/policies", "/delete"):
        shown = owner.get(f"/users/nobody{page}")
        assert shown.status == 404
        assert "EntityNotExist.User" in shown.text
    assert "<script>" not in owner.get("/users/<script>alert(1)").html.replace("<script src=", "")


def test_a_deletion_names_what_stands_in_the_way_and_asks_for_the_name(
    service: Service, owner: Browser
) -> None:
    make_user(service, "alice", "AliyunKMSFullAccess")
    service.ok("CreateAccessKey", Version=RAM.version, UserName="alice")
    service.ok("CreateGroup", Version=RAM.version, GroupName="staff")
    service.ok("AddUserToGroup", Version=RAM.version, UserName="alice", GroupName="staff")
    service.ok("CreateLoginProfile", Version=RAM.version, UserName="alice", Password=PASSWORD)
    shown = owner.get("/users/alice/delete")
    for what in ("AccessKeys", "Memberships of groups", "Attached policies", "Sign-in with a password"):
        assert what in shown.text
    assert "An MFA device" not in shown.text
    assert "Something stands in the way" in shown.text
    assert owner.post("/users/alice/delete", {"typed": "alice"}).status == 409
    service.ok("DeleteLoginProfile", Version=RAM.version, UserName="alice")
    service.ok("RemoveUserFromGroup", Version=RAM.version, UserName="alice", GroupName="staff")
    named = {"UserName": "alice", "PolicyType": "System", "PolicyName": "AliyunKMSFullAccess"}
    service.ok("DetachPolicyFromUser", Version=RAM.version, **named)
    for one in _access_keys(service, "alice"):
        service.ok(
            "DeleteAccessKey", Version=RAM.version, UserName="alice", UserAccessKeyId=one["AccessKeyId"]
        )
    assert "Nothing stands in the way" in owner.get("/users/alice/delete").text
    shown = owner.post("/users/alice/delete", {"typed": "alic"})
    assert shown.status == 400
    assert "This is not the name of the user" in shown.text
    assert "The user is deleted" in owner.post("/users/alice/delete", {"typed": "alice"}).text
    assert service.refused("GetUser", Version=RAM.version, UserName="alice") == "EntityNotExist.User"


# --- AccessKeys


def _create_access_key(owner: Browser) -> tuple[Shown, dict[str, str]]:
    shown = owner.post("/users/alice/access-keys")
    return shown, {name: shown.field(name) for name in ("AccessKeyId", "AccessKeySecret")}


def test_a_secret_is_shown_once_and_downloaded_as_the_file_that_commands_read(
    service: Service, owner: Browser, tmp_path: Path
) -> None:
    make_user(service, "alice")
    shown, made = _create_access_key(owner)
    assert made["AccessKeySecret"] in shown.text
    assert "shown this once" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    file = owner.post("/users/alice/access-keys/file", made)
    assert file.headers["content-disposition"] == 'attachment; filename="alice-access-key.json"'
    (tmp_path / "file").write_bytes(file.response.body)
    pair = read_access_key(tmp_path / "file")
    assert json.loads(file.response.body) == made
    answer = service.send(
        service.request("GetUser", {"Version": RAM.version, "UserName": "alice"}, access_key=pair)
    )
    assert answer.status == 403  # it is the user's, who may do nothing
    assert made["AccessKeySecret"] not in owner.get("/users/alice/access-keys").html
    assert made["AccessKeyId"] in owner.get("/users/alice/access-keys").text


@pytest.mark.parametrize(
    "bad", [{}, {"AccessKeyId": "a", "AccessKeySecret": "b\r\nc"}, {"AccessKeyId": "x" * 129}]
)
def test_what_is_no_access_key_is_not_downloaded(owner: Browser, bad: dict[str, str]) -> None:
    assert owner.post("/users/alice/access-keys/file", bad).status == 400


def test_access_keys_are_disabled_enabled_and_deleted(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    assert "no program can call" in owner.get("/users/alice/access-keys").text
    _, made = _create_access_key(owner)
    to = {"UserAccessKeyId": made["AccessKeyId"], "Status": "Inactive"}
    assert "The AccessKey is disabled" in owner.post("/users/alice/access-keys/status", to).text
    assert _access_keys(service, "alice")[0]["Status"] == "Inactive"
    assert "is enabled" in owner.post("/users/alice/access-keys/status", {**to, "Status": "Active"}).text
    assert _access_keys(service, "alice")[0]["Status"] == "Active"
    assert "never" in owner.get(f"/users/alice/access-keys/{made['AccessKeyId']}/delete").text
    service.send(service.request("ListKeys", access_key=(made["AccessKeyId"], made["AccessKeySecret"])))
    assert "Jan 2, 2026" in owner.get(f"/users/alice/access-keys/{made['AccessKeyId']}/delete").text
    shown = owner.post(f"/users/alice/access-keys/{made['AccessKeyId']}/delete")
    assert "The AccessKey is deleted" in shown.text
    assert _access_keys(service, "alice") == []
    again = owner.post("/users/alice/access-keys/status", to)
    assert again.status == 404
    assert "AccessKey" in again.text
    assert owner.get(f"/users/alice/access-keys/{made['AccessKeyId']}/delete").status == 404


def test_a_user_has_two_access_keys_at_most(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    _create_access_key(owner)
    assert "Delete one first" not in owner.get("/users/alice/access-keys").text
    _create_access_key(owner)
    assert "Delete one first" in owner.get("/users/alice/access-keys").text
    refused = owner.post("/users/alice/access-keys")
    assert refused.status == 409
    assert len(_access_keys(service, "alice")) == 2


# --- proof, and rights


def test_after_some_minutes_a_proof_is_asked_for_and_what_was_typed_is_kept(service: Service) -> None:
    browser = Browser(service).sign_in_as("admin", "AdministratorAccess")
    make_user(service, "alice")
    service.clock.advance(CONFIRMED)
    assert 'name="confirm_password"' in browser.get("/users/alice").html
    typed = {"NewUserName": "alice", "NewComments": "kept"}
    shown = browser.post("/users/alice", typed)
    assert shown.status == 403
    assert "ConfirmationRequired" in shown.text
    assert shown.field("NewComments") == "kept"
    shown = browser.post("/users/alice", {**typed, "confirm_password": "wrong"})
    assert "The password or code is not right" in shown.text
    assert "wrong" not in shown.html
    assert _user(service, "alice")["Comments"] == ""
    assert "Saved" in browser.post("/users/alice", {**typed, "confirm_password": PASSWORD}).text
    assert _user(service, "alice")["Comments"] == "kept"


def test_a_button_of_a_row_leads_to_where_the_proof_is_given_and_back(
    service: Service, owner: Browser
) -> None:
    make_user(service, "alice")
    _, made = _create_access_key(owner)
    service.clock.advance(CONFIRMED)
    asked = {
        "UserAccessKeyId": made["AccessKeyId"],
        "Status": "Inactive",
        "page": "/users/alice/access-keys",
    }
    shown = owner.post("/users/alice/access-keys/status", asked)
    assert shown.status == 403
    assert "Is it you?" in shown.text
    assert _access_keys(service, "alice")[0]["Status"] == "Active"
    wrong = owner.post("/confirm", {"confirm_code": "AAAA-AAAA", "page": shown.field("page")})
    assert wrong.status == 403
    assert "not right" in wrong.text
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    back = owner.post("/confirm", {"confirm_code": code, "page": wrong.field("page")})
    assert back.path == "/console/users/alice/access-keys"
    assert "disabled" in owner.post("/users/alice/access-keys/status", asked).text


def test_who_may_only_see_has_no_button_that_works(service: Service) -> None:
    make_user(service, "alice")
    service.ok("CreateAccessKey", Version=RAM.version, UserName="alice")
    browser = Browser(service).sign_in_as("auditor", "AliyunRAMReadOnlyAccess")
    for page, rights in (
        ("/users", ["ram:CreateUser"]),
        ("/users/-/create", ["ram:CreateUser"]),
        ("/users/alice", ["ram:UpdateUser", "ram:DeleteUser"]),
        ("/users/alice/delete", ["ram:DeleteUser"]),
        ("/users/alice/access-keys", ["ram:CreateAccessKey", "ram:UpdateAccessKey", "ram:DeleteAccessKey"]),
    ):
        shown = browser.get(page)
        assert shown.status == 200
        for right in rights:
            assert right in shown.text
        main = shown.html.partition("<main")[2]
        assert '<button type="submit"' not in main
        assert "formaction" not in main
    access_key = _access_keys(service, "alice")[0]["AccessKeyId"]
    for path, fields in (
        ("/users/-/create", {"UserName": "bob"}),
        ("/users/alice", {"NewUserName": "bob"}),
        ("/users/alice/delete", {"typed": "alice"}),
        ("/users/alice/access-keys", {}),
        ("/users/alice/access-keys/status", {"UserAccessKeyId": access_key, "Status": "Inactive"}),
        (f"/users/alice/access-keys/{access_key}/delete", {}),
    ):
        refused = browser.post(path, fields)
        assert refused.status == 403
        assert "The permission ram:" in refused.text
    refusals = [record for record in service.records if record.code == "NoPermission"]
    assert len(refusals) == 6
    assert {(record.kind, record.session) for record in refusals} == {(Kind.CONSOLE_OPERATION, "auditor")}


def test_who_may_see_nothing_is_told_which_permission_that_needs(service: Service) -> None:
    browser = Browser(service).sign_in_as("nobody")
    shown = browser.get("/users")
    assert shown.status == 403
    assert "ram:ListUsers" in shown.text


def test_when_an_access_key_was_used_is_not_shown_to_who_may_not_see_it(service: Service) -> None:
    make_user(service, "alice")
    service.ok("CreateAccessKey", Version=RAM.version, UserName="alice")
    browser = Browser(service).sign_in_as("clerk", ALLOWS % '["ram:ListAccessKeys", "ram:DeleteAccessKey"]')
    assert "not shown to you" in browser.get("/users/alice/access-keys").text
    access_key = _access_keys(service, "alice")[0]["AccessKeyId"]
    assert "not shown to you" in browser.get(f"/users/alice/access-keys/{access_key}/delete").text


def test_the_obstacles_that_one_may_not_see_do_not_hide_the_button(service: Service) -> None:
    make_user(service, "alice")
    browser = Browser(service).sign_in_as("clerk", ALLOWS % '["ram:GetUser", "ram:DeleteUser"]')
    shown = browser.get("/users/alice/delete")
    assert "you may not see whether there are any" in shown.text
    assert "Delete the user for good" in shown.text
    assert "The user is deleted" in browser.post("/users/alice/delete", {"typed": "alice"}).text
    assert service.refused("GetUser", Version=RAM.version, UserName="alice") == "EntityNotExist.User"
