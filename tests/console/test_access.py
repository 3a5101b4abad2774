"""Who may do what: explanations and simulations."""

import json

import pytest

from keystead.domain.products import RAM
from tests.console.browser import Browser, make_user
from tests.harness import Service

HOSTILE = "<script>alert(1)</script>"


def _document(action: str, resource: str = "*", **more: object) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "1", "Statement": [statement]})


def test_an_explanation_shows_the_statements_and_what_settles_it(service: Service, owner: Browser) -> None:
    key = service.key()
    only_here = {"IpAddress": {"acs:SourceIp": "198.51.100.0/24"}}
    make_user(service, "alice", _document("kms:Encrypt", Condition=only_here), "AliyunKMSReadOnlyAccess")
    asked = {
        "User": "alice",
        "AccessAction": "kms:Encrypt",
        "Resource": key,
        "Context": "acs:SourceIp=192.0.2.7",
    }
    shown = owner.post("/access", asked)
    assert shown.status == 200
    for text in (
        "not allowed by any statement",
        "alice-0",
        "a condition is not met",
        "198.51.100.0/24",
        "The call has 192.0.2.7.",
        f"acs:kms:cn-hangzhou:{service.account}:key/{key}",
    ):
        assert text in shown.text
    assert shown.field("User") == "alice"
    there = owner.post("/access", {**asked, "Context": "acs:SourceIp = 198.51.100.7".replace(" ", "")})
    assert "applies" in there.text
    assert "allows it, and nothing denies it" in there.text
    none = owner.post("/access", {**asked, "Context": ""})
    assert "The call has none." in none.text
    root = owner.post("/access", {**asked, "User": "root"})
    assert "allowed" in root.text


def test_what_everybody_may_do_says_so(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    shown = owner.post("/access", {"User": "alice", "AccessAction": "sts:GetCallerIdentity"})
    assert "everybody in the account may do it" in shown.text


def test_a_group_through_which_a_policy_comes_is_named(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    service.ok("CreateGroup", Version=RAM.version, GroupName="staff")
    service.ok("AddUserToGroup", Version=RAM.version, UserName="alice", GroupName="staff")
    named = {"PolicyType": "System", "PolicyName": "AliyunKMSFullAccess"}
    service.ok("AttachPolicyToGroup", Version=RAM.version, GroupName="staff", **named)
    shown = owner.post("/access", {"User": "alice", "AccessAction": "kms:CreateKey"})
    assert "through the group staff" in shown.text


def test_a_document_is_tried_before_it_is_attached(service: Service, owner: Browser) -> None:
    key = service.key()
    asked = {"AccessAction": "kms:Encrypt", "Resource": key, "PolicyDocument": _document("kms:Encrypt")}
    shown = owner.post("/access", asked)
    assert "Somebody who has this policy and no other" in shown.text
    assert "allowed" in shown.text
    assert "the document below" in shown.text
    make_user(service, "alice")
    shown = owner.post("/access", {**asked, "User": "alice", "PolicyDocument": _document("kms:Decrypt")})
    assert "user/alice" in shown.text
    assert "not allowed by any statement" in shown.text
    service.ok("CreatePolicy", Version=RAM.version, PolicyName="own", PolicyDocument=_document("kms:Sign*"))
    assert "kms:Sign*" in owner.get("/access", policy="own", type="Custom").text
    assert owner.get("/access", policy="none").status == 200


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"User": ""}, "User"),
        ({"User": "nobody"}, "User"),
        ({"AccessAction": ""}, "AccessAction"),
        ({"AccessAction": "kms:Nothing"}, "AccessAction"),
        ({"Resource": HOSTILE}, "Resource"),
        ({"Resource": "\n".join(["alias/none"] * 11)}, "Resource"),
        ({"Context": HOSTILE}, "Context"),
        ({"Context": "acs:SourceIp=here"}, "Context"),
        ({"PolicyDocument": "{"}, "PolicyDocument"),
    ],
)
def test_what_is_wrong_with_a_question_stands_beside_it(
    service: Service, owner: Browser, typed: dict[str, str], field: str
) -> None:
    make_user(service, "alice")
    asked = {
        "User": "alice",
        "AccessAction": "kms:Encrypt",
        "Resource": service.key(),
        "Context": "",
        **typed,
    }
    shown = owner.post("/access", asked)
    assert shown.status == 400
    assert f'id="{field}-error"' in shown.html
    assert HOSTILE not in shown.html
    assert "The answer" not in shown.text
    if field != "User":
        assert shown.field("User") == "alice"


def test_the_page_of_a_user_shows_what_it_has(service: Service, owner: Browser) -> None:
    make_user(service, "alice", "AliyunKMSReadOnlyAccess")
    shown = owner.get("/users/alice/access")
    assert "AliyunKMSReadOnlyAccess" in shown.text
    assert "attached to the user" in shown.text
    service.ok("CreateGroup", Version=RAM.version, GroupName="staff")
    service.ok("AddUserToGroup", Version=RAM.version, UserName="alice", GroupName="staff")
    assert "The group staff has no policy" in owner.get("/users/alice/access").text
    shown = owner.post("/users/alice/access", {"AccessAction": "kms:ListKeys"})
    assert "The answer" in shown.text
    assert "allowed" in shown.text
    make_user(service, "bob")
    assert "No policy is attached to the user itself" in owner.get("/users/bob/access").text
    assert owner.get("/users/nobody/access").status == 404


def test_who_may_not_ask_has_no_button_that_works(service: Service) -> None:
    make_user(service, "alice")
    browser = Browser(service).sign_in_as("auditor", "AliyunRAMReadOnlyAccess")
    asked = {"User": "alice", "AccessAction": "kms:ListKeys"}
    for page in ("/access", "/users/alice/access"):
        shown = browser.get(page)
        assert "keystead:ExplainAccess" in shown.text
        assert '<button type="submit"' not in shown.html.partition("<main")[2]
        refused = browser.post(page, asked)
        assert refused.status == 403
        assert "keystead:ExplainAccess" in refused.text
    asker = Browser(service).sign_in_as("asker", _document("keystead:*"))
    assert "The answer" in asker.post("/access", asked).text
    shown = asker.get("/users/alice/access")
    assert "To see this needs the permission ram:ListPoliciesForUser" in shown.text
    assert "To see this needs the permission ram:ListGroupsForUser" in shown.text
