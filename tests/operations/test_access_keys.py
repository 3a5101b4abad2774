import json

import pytest

from tests.harness import Service


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
