"""Endpoints: what SDKs and Terraform's provider ask the location service before they call a product."""

import json

import pytest

from keystead.domain.products import LOCATION
from tests.harness import Service

SERVED = {"Version": LOCATION.version}
HOST = "location-readonly.aliyuncs.com"


@pytest.mark.parametrize(
    ("code", "endpoint"),
    [
        ("kms", "kms.cn-beijing.aliyuncs.com"),
        ("KMS", "kms.cn-beijing.aliyuncs.com"),
        ("sts", "sts.cn-beijing.aliyuncs.com"),
        ("ram", "ram.aliyuncs.com"),
    ],
)
def test_the_endpoints_of_what_is_answered_here(code: str, endpoint: str) -> None:
    service = Service()
    members = service.ok("DescribeEndpoints", HOST, **SERVED, Id="cn-beijing", ServiceCode=code)
    members.pop("RequestId")
    assert members == {
        "Endpoints": {
            "Endpoint": [
                {
                    "Protocols": {"Protocols": ["HTTPS"]},
                    "Type": "openAPI",
                    "Namespace": "",
                    "Id": "cn-beijing",
                    "SerivceCode": code.lower(),
                    "Endpoint": endpoint,
                }
            ]
        },
        "Success": True,
    }
    record = service.records[-1]
    assert (record.product, record.version, record.action) == ("Location", "2015-06-12", "DescribeEndpoints")
    assert json.loads(record.parameters) == {"Id": "cn-beijing", "ServiceCode": code}


def test_an_answer_may_be_xml() -> None:
    service = Service()
    asked = {**SERVED, "Id": "cn-beijing", "ServiceCode": "kms", "Format": "XML"}
    body = service.send(service.request("DescribeEndpoints", asked, host=HOST)).body
    assert b"<DescribeEndpointsResponse><Endpoints><Endpoint><Protocols><Protocols>HTTPS</Protocols>" in body
    assert b"<Endpoint>kms.cn-beijing.aliyuncs.com</Endpoint></Endpoint></Endpoints><Success>true" in body


def test_the_type_is_that_which_was_asked_for() -> None:
    service = Service()
    asked = {"Id": "cn-beijing", "ServiceCode": "kms"}
    for kind in ("openAPI", "innerAPI"):
        members = service.ok("DescribeEndpoints", HOST, **SERVED, **asked, Type=kind)
        assert members["Endpoints"]["Endpoint"][0]["Type"] == kind
    assert service.refused("DescribeEndpoints", HOST, **SERVED, **asked, Type="other") == "InvalidParameter"


@pytest.mark.parametrize(
    ("asked", "status", "code", "message"),
    [
        # SDKs compare code and message, and take them for "no such product" and "no such region".
        ({"Id": "cn-beijing", "ServiceCode": "ecs"}, 400, "Illegal Parameter", "Please check the parameters"),
        (
            {"Id": "../x", "ServiceCode": "kms"},
            404,
            "InvalidRegionId",
            "The specified region does not exist.",
        ),
        (
            {"ServiceCode": "kms"},
            400,
            "MissingParameter",
            'The parameter "Id" is needed but not provided.',
        ),
        (
            {"Id": "cn-beijing"},
            400,
            "MissingParameter",
            'The parameter "ServiceCode" is needed but not provided.',
        ),
    ],
)
def test_what_is_refused(asked: dict[str, str], status: int, code: str, message: str) -> None:
    found = Service().call("DescribeEndpoints", HOST, **SERVED, **asked)
    assert (found[0], found[1]["Code"], found[1]["Message"]) == (status, code, message)


def test_only_who_has_an_access_key_is_told() -> None:
    service = Service()
    asked = {**SERVED, "Id": "cn-beijing", "ServiceCode": "kms"}
    response = service.send(
        service.request("DescribeEndpoints", asked, host=HOST, access_key=("LTAIother", "secret"))
    )
    assert (response.status, json.loads(response.body)["Code"]) == (404, "InvalidAccessKeyId.NotFound")
