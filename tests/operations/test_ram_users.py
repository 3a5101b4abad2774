"""RAM users: made, shown, changed, listed and deleted."""

import pytest

from keystead.domain import identities
from keystead.domain.arns import ram_arn
from tests.harness import Service
from tests.ram import Ram, allow

NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"
NOTED = {"DisplayName": "Ann 安", "MobilePhone": "86-18600000000", "Email": "ann@example.com", "Comments": ""}


def test_a_user_from_its_making_to_its_end() -> None:
    ram = Ram(Service())
    made = ram.ok("CreateUser", UserName="ann", **NOTED)["User"]
    assert len(made["UserId"]) == 18
    assert made == {"UserId": made["UserId"], "UserName": "ann", **NOTED, "CreateDate": NOW}
    shown = ram.ok("GetUser", UserName="ann")["User"]
    assert shown == {**made, "UpdateDate": NOW, "LastLoginDate": ""}
    ram.service.clock.advance(60)
    changed = ram.ok("UpdateUser", UserName="ann", NewUserName="Ann.B_c-1", NewEmail="", NewComments="c")
    assert changed["User"] == {
        **made,
        "UserName": "Ann.B_c-1",
        "Email": "",
        "Comments": "c",
        "UpdateDate": LATER,
    }
    assert ram.refused("GetUser", UserName="ann") == (404, "EntityNotExist.User")
    assert ram.ok("DeleteUser", UserName="Ann.B_c-1") == {}
    assert ram.ok("ListUsers") == {"Users": {"User": []}, "IsTruncated": False}


def test_a_name_is_one_users_alone() -> None:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="ann")
    ram.ok("CreateUser", UserName="Ann")  # names are compared as they are written
    assert ram.refused("CreateUser", UserName="ann") == (409, "EntityAlreadyExists.User")
    assert ram.refused("UpdateUser", UserName="Ann", NewUserName="ann") == (409, "EntityAlreadyExists.User")
    ram.ok("UpdateUser", UserName="ann", NewUserName="ann")


@pytest.mark.parametrize(
    ("name", "status"), [("a", 200), ("a" * 64, 200), ("a" * 65, 400), ("a b", 400), ("a@b", 400)]
)
def test_what_a_user_may_be_called(name: str, status: int) -> None:
    ram = Ram(Service())
    assert ram.call("CreateUser", UserName=name)[0] == status
    assert ram.refused("CreateUser", UserName="") == (400, "MissingParameter")


@pytest.mark.parametrize(
    ("field", "limit"), [("DisplayName", 128), ("Comments", 128), ("MobilePhone", 32), ("Email", 128)]
)
def test_what_is_noted_of_a_user_has_a_length(field: str, limit: int) -> None:
    ram = Ram(Service())
    assert ram.refused("CreateUser", UserName="ann", **{field: "a" * (limit + 1)}) == (
        400,
        "InvalidParameter",
    )
    ram.ok("CreateUser", UserName="ann", **{field: "a" * limit})


@pytest.mark.parametrize(
    "action", ["GetUser", "UpdateUser", "DeleteUser", "ListGroupsForUser", "ListPoliciesForUser"]
)
def test_who_is_not_there(action: str) -> None:
    assert Ram(Service()).refused(action, UserName="ann") == (404, "EntityNotExist.User")


def test_a_user_is_deleted_last() -> None:
    ram = Ram(Service())
    access_key, _ = ram.user("ann", allow("kms:*"))
    ram.ok("CreateGroup", GroupName="staff")
    ram.ok("AddUserToGroup", UserName="ann", GroupName="staff")
    assert ram.refused("DeleteUser", UserName="ann") == (409, "DeleteConflict.User.AccessKey")
    ram.ok("DeleteAccessKey", UserName="ann", UserAccessKeyId=access_key)
    assert ram.refused("DeleteUser", UserName="ann") == (409, "DeleteConflict.User.Group")
    ram.ok("RemoveUserFromGroup", UserName="ann", GroupName="staff")
    assert ram.refused("DeleteUser", UserName="ann") == (409, "DeleteConflict.User.Policy")
    ram.ok("DetachPolicyFromUser", PolicyType="Custom", PolicyName="ann-0", UserName="ann")
    ram.ok("DeleteUser", UserName="ann")
    # Another one of that name is nobody's heir.
    ram.ok("CreateUser", UserName="ann")
    assert ram.ok("ListPoliciesForUser", UserName="ann")["Policies"]["Policy"] == []


def test_an_account_has_a_thousand_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identities.USERS == 1000
    monkeypatch.setattr("keystead.operations.ram.users.USERS", 3)
    ram = Ram(Service())
    for name in "abc":
        ram.ok("CreateUser", UserName=name)
    assert ram.refused("CreateUser", UserName="d") == (409, "LimitExceeded.User")
    ram.ok("DeleteUser", UserName="a")
    ram.ok("CreateUser", UserName="d")


def test_a_listing_goes_on_where_it_was() -> None:
    ram = Ram(Service())
    for name in ("eve", "ann", "dan", "bob", "cat"):
        ram.ok("CreateUser", UserName=name)

    def page(**parameters: str) -> tuple[list[str], str]:
        found = ram.ok("ListUsers", **parameters)
        assert found["IsTruncated"] is ("Marker" in found)
        return [one["UserName"] for one in found["Users"]["User"]], found.get("Marker", "")

    assert page() == (["ann", "bob", "cat", "dan", "eve"], "")
    assert page(MaxItems="5") == (["ann", "bob", "cat", "dan", "eve"], "")
    first, marker = page(MaxItems="2")
    assert first == ["ann", "bob"]
    ram.ok("DeleteUser", UserName="cat")  # where the next page begins
    ram.ok("CreateUser", UserName="aaa")
    second, marker = page(MaxItems="1", Marker=marker)
    assert second == ["dan"]
    assert page(MaxItems="1000", Marker=marker) == (["eve"], "")
    for wrong in ("0", "1001", "-1", "x"):
        assert ram.refused("ListUsers", MaxItems=wrong) == (400, "InvalidParameter")


def test_an_answer_may_be_xml() -> None:
    service = Service()
    asked = {"Version": "2015-05-01", "Format": "XML", "UserName": "a"}
    for wanted in (b"<CreateUserResponse><User><UserId>", b"<Code>EntityAlreadyExists.User</Code>"):
        assert wanted in service.send(service.request("CreateUser", asked, host="ram.aliyuncs.com")).body
    listed = {"Version": "2015-05-01", "Format": "XML"}
    body = service.send(service.request("ListUsers", listed, host="ram-vpc.aliyuncs.com")).body
    assert b"<Users><User>" in body
    assert b"<IsTruncated>false</IsTruncated>" in body


def test_what_is_not_offered() -> None:
    ram = Ram(Service())
    for action in (
        *("SetSecurityPreference", "SetAccountAlias", "GetAccountAlias", "DecodeDiagnosticMessage"),
        *("GetSecurityPreference", "CreateRole", "CreateKey"),
    ):
        assert ram.refused(action) == (404, "InvalidAction.NotFound")


def test_records_name_whom_it_is_about_and_who_asked() -> None:
    ram = Ram(Service())
    access_key = ram.user("ann", allow("ram:*"))
    Ram(ram.service, access_key).ok("GetUser", UserName="ann")
    record = ram.service.records[-1]
    user_id = ram.ok("GetUser", UserName="ann")["User"]["UserId"]
    assert (record.caller_type, record.principal, record.session) == ("ram-user", user_id, "ann")
    assert (record.product, record.region) == ("Ram", "")
    assert record.resources == f'["{ram_arn(ram.service.account, "user", "ann")}"]'
