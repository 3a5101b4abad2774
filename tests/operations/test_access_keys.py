import json
from collections.abc import Callable

import pytest

from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.api.scheduled import purge_access_keys
from tests.harness import Service
from tests.ram import Ram


def run(service: Service, job: Callable[[Pipeline, Batch], bool]) -> None:
    service.store.begin()
    job(service.pipeline, service.pipeline.open_batch())
    service.store.commit()


def test_an_access_key_signs_until_it_is_deactivated() -> None:
    service = Service()
    status, members = service.operate("CreateAccessKey")
    assert status == 200
    made = members["AccessKey"]
    assert len(made["AccessKeySecret"]) == 30
    pair = (made["AccessKeyId"], made["AccessKeySecret"])
    assert service.send(service.request("ListKeys", access_key=pair)).status == 200
    assert service.operate("UpdateAccessKey", AccessKeyId=pair[0], Status="Inactive")[0] == 200
    response = service.send(service.request("ListKeys", access_key=pair))
    assert response.status == 403
    assert service.records[-1].code == "Forbidden.AccessKey"
    assert service.operate("UpdateAccessKey", AccessKeyId=pair[0], Status="Active")[0] == 200
    assert service.send(service.request("ListKeys", access_key=pair)).status == 200
    assert service.operate("DeleteAccessKey", AccessKeyId=pair[0])[0] == 200
    assert service.send(service.request("ListKeys", access_key=pair)).status == 404


def test_listing_shows_no_secret() -> None:
    service = Service()
    status, members = service.operate("ListAccessKeys")
    assert status == 200
    (row,) = members["AccessKeys"]["AccessKey"]
    assert row == {
        "AccessKeyId": service.access_key[0],
        "Status": "Active",
        "CreateDate": "2026-01-02T03:04:05Z",
        "Description": "root, made at the first start",
        "Creator": "",
        "LastUsedDate": "",
        "UserName": "",
        "ExpireDate": "",
    }


def test_the_network_does_not_reach_them() -> None:
    service = Service()
    for version in ("2016-01-20", "2026-11-24"):
        status = service.send(service.request("CreateAccessKey", {"Version": version})).status
        assert status == {"2016-01-20": 404, "2026-11-24": 403}[version]
    assert len(service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]) == 1


def test_unknown_and_malformed_ids_are_refused() -> None:
    service = Service()
    assert (
        service.operate("DeleteAccessKey", AccessKeyId="LTAInone")[1]["Code"] == "InvalidAccessKeyId.NotFound"
    )
    assert service.operate("DeleteAccessKey", AccessKeyId="a b")[1]["Code"] == "InvalidParameter"
    assert (
        service.operate("UpdateAccessKey", AccessKeyId="LTAInone", Status="On")[1]["Code"]
        == "InvalidParameter"
    )


def test_operator_commands_are_recorded_as_such() -> None:
    service = Service()
    service.operate("ListAccessKeys")
    record = service.records[-1]
    assert (record.kind, record.caller_type, record.product) == ("OperatorCommand", "operator", "Keystead")


def test_who_made_them_what_for_and_their_last_use_are_listed() -> None:
    service = Service()
    status, members = service.operate("CreateAccessKey", Description="nginx on web-1, 密")
    assert status == 200
    made = members["AccessKey"]
    assert (made["Description"], made["Creator"]) == ("nginx on web-1, 密", "operator")
    service.ok("ListKeys")
    service.clock.advance(60)
    service.send(service.request("ListKeys", access_key=(made["AccessKeyId"], made["AccessKeySecret"])))
    service.clock.advance(60)
    service.ok("ListKeys")
    root, other = service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]
    assert (other["Description"], other["Creator"]) == (made["Description"], "operator")
    assert (root["LastUsedDate"], other["LastUsedDate"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z")
    service.operate("UpdateAccessKey", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    _, other = service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]
    assert (other["Description"], other["LastUsedDate"]) == (made["Description"], "2026-01-02T03:05:05Z")


@pytest.mark.parametrize(("characters", "status"), [(256, 200), (257, 400)])
def test_a_description_has_at_most_256_characters(characters: int, status: int) -> None:
    service = Service()
    assert service.operate("CreateAccessKey", Description="密" * characters)[0] == status
    listed = service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]
    assert len(listed) == (2 if status == 200 else 1)


def test_a_record_names_the_access_key_that_it_is_about() -> None:
    service = Service()
    made = service.operate("CreateAccessKey")[1]["AccessKey"]["AccessKeyId"]
    arns = [f"acs:ram::{service.account}:accesskey/{made}"]
    assert json.loads(service.records[-1].resources) == arns
    for action, parameters in (("UpdateAccessKey", {"Status": "Inactive"}), ("DeleteAccessKey", {})):
        assert service.operate(action, AccessKeyId=made, **parameters)[0] == 200
        assert json.loads(service.records[-1].resources) == arns


@pytest.mark.parametrize("action", ["UpdateAccessKey", "DeleteAccessKey"])
def test_a_pasted_secret_is_in_no_record_and_no_answer(action: str) -> None:
    service = Service()
    secret = service.access_key[1]
    for pasted in (secret, f"{service.access_key[0]}:{secret}", f"{service.access_key[0]}{secret}"):
        status, members = service.operate(action, AccessKeyId=pasted, Status="Inactive")
        assert status >= 400
        assert secret not in str(service.records)
        assert secret not in str(members)
    assert (service.records[-1].action, service.records[-1].resources) == (action, "[]")


def test_a_temporary_access_key_of_a_user_is_there_for_its_time() -> None:
    service = Service()
    ram = Ram(service)
    ram.user("ann")
    ram.access_key_of("ann")
    status, members = service.operate("CreateTemporaryAccessKey", UserName="ann", DurationSeconds="60")
    assert status == 200
    made = members["AccessKey"]
    assert made["ExpireDate"] == "2026-01-02T03:05:05Z"
    pair = (made["AccessKeyId"], made["AccessKeySecret"])

    def answered() -> int:
        return service.send(service.request("DescribeRegions", access_key=pair)).status

    def listed() -> list[str]:
        rows = service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]
        return [row["ExpireDate"] for row in rows]

    assert answered() == 200
    assert service.records[-1].session == "ann"
    # It is none of those that the user has: it neither counts nor shows, and is not the account's to change.
    assert len(ram.ok("ListAccessKeys", UserName="ann")["AccessKeys"]["AccessKey"]) == 2
    named = {"UserName": "ann", "UserAccessKeyId": pair[0]}
    assert ram.refused("DeleteAccessKey", **named) == (404, "EntityNotExist.User.AccessKey")
    service.clock.advance(59)
    extended = {"AccessKeyId": pair[0], "DurationSeconds": "120"}
    assert service.operate("ExtendTemporaryAccessKey", **extended)[0] == 200
    service.clock.advance(119)
    assert answered() == 200
    assert listed() == ["", "", "", "2026-01-02T03:07:04Z"]
    service.clock.advance(1)
    assert answered() == 404
    assert service.operate("ExtendTemporaryAccessKey", **extended)[0] == 404
    run(service, purge_access_keys)
    assert listed() == ["", "", ""]


def test_only_what_is_temporary_is_extended_and_purged() -> None:
    service = Service()
    root = {"AccessKeyId": service.access_key[0]}
    assert service.operate("ExtendTemporaryAccessKey", **root)[1]["Code"] == "InvalidAccessKeyId.NotFound"
    service.clock.advance(10**9)
    run(service, purge_access_keys)
    assert service.send(service.request("ListKeys")).status == 200


@pytest.mark.parametrize(("seconds", "status"), [(59, 400), (60, 200), (43_200, 200), (43_201, 400)])
def test_how_long_a_temporary_access_key_is_there(seconds: int, status: int) -> None:
    service = Service()
    Ram(service).ok("CreateUser", UserName="ann")
    asked = {"UserName": "ann", "DurationSeconds": str(seconds)}
    assert service.operate("CreateTemporaryAccessKey", **asked)[0] == status


def test_a_temporary_access_key_is_of_a_user_that_there_is_and_goes_with_it() -> None:
    service = Service()
    ram = Ram(service)
    status, members = service.operate("CreateTemporaryAccessKey", UserName="ann")
    assert (status, members["Code"]) == (404, "EntityNotExist.User")
    ram.ok("CreateUser", UserName="ann")
    _, members = service.operate("CreateTemporaryAccessKey", UserName="ann")
    made = members["AccessKey"]
    ram.ok("DeleteUser", UserName="ann")
    pair = (made["AccessKeyId"], made["AccessKeySecret"])
    assert service.send(service.request("ListKeys", access_key=pair)).status == 404
    assert len(service.operate("ListAccessKeys")[1]["AccessKeys"]["AccessKey"]) == 1
