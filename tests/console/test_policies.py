"""The pages of policies: what they say, their versions, and the editor."""

import json
import re

import pytest

from keystead.access.documents import MAXIMUM_CHARACTERS, identity_document
from keystead.api.catalogue import CATALOGUE
from keystead.console.policy_documents import TEMPLATES, Template, check, start
from keystead.domain.products import KMS, RAM
from tests.console.browser import Browser, make_user
from tests.harness import Service

ALLOWS = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": %s, "Resource": "*"}]}'
ENCRYPT = ALLOWS % '"kms:Encrypt"'
HOSTILE = "<script>alert(1)</script>"


def _policy(service: Service, name: str, document: str = ENCRYPT) -> None:
    service.ok("CreatePolicy", Version=RAM.version, PolicyName=name, PolicyDocument=document)


def _versions(service: Service, name: str) -> dict[str, bool]:
    named = {"PolicyType": "Custom", "PolicyName": name}
    found = service.ok("ListPolicyVersions", Version=RAM.version, **named)["PolicyVersions"]["PolicyVersion"]
    return {one["VersionId"]: one["IsDefaultVersion"] for one in found}


def _area(html: str) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", html, re.DOTALL)
    assert found is not None
    return found[1]


# --- documents


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)
def test_each_template_is_a_policy_about_operations_that_there_are(template: Template) -> None:
    name = template.name
    text = start(name, "acs:kms:cn-hangzhou:1000000000000001:key/*")
    (statement,) = identity_document(text)
    actions = {
        one.action_on(role) for one in CATALOGUE for role in (None, *(f.param.role for f in one.roles))
    }
    for pattern in json.loads(text)["Statement"][0]["Action"]:
        wanted = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        assert any(wanted.fullmatch(action) for action in actions), pattern
    assert bool(statement.conditions) == (name in ("tag", "address"))
    assert not check(text).problem


def test_there_is_no_template_of_another_name() -> None:
    assert start("<script>", "*") == ""


def test_a_document_is_told_by_its_statements() -> None:
    text = json.dumps(
        {
            "Version": "1",
            "Statement": [
                {
                    "Effect": "Deny",
                    "NotAction": ["kms:Encrypt", "kms:Decrypt"],
                    "NotResource": "acs:kms:*:*:key/*",
                    "Condition": {"IpAddress": {"acs:SourceIp": ["192.0.2.0/24", "198.51.100.7"]}},
                }
            ],
        }
    )
    (said,) = check(text).said
    assert said == (
        "Deny",
        True,
        ("kms:Encrypt", "kms:Decrypt"),
        True,
        ("acs:kms:*:*:key/*",),
        (("IpAddress", "acs:SourceIp", ("192.0.2.0/24", "198.51.100.7")),),
    )


# --- lists and one policy


def test_policies_are_listed_by_type_and_from_a_name_on(service: Service, owner: Browser) -> None:
    assert "no policies of its own yet" in owner.get("/policies").text
    for number in range(51):
        _policy(service, f"p-{number:02}")
    first = owner.get("/policies")
    assert "p-49" in first.text
    assert "p-50" not in first.text
    assert "AliyunKMSFullAccess" not in first.text
    assert "p-50" in owner.get("/policies", marker="p-50").text
    assert "no policy from this name on" in owner.get("/policies", marker="z").text
    assert "AliyunKMSFullAccess" in owner.get("/policies", type="System").text
    assert "p-00" in owner.get("/policies", type=HOSTILE).text


def test_a_policy_shows_what_it_says_its_versions_and_who_has_it(service: Service, owner: Browser) -> None:
    make_user(service, "alice", ENCRYPT)
    service.ok("CreateGroup", Version=RAM.version, GroupName="staff")
    named = {"PolicyType": "Custom", "PolicyName": "alice-0"}
    assert "Nobody" not in owner.get("/policies/Custom/alice-0").text
    service.ok("AttachPolicyToGroup", Version=RAM.version, GroupName="staff", **named)
    shown = owner.get("/policies/Custom/alice-0")
    for text in (
        "kms:Encrypt",
        "Allow",
        "User alice",
        "Group staff",
        "has a say",
        "acs:ram::1000000000000001:policy/alice-0",
    ):
        assert text in shown.text
    system = owner.get("/policies/System/AliyunKMSReadOnlyAccess")
    assert "kms:Describe*" in system.text
    assert "Nobody: it is attached to no user" in system.text
    for control in ("New version", "Delete this policy", "Make default"):
        assert control not in system.text
    none = owner.get("/policies/Custom/none")
    assert none.status == 404
    assert "what it showed is gone" in none.text
    assert "EntityNotExist.Policy" in none.text
    assert owner.get(f"/policies/{HOSTILE}/none").status == 404
    assert owner.get("/policies/Other/none").status == 400


def test_what_a_policy_says_is_a_part_of_other_pages(owner: Browser) -> None:
    shown = owner.get("/policies/System/AliyunKMSSecretUserAccess/said")
    assert "kms:GetSecretValue" in shown.text
    assert "<main" not in shown.html


def test_versions_are_made_chosen_and_deleted(service: Service, owner: Browser) -> None:
    _policy(service, "own")
    editor = owner.get("/policies/Custom/own/new-version")
    assert "kms:Encrypt" in _area(editor.html)
    assert "kms:Decrypt" in _area(owner.get("/policies/Custom/own/new-version", template="decrypt").html)
    typed = {"PolicyDocument": ALLOWS % '"kms:Decrypt"'}
    shown = owner.post("/policies/Custom/own/new-version", typed)
    assert "The new version is kept" in shown.text
    assert _versions(service, "own") == {"v1": True, "v2": False}
    assert "This version has no say" in owner.get("/policies/Custom/own", version="v2").text
    assert "kms:Encrypt" in owner.get("/policies/Custom/own", version="v9").text
    shown = owner.post("/policies/Custom/own/default", {"VersionId": "v2"})
    assert "This version has a say" in shown.text
    assert _versions(service, "own") == {"v1": False, "v2": True}
    assert owner.post("/policies/Custom/own/delete-version", {"VersionId": "v2"}).status == 409
    assert (
        "The version is deleted"
        in owner.post("/policies/Custom/own/delete-version", {"VersionId": "v1"}).text
    )
    assert _versions(service, "own") == {"v2": True}
    for path in ("default", "delete-version"):
        gone = owner.post(f"/policies/Custom/own/{path}", {"VersionId": "v1"})
        assert gone.status == 404
        assert "EntityNotExist" in gone.text


def test_a_policy_has_five_versions_unless_room_is_made(service: Service, owner: Browser) -> None:
    _policy(service, "own")
    typed = {"PolicyDocument": ENCRYPT}
    for _ in range(4):
        assert owner.post("/policies/Custom/own/new-version", typed).status == 200
    full = owner.post("/policies/Custom/own/new-version", typed)
    assert full.status == 409
    assert "kms:Encrypt" in _area(full.html)
    shown = owner.post(
        "/policies/Custom/own/new-version", {**typed, "SetAsDefault": "true", "rotate": "true"}
    )
    assert "This version has a say" in shown.text
    assert _versions(service, "own") == {"v1": False, "v3": False, "v4": False, "v5": False, "v6": True}


def test_a_description_is_changed_and_taken_away(service: Service, owner: Browser) -> None:
    _policy(service, "own")
    for text in (HOSTILE, "d" * 1024, ""):
        shown = owner.post("/policies/Custom/own/description", {"NewDescription": text})
        assert shown.status == 200
        assert shown.field("NewDescription") == text
        assert HOSTILE not in shown.html
    shown = owner.post("/policies/Custom/own/description", {"NewDescription": "d" * 1025})
    assert shown.status == 400
    assert shown.field("NewDescription") == "d" * 1025


def test_a_deletion_names_what_stands_in_the_way(service: Service, owner: Browser) -> None:
    make_user(service, "alice", ENCRYPT)
    service.ok("CreatePolicyVersion", Version=RAM.version, PolicyName="alice-0", PolicyDocument=ENCRYPT)
    shown = owner.get("/policies/Custom/alice-0/delete")
    assert "1 user or group has it" in shown.text
    assert "1 version beside the default one" in shown.text
    assert owner.post("/policies/Custom/alice-0/delete", {"typed": "alice-0"}).status == 409
    named = {"PolicyName": "alice-0"}
    service.ok("DetachPolicyFromUser", Version=RAM.version, UserName="alice", PolicyType="Custom", **named)
    service.ok("DeletePolicyVersion", Version=RAM.version, VersionId="v2", **named)
    assert "not the name of the policy" in owner.post("/policies/Custom/alice-0/delete", {"typed": "x"}).text
    assert "The policy is deleted" in owner.post("/policies/Custom/alice-0/delete", {"typed": "alice-0"}).text
    assert owner.get("/policies/Custom/alice-0").status == 404


# --- the editor


def test_a_policy_is_created_from_a_template(service: Service, owner: Browser) -> None:
    key = service.key()
    shown = owner.get("/policies/-/create", template="encrypt", key=key)
    text = shown.html.partition("<textarea")[2]
    assert f"acs:kms:cn-hangzhou:{service.account}:key/{key}" in text
    assert "The document is well formed" in shown.text
    document = start("encrypt", f"acs:kms:cn-hangzhou:{service.account}:key/{key}").replace("\n", "\r\n")
    typed = {"PolicyName": "only-encrypt", "Description": HOSTILE, "PolicyDocument": document}
    shown = owner.post("/policies/-/create", typed)
    assert shown.path == "/console/policies/Custom/only-encrypt?done=policy-created"
    assert HOSTILE not in shown.html
    kept = service.ok("GetPolicy", Version=RAM.version, PolicyType="Custom", PolicyName="only-encrypt")
    assert kept["Policy"]["PolicyDocument"] == document.replace("\r\n", "\n")
    browser = Browser(service).sign_in_as("alice")
    named = {"UserName": "alice", "PolicyType": "Custom", "PolicyName": "only-encrypt"}
    service.ok("AttachPolicyToUser", Version=RAM.version, **named)
    assert browser.get("/design").status == 200
    assert (
        service.console(
            "Encrypt", browser.cookies["__Host-keystead-session"], KMS, KeyId=key, Plaintext="YQ=="
        )[0]
        == 200
    )


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("{", "line 1, column 2"),
        ('{"Version": "1"}', "Statement"),
        (ALLOWS % '"encrypt"', "Statement[0].Action"),
        (
            '{"Version": "1", "Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}',
            "Statement[0].Effect",
        ),
    ],
)
def test_the_editor_says_what_is_wrong_and_where(owner: Browser, document: str, place: str) -> None:
    live = owner.post("/policies/-/check", {"PolicyDocument": document})
    assert live.status == 200
    assert "The service would refuse this document" in live.text
    assert place in live.text
    assert "<main" not in live.html
    typed = {"PolicyName": "own", "Description": "kept", "PolicyDocument": document}
    shown = owner.post("/policies/-/create", typed)
    assert shown.status == 400
    assert place in shown.text
    assert shown.field("Description") == "kept"
    assert not any(call.action == "CreatePolicy" for call in owner.calls)


def test_the_editor_and_the_policy_tell_of_actions_that_nothing_here_has(owner: Browser) -> None:
    actions = ["kms:Decript", "KMS:encrypt", "kms:*Key", "oss:GetObject", "*"]
    document = json.dumps(
        {"Version": "1", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    )
    told = "so it allows and denies nothing: kms:Decript, oss:GetObject"
    live = owner.post("/policies/-/check", {"PolicyDocument": document})
    assert ("well formed" in live.text, told in live.text) == (True, True)
    owner.post("/policies/-/create", {"PolicyName": "own", "PolicyDocument": document})
    assert told in owner.get("/policies/Custom/own").text
    known = owner.post("/policies/-/check", {"PolicyDocument": ENCRYPT})
    assert "denies nothing" not in known.text


def test_a_document_has_2048_characters_as_the_service_counts_them(service: Service, owner: Browser) -> None:
    lines = ENCRYPT.replace(", ", ",\n")
    longest = lines + "\n" * (MAXIMUM_CHARACTERS - len(lines))
    # A browser sends two characters for the end of a line.
    live = owner.post("/policies/-/check", {"PolicyDocument": longest.replace("\n", "\r\n")})
    assert "2,048 of at most 2,048 characters" in live.text
    assert "well formed" in live.text
    live = owner.post("/policies/-/check", {"PolicyDocument": longest.replace("\n", "\r\n") + " "})
    assert "2,049 of at most 2,048 characters" in live.text
    assert "would refuse" in live.text
    wide = longest[:-1].replace("kms:Encrypt", "kms:Encrypt*")
    for text, status in ((wide, 200), (wide + " ", 400)):
        name = f"own-{status}"
        typed = {"PolicyName": name, "PolicyDocument": text.replace("\n", "\r\n") + "x" * (status - 200)}
        assert owner.post("/policies/-/create", typed).status == status


@pytest.mark.parametrize(("good", "bad"), [("p" * 128, "p" * 129), ("a-b", "a_b"), ("a", "")])
def test_a_name_of_a_policy_is_checked(owner: Browser, good: str, bad: str) -> None:
    typed = {"PolicyName": bad, "PolicyDocument": ENCRYPT}
    shown = owner.post("/policies/-/create", typed)
    assert shown.status == 400
    assert 'id="PolicyName-error"' in shown.html
    assert owner.post("/policies/-/create", {**typed, "PolicyName": good}).status == 200
    again = owner.post("/policies/-/create", {**typed, "PolicyName": good})
    assert again.status == 409


def test_what_was_typed_is_shown_as_text(owner: Browser) -> None:
    document = f"</textarea>{HOSTILE}"
    for path in ("/policies/-/check", "/policies/-/create"):
        assert HOSTILE not in owner.post(path, {"PolicyName": HOSTILE, "PolicyDocument": document}).html


def test_who_may_only_see_has_no_button_that_works(service: Service) -> None:
    _policy(service, "own")
    service.ok("CreatePolicyVersion", Version=RAM.version, PolicyName="own", PolicyDocument=ENCRYPT)
    browser = Browser(service).sign_in_as("auditor", "AliyunRAMReadOnlyAccess")
    for page, rights in (
        ("/policies", ["ram:CreatePolicy"]),
        ("/policies/-/create", ["ram:CreatePolicy"]),
        ("/policies/Custom/own/new-version", ["ram:CreatePolicyVersion"]),
        (
            "/policies/Custom/own",
            [
                "ram:CreatePolicyVersion",
                "ram:SetDefaultPolicyVersion",
                "ram:DeletePolicyVersion",
                "ram:UpdatePolicyDescription",
                "ram:DeletePolicy",
            ],
        ),
        ("/policies/Custom/own/delete", ["ram:DeletePolicy"]),
    ):
        shown = browser.get(page)
        assert shown.status == 200
        for right in rights:
            assert right in shown.text
        assert '<button type="submit"' not in shown.html.partition("<main")[2]
        assert "/delete-version" not in shown.html
    for path, fields in (
        ("/policies/-/create", {"PolicyName": "x", "PolicyDocument": ENCRYPT}),
        ("/policies/Custom/own/new-version", {"PolicyDocument": ENCRYPT}),
        ("/policies/Custom/own/default", {"VersionId": "v2"}),
        ("/policies/Custom/own/delete-version", {"VersionId": "v2"}),
        ("/policies/Custom/own/description", {"NewDescription": "x"}),
        ("/policies/Custom/own/delete", {"typed": "own"}),
    ):
        refused = browser.post(path, fields)
        assert refused.status == 403
        assert "The permission ram:" in refused.text
    assert _versions(service, "own") == {"v1": True, "v2": False}


def test_parts_that_one_may_not_see_say_so(service: Service) -> None:
    _policy(service, "own")
    browser = Browser(service).sign_in_as("clerk", ALLOWS % '["ram:GetPolicy", "ram:DeletePolicy"]')
    shown = browser.get("/policies/Custom/own")
    assert "To see this needs the permission ram:ListPolicyVersions" in shown.text
    assert "To see this needs the permission ram:ListEntitiesForPolicy" in shown.text
    assert "kms:Encrypt" in shown.text
    assert "Nothing stands in the way" in browser.get("/policies/Custom/own/delete").text


def test_the_address_of_a_form_is_no_page(owner: Browser) -> None:
    shown = owner.get("/policies/Custom/own/default")
    assert shown.status == 404
    assert "There is no such page" in shown.text
