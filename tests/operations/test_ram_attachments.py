"""Who has which policies."""

import json

import pytest

from keystead.access.decisions import PolicyType
from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.operations.ram import attachments
from tests.harness import Members, Service
from tests.ram import Ram, allow

DOCUMENT = json.dumps(allow("kms:Encrypt"))
BOTH = pytest.mark.parametrize(
    ("kind", "holder", "attach", "detach", "listing"),
    [
        ("User", {"UserName": "ann"}, "AttachPolicyToUser", "DetachPolicyFromUser", "ListPoliciesForUser"),
        (
            "Group",
            {"GroupName": "staff"},
            "AttachPolicyToGroup",
            "DetachPolicyFromGroup",
            "ListPoliciesForGroup",
        ),
    ],
)


def world() -> Ram:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="ann", DisplayName="Ann")
    ram.ok("CreateGroup", GroupName="staff", Comments="c")
    for number in range(6):
        ram.ok("CreatePolicy", PolicyName=f"p{number}", PolicyDocument=DOCUMENT, Description="d")
    return ram


@BOTH
def test_attached_and_detached(
    kind: str, holder: dict[str, str], attach: str, detach: str, listing: str
) -> None:
    ram = world()
    named = {"PolicyType": "Custom", "PolicyName": "p0", **holder}
    assert ram.refused(detach, **named) == (404, f"EntityNotExist.{kind}.Policy")
    ram.ok(attach, **named)
    assert ram.refused(attach, **named) == (409, f"EntityAlreadyExists.{kind}.Policy")
    ram.ok("CreatePolicyVersion", PolicyName="p0", PolicyDocument=DOCUMENT, SetAsDefault="true")
    (row,) = ram.ok(listing, **holder)["Policies"]["Policy"]
    assert row == {
        "PolicyName": "p0",
        "PolicyType": "Custom",
        "Description": "d",
        "DefaultVersion": "v2",
        "AttachDate": "2026-01-02T03:04:05Z",
    }
    counted = ram.ok("GetPolicy", PolicyType="Custom", PolicyName="p0")["Policy"]["AttachmentCount"]
    assert counted == 1
    ram.ok(detach, **named)
    assert ram.refused(detach, **named) == (404, f"EntityNotExist.{kind}.Policy")
    assert ram.ok(listing, **holder)["Policies"]["Policy"] == []
    for action in (attach, detach):
        assert ram.refused(action, **{**named, "PolicyName": "x"}) == (404, "EntityNotExist.Policy")
        nobody = dict.fromkeys(holder, "x")
        assert ram.refused(action, **{**named, **nobody}) == (404, f"EntityNotExist.{kind}")
        assert ram.refused(action, **{**named, "PolicyType": "Both"}) == (400, "InvalidParameter")


@BOTH
def test_at_most_five_of_the_accounts_own_beside_the_vendors(
    kind: str, holder: dict[str, str], attach: str, detach: str, listing: str
) -> None:
    ram = world()
    for number in range(5):
        ram.ok(attach, PolicyType="Custom", PolicyName=f"p{number}", **holder)
    sixth = {"PolicyType": "Custom", "PolicyName": "p5", **holder}
    assert ram.refused(attach, **sixth) == (409, f"LimitExceeded.{kind}.Policy")
    for name in SYSTEM_POLICIES:
        ram.ok(attach, PolicyType="System", PolicyName=name, **holder)
    ram.ok(detach, PolicyType="Custom", PolicyName="p3", **holder)
    ram.ok(attach, **sixth)
    assert len(ram.ok(listing, **holder)["Policies"]["Policy"]) == 5 + len(SYSTEM_POLICIES)


@BOTH
def test_the_vendors_have_a_limit_too(
    kind: str, holder: dict[str, str], attach: str, detach: str, listing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(attachments._LIMITS, PolicyType.SYSTEM, 1)
    ram = world()
    first, second, *_ = SYSTEM_POLICIES
    ram.ok(attach, PolicyType="System", PolicyName=first, **holder)
    refused = ram.refused(attach, PolicyType="System", PolicyName=second, **holder)
    assert refused == (409, f"LimitExceeded.{kind}.Policy")
    ram.ok(detach, PolicyType="System", PolicyName=first, **holder)
    ram.ok(attach, PolicyType="System", PolicyName=second, **holder)
    assert len(ram.ok(listing, **holder)["Policies"]["Policy"]) == 1


def test_whom_a_policy_is_attached_to() -> None:
    ram = world()
    named = {"PolicyType": "Custom", "PolicyName": "p0"}
    none: Members = {"Users": {"User": []}, "Groups": {"Group": []}, "Roles": {"Role": []}}
    assert ram.ok("ListEntitiesForPolicy", **named) == none
    ram.ok("AttachPolicyToUser", **named, UserName="ann")
    ram.ok("AttachPolicyToGroup", **named, GroupName="staff")
    user_id = ram.ok("GetUser", UserName="ann")["User"]["UserId"]
    since = {"AttachDate": "2026-01-02T03:04:05Z"}
    assert ram.ok("ListEntitiesForPolicy", **named) == {
        "Users": {"User": [{"UserId": user_id, "UserName": "ann", "DisplayName": "Ann", **since}]},
        "Groups": {"Group": [{"GroupName": "staff", "Comments": "c", **since}]},
        "Roles": {"Role": []},
    }
    refused = ram.refused("ListEntitiesForPolicy", PolicyType="System", PolicyName="p0")
    assert refused == (404, "EntityNotExist.Policy")
