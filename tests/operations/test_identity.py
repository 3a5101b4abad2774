"""Who calls: the one operation of Sts, which many clients ask first."""

import pytest

from keystead.domain.products import STS
from tests.harness import Service

SERVED = {"Version": STS.version}


def test_the_account_is_told_who_it_is() -> None:
    service = Service()
    for host in ("sts.aliyuncs.com", "sts.cn-beijing.aliyuncs.com", "localhost:8443"):
        members = service.ok("GetCallerIdentity", host, **SERVED)
        members.pop("RequestId")
        assert members == {
            "AccountId": service.account,
            "UserId": service.account,
            "Arn": f"acs:ram::{service.account}:root",
            "PrincipalId": service.account,
            "IdentityType": "Account",
        }
        record = service.records[-1]
        assert (record.product, record.version, record.action, record.region) == (
            "Sts",
            "2015-04-01",
            "GetCallerIdentity",
            "",
        )
        assert (record.status, record.parameters, record.resources) == (200, "{}", "[]")


def test_an_answer_may_be_xml() -> None:
    service = Service()
    response = service.send(service.request("GetCallerIdentity", {**SERVED, "Format": "XML"}))
    assert b"<GetCallerIdentityResponse>" in response.body
    assert f"<Arn>acs:ram::{service.account}:root</Arn>".encode() in response.body


@pytest.mark.parametrize("action", ["AssumeRole", "AssumeRoleWithOIDC", "Encrypt", "ListAccessKeys"])
def test_other_operations_are_not_found_and_recorded_as_of_their_product(action: str) -> None:
    service = Service()
    status, members = service.call(action, "sts.aliyuncs.com", **SERVED)
    assert (status, members["Code"]) == (404, "InvalidAction.NotFound")
    assert "Product=Sts" in members["Recommend"] or "product=Sts" in members["Recommend"]
    record = service.records[-1]
    assert (record.product, record.action, record.code) == ("Sts", action, "InvalidAction.NotFound")


def test_the_version_names_the_product_not_the_host() -> None:
    service = Service()
    assert service.refused("GetCallerIdentity") == "InvalidAction.NotFound"
    assert service.call("ListKeys", "sts.aliyuncs.com")[0] == 200


def test_a_region_that_is_none_does_not_matter_where_there_are_none() -> None:
    service = Service()
    assert service.ok("GetCallerIdentity", **SERVED, RegionId="no region!")["AccountId"] == service.account


def test_a_dry_run_is_understood() -> None:
    service = Service()
    assert service.refused("GetCallerIdentity", **SERVED, DryRun="true") == "DryRunOperationError"
