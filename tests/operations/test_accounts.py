"""Accounts: several in one server, which do not see each other; the operator's to make and to disable."""

import json

import pytest

from tests.harness import Members, Service
from tests.ram import Ram


def made(service: Service, **parameters: str) -> tuple[str, tuple[str, str]]:
    status, members = service.operate("CreateAccount", **parameters)
    assert status == 200
    access_key = members["AccessKey"]
    return members["Account"]["AccountId"], (access_key["AccessKeyId"], access_key["AccessKeySecret"])


def listed(service: Service) -> list[Members]:
    return list(service.operate("ListAccounts")[1]["Accounts"]["Account"])


def called(service: Service, access_key: tuple[str, str], action: str = "ListKeys") -> tuple[int, Members]:
    response = service.send(service.request(action, access_key=access_key))
    return response.status, json.loads(response.body)


def test_accounts_are_made_and_apart() -> None:
    service = Service()
    account, root = made(service, AccountName="team 密")
    assert len(account) == 16
    assert account.isdigit()
    first, second = listed(service)
    assert (first["AccountId"], first["Status"]) == (service.account, "Active")
    assert second == {
        "AccountId": account,
        "AccountName": "team 密",
        "Status": "Active",
        "CreateDate": "2026-01-02T03:04:05Z",
    }
    key = service.key()
    assert called(service, root)[1]["TotalCount"] == 0
    asked = service.request("DescribeKey", {"KeyId": key}, access_key=root)
    assert service.send(asked).status == 404
    other = Ram(service, root)
    other.ok("CreateUser", UserName="ann")
    assert Ram(service).ok("ListUsers")["Users"]["User"] == []
    Ram(service).ok("CreateUser", UserName="ann")
    assert root[1] not in str(service.records)


def test_a_disabled_account_is_refused_and_loses_nothing() -> None:
    service = Service()
    account, root = made(service)
    assert called(service, root, "CreateKey")[0] == 200
    assert service.operate("UpdateAccount", AccountId=account, Status="Disabled")[0] == 200
    status, members = called(service, root)
    assert (status, members["Code"]) == (403, "Forbidden.AccessKey")
    record = service.records[-1]
    assert (record.account, record.action, record.code) == (account, "ListKeys", "Forbidden.AccessKey")
    assert called(service, service.access_key)[0] == 200
    assert listed(service)[1]["Status"] == "Disabled"
    assert service.operate("UpdateAccount", AccountId=account, Status="Active")[0] == 200
    assert called(service, root)[1]["TotalCount"] == 1


def test_the_servers_first_account_is_not_disabled() -> None:
    service = Service()
    for status, answered in (("Active", 200), ("Disabled", 400)):
        assert service.operate("UpdateAccount", AccountId=service.account, Status=status)[0] == answered
    assert called(service, service.access_key)[0] == 200


def test_an_account_is_renamed() -> None:
    service = Service()
    account, _ = made(service, AccountName="a")
    service.operate("UpdateAccount", AccountId=account, NewAccountName="b")
    assert listed(service)[1]["AccountName"] == "b"
    service.operate("UpdateAccount", AccountId=account, NewAccountName="")
    assert listed(service)[1]["AccountName"] == ""


@pytest.mark.parametrize(("characters", "status"), [(64, 200), (65, 400)])
def test_a_name_has_a_length(characters: int, status: int) -> None:
    service = Service()
    assert service.operate("CreateAccount", AccountName="密" * characters)[0] == status
    assert len(listed(service)) == (2 if status == 200 else 1)


def test_an_account_that_is_not_there() -> None:
    service = Service()
    for action, more in (
        ("UpdateAccount", {"Status": "Active"}),
        ("CreateAccessKey", {}),
        ("ListAccessKeys", {}),
    ):
        status, members = service.operate(action, AccountId="9" * 16, **more)
        assert (status, members["Code"]) == (404, "EntityNotExist.Account")
        assert service.operate(action, AccountId="9", **more)[0] == 400
    assert len(service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]) == 1


def test_the_network_does_not_reach_them() -> None:
    service = Service()
    for action in ("CreateAccount", "ListAccounts"):
        assert service.send(service.request(action, {"Version": "2026-11-24"})).status == 403
    assert len(listed(service)) == 1


def test_an_accounts_own_access_keys_are_the_operators_to_make() -> None:
    service = Service()
    account, root = made(service)
    status, members = service.operate("CreateAccessKey", AccountId=account)
    assert status == 200
    second = (members["AccessKey"]["AccessKeyId"], members["AccessKey"]["AccessKeySecret"])
    assert service.operate("DeleteAccessKey", AccessKeyId=root[0])[0] == 200
    assert called(service, second)[1]["TotalCount"] == 0
    Ram(service, second).ok("CreateUser", UserName="ann")
    Ram(service, second).ok("CreateAccessKey", UserName="ann")
    rows = service.operate("ListAccessKeys", AccountId=account)[1]["AccessKeys"]["AccessKey"]
    assert [row["UserName"] for row in rows] == ["", "ann"]
