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
