"""AccessKeys of RAM users: two each, whose secret is shown once."""

import json

import pytest

from tests.harness import Service
from tests.ram import Ram, allow


def test_an_access_key_from_its_making_to_its_end() -> None:
    service = Service()
    ram = Ram(service)
    ram.ok("CreateUser", UserName="ann")
    made = ram.ok("CreateAccessKey", UserName="ann")["AccessKey"]
    assert set(made) == {"AccessKeyId", "AccessKeySecret", "Status", "CreateDate"}
    pair = (made["AccessKeyId"], made.pop("AccessKeySecret"))
    assert ram.ok("ListAccessKeys", UserName="ann")["AccessKeys"]["AccessKey"] == [made]
    named = {"UserName": "ann", "UserAccessKeyId": pair[0]}
    unused = {"AccessKeyLastUsed": {"LastUsedDate": ""}}
    assert ram.ok("GetAccessKeyLastUsed", **named) == unused

    def regions() -> tuple[int, str]:
        response = service.send(service.request("DescribeRegions", access_key=pair))
        return response.status, json.loads(response.body).get("Code", "")

    assert regions() == (200, "")
    used = {"AccessKeyLastUsed": {"LastUsedDate": "2026-01-02T03:04:05Z"}}
    assert ram.ok("GetAccessKeyLastUsed", **named) == used
    ram.ok("UpdateAccessKey", **named, Status="Inactive")
    assert regions() == (403, "Forbidden.AccessKey")
    ram.ok("UpdateAccessKey", **named, Status="Active")
    assert regions() == (200, "")
    ram.ok("DeleteAccessKey", **named)
    assert regions() == (404, "InvalidAccessKeyId.NotFound")
    assert pair[1] not in str(service.records)


def test_a_user_has_at_most_two() -> None:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="ann")
    first, _ = ram.access_key_of("ann")
    ram.access_key_of("ann")
    assert ram.refused("CreateAccessKey", UserName="ann") == (409, "LimitExceeded.User.AccessKey")
    ram.ok("UpdateAccessKey", UserName="ann", UserAccessKeyId=first, Status="Inactive")  # counts all the same
    assert ram.refused("CreateAccessKey", UserName="ann") == (409, "LimitExceeded.User.AccessKey")
    ram.ok("DeleteAccessKey", UserName="ann", UserAccessKeyId=first)
    ram.access_key_of("ann")


@pytest.mark.parametrize("action", ["UpdateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed"])
def test_an_access_key_that_is_not_the_users(action: str) -> None:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="ann")
    ram.ok("CreateUser", UserName="bob")
    of_bob, _ = ram.access_key_of("bob")
    more = {"Status": "Inactive"} if action == "UpdateAccessKey" else {}
    for other in (of_bob, ram.service.access_key[0], "LTAInone"):
        asked = {"UserName": "ann", "UserAccessKeyId": other, **more}
        assert ram.refused(action, **asked) == (404, "EntityNotExist.User.AccessKey")
    asked = {"UserName": "eve", "UserAccessKeyId": of_bob, **more}
    assert ram.refused(action, **asked) == (404, "EntityNotExist.User")
    assert ram.refused(action, UserAccessKeyId="a b", **more) == (400, "InvalidParameter")


def test_without_a_name_it_is_about_who_calls() -> None:
    service = Service()
    root = Ram(service)
    (row,) = root.ok("ListAccessKeys")["AccessKeys"]["AccessKey"]
    assert row["AccessKeyId"] == service.access_key[0]
    second = root.ok("CreateAccessKey")["AccessKey"]["AccessKeyId"]
    root.ok("DeleteAccessKey", UserAccessKeyId=second)
    own = f"acs:ram::{service.account}:user/ann"
    pair = root.user("ann", allow("ram:*AccessKey*", resource=own))
    ann = Ram(service, pair)
    (row,) = ann.ok("ListAccessKeys")["AccessKeys"]["AccessKey"]
    assert row["AccessKeyId"] == pair[0]
    root.ok("CreateUser", UserName="bob")
    assert ann.refused("ListAccessKeys", UserName="bob") == (403, "NoPermission")
    assert root.refused("UpdateAccessKey", UserAccessKeyId=pair[0], Status="On") == (400, "InvalidParameter")


def test_the_last_access_key_of_the_account_may_be_retired() -> None:
    service = Service()
    root = Ram(service)
    pair = root.user("ann", allow("*"))
    root.ok("UpdateAccessKey", UserAccessKeyId=service.access_key[0], Status="Inactive")
    assert root.refused("ListUsers") == (403, "Forbidden.AccessKey")
    assert len(Ram(service, pair).ok("ListUsers")["Users"]["User"]) == 1
