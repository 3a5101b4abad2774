"""The pages of groups, of a user's groups, and of what is attached to users and groups."""

import pytest

from keystead.domain.products import RAM
from tests.console.browser import Browser, make_user
from tests.harness import Service

HOSTILE = "<script>alert(1)</script>"
ALLOWS = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": %s, "Resource": "*"}]}'
FULL = {"PolicyType": "System", "PolicyName": "AliyunKMSFullAccess"}


def _members(service: Service, name: str) -> list[str]:
    found = service.ok("ListUsersForGroup", Version=RAM.version, GroupName=name)
    return [one["UserName"] for one in found["Users"]["User"]]


def _policies(service: Service, kind: str, name: str) -> list[str]:
    found = service.ok(f"ListPoliciesFor{kind}", Version=RAM.version, **{f"{kind}Name": name})
    return [one["PolicyName"] for one in found["Policies"]["Policy"]]


def _group(service: Service, name: str) -> None:
    service.ok("CreateGroup", Version=RAM.version, GroupName=name)


def test_a_group_is_created_changed_and_deleted(service: Service, owner: Browser) -> None:
    assert "There are no groups yet" in owner.get("/groups").text
    shown = owner.post("/groups/-/create", {"GroupName": "staff", "Comments": HOSTILE})
    assert shown.path == "/console/groups/staff?done=group-created"
    assert shown.field("NewComments") == HOSTILE
    assert HOSTILE in owner.get("/groups").text
    assert HOSTILE not in owner.get("/groups").html
    shown = owner.post("/groups/staff", {"NewGroupName": "crew", "NewComments": ""})
    assert shown.path == "/console/groups/crew?done=saved"
    assert shown.field("NewComments") == ""
    assert owner.get("/groups/staff").status == 404
    assert "not the name" in owner.post("/groups/crew/delete", {"typed": "staff"}).text
    assert "The group is deleted" in owner.post("/groups/crew/delete", {"typed": "crew"}).text
    assert service.refused("GetGroup", Version=RAM.version, GroupName="crew") == "EntityNotExist.Group"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("GroupName", "x" * 64, "x" * 65), ("GroupName", "a.b-c", "a_b"), ("Comments", "c" * 128, "c" * 129)],
)
def test_what_is_typed_of_a_group_is_checked_and_kept(owner: Browser, name: str, good: str, bad: str) -> None:
    typed = {"GroupName": "staff", "Comments": "kept", name: bad}
    shown = owner.post("/groups/-/create", typed)
    assert shown.status == 400
    assert f'id="{name}-error"' in shown.html
    assert {each: shown.field(each) for each in typed} == typed
    assert owner.post("/groups/-/create", {**typed, name: good}).status == 200


def test_a_name_that_is_taken_is_refused_and_kept(service: Service, owner: Browser) -> None:
    _group(service, "staff")
    _group(service, "crew")
    assert owner.post("/groups/-/create", {"GroupName": "staff"}).status == 409
    shown = owner.post("/groups/crew", {"NewGroupName": "staff", "NewComments": "kept"})
    assert shown.status == 409
    assert (shown.field("NewGroupName"), shown.field("NewComments")) == ("staff", "kept")


def test_users_are_put_in_and_taken_out_from_the_group(service: Service, owner: Browser) -> None:
    _group(service, "staff")
    make_user(service, "alice")
    assert "Nobody is in this group yet" in owner.get("/groups/staff").text
    assert "The user is in the group now" in owner.post("/groups/staff/add", {"UserName": " alice "}).text
    assert _members(service, "staff") == ["alice"]
    again = owner.post("/groups/staff/add", {"UserName": "alice"})
    assert (again.status, "EntityAlreadyExists" in again.text) == (409, True)
    shown = owner.post("/groups/staff/add", {"UserName": "nobody"})
    assert shown.status == 404
    assert shown.field("UserName") == "nobody" or 'value="nobody"' in shown.html
    assert "Members" in owner.get("/groups/staff/delete").text
    assert owner.post("/groups/staff/delete", {"typed": "staff"}).status == 409
    assert "out of the group" in owner.post("/groups/staff/remove", {"UserName": "alice"}).text
    assert _members(service, "staff") == []
    assert owner.post("/groups/staff/remove", {"UserName": "alice"}).status == 404


def test_members_are_listed_by_pages(service: Service, owner: Browser) -> None:
    _group(service, "staff")
    for number in range(51):
        service.ok("CreateUser", Version=RAM.version, UserName=f"user-{number:02}")
        service.ok("AddUserToGroup", Version=RAM.version, UserName=f"user-{number:02}", GroupName="staff")
    assert "user-50" not in owner.get("/groups/staff").text
    assert "user-50" in owner.get("/groups/staff", marker="user-50").text


def test_a_user_joins_and_leaves_groups(service: Service, owner: Browser) -> None:
    make_user(service, "alice")
    assert "There is no group to put it into" in owner.get("/users/alice/groups").text
    for number in range(6):
        _group(service, f"group-{number}")
    for number in range(5):
        shown = owner.post("/users/alice/groups/join", {"GroupName": f"group-{number}"})
        assert "The user is in the group now" in shown.text
    assert "as many groups as it may be" in owner.get("/users/alice/groups").text
    assert owner.post("/users/alice/groups/join", {"GroupName": "group-5"}).status == 409
    assert "out of the group" in owner.post("/users/alice/groups/leave", {"GroupName": "group-0"}).text
    assert _members(service, "group-0") == []
    refused = owner.post("/users/alice/groups/leave", {"GroupName": "group-0"})
    assert refused.status == 404


@pytest.mark.parametrize(("kind", "at"), [("User", "/users/alice"), ("Group", "/groups/staff")])
def test_policies_are_attached_and_detached(service: Service, owner: Browser, kind: str, at: str) -> None:
    make_user(service, "alice")
    _group(service, "staff")
    name = at.rpartition("/")[2]
    document = ALLOWS % '"kms:Encrypt"'
    service.ok(
        "CreatePolicy", Version=RAM.version, PolicyName="own", PolicyDocument=document, Description=HOSTILE
    )
    assert "No policy is attached" in owner.get(f"{at}/policies").text
    assert "AliyunKMSReadOnlyAccess" in owner.get(f"{at}/policies/attach").text
    custom = owner.get(f"{at}/policies/attach", type="Custom")
    assert HOSTILE in custom.text
    assert HOSTILE not in custom.html
    assert "AliyunKMSFullAccess" not in custom.text
    assert "There is no such policy" in owner.get(f"{at}/policies/attach", type="Custom", marker="z").text
    shown = owner.post(f"{at}/policies/attach", FULL)
    assert shown.path == f"/console{at}/policies?done=policy-attached"
    assert "AliyunKMSFullAccess" in shown.text
    assert "attached" in owner.get(f"{at}/policies/attach").text
    assert owner.post(f"{at}/policies/attach", FULL).status == 409
    assert owner.post(f"{at}/policies/attach", {"PolicyType": "Custom", "PolicyName": "none"}).status == 404
    assert owner.post(f"{at}/policies/attach", {"PolicyType": "x", "PolicyName": ""}).status == 400
    owner.post(f"{at}/policies/attach", {"PolicyType": "Custom", "PolicyName": "own"})
    assert _policies(service, kind, name) == ["AliyunKMSFullAccess", "own"]
    shown = owner.post(f"{at}/policies/detach", FULL)
    assert "no later call is allowed by it" in shown.text
    assert _policies(service, kind, name) == ["own"]
    assert owner.post(f"{at}/policies/detach", FULL).status == 404
    assert owner.get("/users/nobody/policies").status == 404
    assert owner.get("/groups/nobody/policies").status == 404


def test_who_may_only_see_has_no_button_that_works(service: Service) -> None:
    make_user(service, "alice", "AliyunKMSFullAccess")
    _group(service, "staff")
    service.ok("AddUserToGroup", Version=RAM.version, UserName="alice", GroupName="staff")
    service.ok("AttachPolicyToGroup", Version=RAM.version, GroupName="staff", **FULL)
    browser = Browser(service).sign_in_as("auditor", "AliyunRAMReadOnlyAccess")
    for page, rights in (
        ("/groups", ["ram:CreateGroup"]),
        ("/groups/-/create", ["ram:CreateGroup"]),
        (
            "/groups/staff",
            ["ram:UpdateGroup", "ram:DeleteGroup", "ram:AddUserToGroup", "ram:RemoveUserFromGroup"],
        ),
        ("/groups/staff/delete", ["ram:DeleteGroup"]),
        ("/groups/staff/policies", ["ram:AttachPolicyToGroup", "ram:DetachPolicyFromGroup"]),
        ("/groups/staff/policies/attach", ["ram:AttachPolicyToGroup"]),
        ("/users/alice/groups", ["ram:AddUserToGroup", "ram:RemoveUserFromGroup"]),
        ("/users/alice/policies", ["ram:AttachPolicyToUser", "ram:DetachPolicyFromUser"]),
        ("/users/alice/policies/attach", ["ram:AttachPolicyToUser"]),
    ):
        shown = browser.get(page)
        assert shown.status == 200
        for right in rights:
            assert right in shown.text
        main = shown.html.partition("<main")[2]
        assert '<button type="submit"' not in main
        assert 'method="post"' not in main.replace(f'method="post" action="/console{page}', "").replace(
            'method="post" action="/console/groups/staff/add"', ""
        )
    for path, fields in (
        ("/groups/-/create", {"GroupName": "crew"}),
        ("/groups/staff", {"NewGroupName": "crew"}),
        ("/groups/staff/delete", {"typed": "staff"}),
        ("/groups/staff/add", {"UserName": "auditor"}),
        ("/groups/staff/remove", {"UserName": "alice"}),
        ("/groups/staff/policies/attach", FULL),
        ("/groups/staff/policies/detach", FULL),
        ("/users/alice/groups/join", {"GroupName": "staff"}),
        ("/users/alice/groups/leave", {"GroupName": "staff"}),
        ("/users/alice/policies/attach", FULL),
        ("/users/alice/policies/detach", FULL),
    ):
        refused = browser.post(path, fields)
        assert refused.status == 403
        assert "The permission ram:" in refused.text
    assert _members(service, "staff") == ["alice"]


def test_a_part_that_one_may_not_see_says_so(service: Service) -> None:
    _group(service, "staff")
    browser = Browser(service).sign_in_as(
        "clerk", ALLOWS % '["ram:GetGroup", "ram:DeleteGroup", "ram:ListGroupsForUser"]'
    )
    assert "To see this needs the permission ram:ListUsersForGroup" in browser.get("/groups/staff").text
    assert "Nothing stands in the way" in browser.get("/groups/staff/delete").text
    assert "you may not see the groups" in browser.get("/users/clerk/groups").text


def test_what_may_be_attached_is_offered_where_both_sides_may_be(service: Service) -> None:
    statement = (
        '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["ram:List*", "ram:Get*"], "Resource": "*"},'
        '{"Effect": "Allow", "Action": "ram:AttachPolicyToUser", "Resource": ["acs:ram:*:*:user/*",'
        ' "acs:ram:*:*:policy/AliyunKMSReadOnlyAccess"]}]}'
    )
    make_user(service, "alice")
    browser = Browser(service).sign_in_as("clerk", statement)
    html = browser.get("/users/alice/policies/attach").html
    assert html.count('name="PolicyName" value=') == 1
    assert 'name="PolicyName" value="AliyunKMSReadOnlyAccess"' in html
