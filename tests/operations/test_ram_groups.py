"""Groups of RAM users: whose members have what is attached to them."""

import pytest

from keystead.domain import identities
from tests.harness import Service
from tests.ram import Ram, allow


def test_a_group_from_its_making_to_its_end() -> None:
    ram = Ram(Service())
    made = ram.ok("CreateGroup", GroupName="staff", Comments="c")["Group"]
    assert made == {
        "GroupId": made["GroupId"],
        "GroupName": "staff",
        "Comments": "c",
        "CreateDate": "2026-01-02T03:04:05Z",
    }
    ram.service.clock.advance(60)
    changed = ram.ok("UpdateGroup", GroupName="staff", NewGroupName="crew", NewComments="")["Group"]
    assert changed == {**made, "GroupName": "crew", "Comments": "", "UpdateDate": "2026-01-02T03:05:05Z"}
    assert ram.ok("GetGroup", GroupName="crew")["Group"] == changed
    assert ram.refused("GetGroup", GroupName="staff") == (404, "EntityNotExist.Group")
    ram.ok("DeleteGroup", GroupName="crew")
    assert ram.ok("ListGroups") == {"Groups": {"Group": []}, "IsTruncated": False}


def test_a_name_is_one_groups_alone() -> None:
    ram = Ram(Service())
    ram.ok("CreateGroup", GroupName="a")
    ram.ok("CreateGroup", GroupName="b")
    assert ram.refused("CreateGroup", GroupName="a") == (409, "EntityAlreadyExists.Group")
    assert ram.refused("UpdateGroup", GroupName="b", NewGroupName="a") == (409, "EntityAlreadyExists.Group")
    ram.ok("UpdateGroup", GroupName="b", NewGroupName="b")


@pytest.mark.parametrize(("name", "status"), [("a" * 64, 200), ("a" * 65, 400), ("a_b", 400)])
def test_what_a_group_may_be_called(name: str, status: int) -> None:
    assert Ram(Service()).call("CreateGroup", GroupName=name)[0] == status


@pytest.mark.parametrize(
    "action", ["GetGroup", "UpdateGroup", "DeleteGroup", "ListUsersForGroup", "ListPoliciesForGroup"]
)
def test_a_group_that_is_not_there(action: str) -> None:
    assert Ram(Service()).refused(action, GroupName="staff") == (404, "EntityNotExist.Group")


def test_members_come_and_go() -> None:
    ram = Ram(Service())
    for user in ("bob", "ann"):
        ram.ok("CreateUser", UserName=user)
    ram.ok("CreateGroup", GroupName="staff", Comments="c")
    joined = {"UserName": "ann", "GroupName": "staff"}
    ram.ok("AddUserToGroup", **joined)
    assert ram.refused("AddUserToGroup", **joined) == (409, "EntityAlreadyExists.User.Group")
    ram.ok("AddUserToGroup", UserName="bob", GroupName="staff")
    first = ram.ok("ListUsersForGroup", GroupName="staff", MaxItems="1")
    (row,) = first["Users"]["User"]
    assert row == {"UserName": "ann", "DisplayName": "", "JoinDate": "2026-01-02T03:04:05Z"}
    second = ram.ok("ListUsersForGroup", GroupName="staff", Marker=first["Marker"])
    assert ([one["UserName"] for one in second["Users"]["User"]], second["IsTruncated"]) == (["bob"], False)
    (group,) = ram.ok("ListGroupsForUser", UserName="ann")["Groups"]["Group"]
    assert (group["GroupName"], group["Comments"], group["JoinDate"]) == ("staff", "c", row["JoinDate"])
    ram.ok("RemoveUserFromGroup", **joined)
    assert ram.refused("RemoveUserFromGroup", **joined) == (404, "EntityNotExist.User.Group")
    assert ram.ok("ListGroupsForUser", UserName="ann")["Groups"]["Group"] == []
    for action in ("AddUserToGroup", "RemoveUserFromGroup"):
        assert ram.refused(action, UserName="x", GroupName="staff") == (404, "EntityNotExist.User")
        assert ram.refused(action, UserName="ann", GroupName="x") == (404, "EntityNotExist.Group")


def test_a_user_is_in_at_most_five_groups() -> None:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="ann")
    for number in range(6):
        ram.ok("CreateGroup", GroupName=f"g{number}")
    for number in range(5):
        ram.ok("AddUserToGroup", UserName="ann", GroupName=f"g{number}")
    last = {"UserName": "ann", "GroupName": "g5"}
    assert ram.refused("AddUserToGroup", **last) == (409, "LimitExceeded.User.Group")
    ram.ok("RemoveUserFromGroup", UserName="ann", GroupName="g0")
    ram.ok("AddUserToGroup", **last)


def test_an_account_has_at_most_fifty() -> None:
    ram = Ram(Service())
    for number in range(identities.GROUPS):
        ram.ok("CreateGroup", GroupName=f"g{number}")
    assert ram.refused("CreateGroup", GroupName="more") == (409, "LimitExceeded.Group")
    page = ram.ok("ListGroups", MaxItems="49")
    assert (len(page["Groups"]["Group"]), page["IsTruncated"]) == (49, True)
    assert len(ram.ok("ListGroups", Marker=page["Marker"])["Groups"]["Group"]) == 1


def test_a_group_is_deleted_empty_and_without_policies() -> None:
    ram = Ram(Service())
    pair = ram.user("ann")
    key = ram.service.key()
    ram.ok("CreateGroup", GroupName="staff")
    ram.ok("AddUserToGroup", UserName="ann", GroupName="staff")
    system = {"PolicyType": "System", "PolicyName": "AliyunKMSFullAccess", "GroupName": "staff"}
    ram.ok("AttachPolicyToGroup", **system)
    described = {"KeyId": key}
    assert ram.service.send(ram.service.request("DescribeKey", described, access_key=pair)).status == 200
    assert ram.refused("DeleteGroup", GroupName="staff") == (409, "DeleteConflict.Group.User")
    ram.ok("RemoveUserFromGroup", UserName="ann", GroupName="staff")
    assert ram.service.send(ram.service.request("DescribeKey", described, access_key=pair)).status == 403
    assert ram.refused("DeleteGroup", GroupName="staff") == (409, "DeleteConflict.Group.Policy")
    ram.ok("DetachPolicyFromGroup", **system)
    ram.ok("DeleteGroup", GroupName="staff")


def test_a_renamed_user_or_group_keeps_what_it_has() -> None:
    ram = Ram(Service())
    pair = ram.user("ann", allow("kms:DescribeKey"))
    ram.ok("UpdateUser", UserName="ann", NewUserName="bob")
    asked = ram.service.request("DescribeKey", {"KeyId": ram.service.key()}, access_key=pair)
    assert ram.service.send(asked).status == 200
    assert ram.service.records[-1].session == "bob"
