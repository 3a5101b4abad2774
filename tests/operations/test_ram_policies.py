"""Policies and their versions, and the vendor's own beside them."""

import json

import pytest

from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.domain import identities
from tests.harness import Service
from tests.ram import Ram, allow

DOCUMENT = json.dumps(allow("kms:Encrypt"))
OTHER = json.dumps(allow("kms:Decrypt"))
NOW = "2026-01-02T03:04:05Z"
FIRST = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": NOW, "PolicyDocument": DOCUMENT}


def made(**parameters: str) -> Ram:
    ram = Ram(Service())
    ram.ok("CreatePolicy", PolicyName="p", PolicyDocument=DOCUMENT, **parameters)
    return ram


def test_a_policy_from_its_making_to_its_end() -> None:
    ram = Ram(Service())
    shown = ram.ok("CreatePolicy", PolicyName="p", PolicyDocument=DOCUMENT, Description="d")["Policy"]
    assert shown == {
        "PolicyName": "p",
        "PolicyType": "Custom",
        "Description": "d",
        "DefaultVersion": "v1",
        "CreateDate": NOW,
    }
    ram.service.clock.advance(60)
    changed = ram.ok("UpdatePolicyDescription", PolicyName="p", NewDescription="e")["Policy"]
    assert changed == {**shown, "Description": "e", "UpdateDate": "2026-01-02T03:05:05Z"}
    found = ram.ok("GetPolicy", PolicyType="Custom", PolicyName="p")
    assert found == {
        "Policy": {**changed, "AttachmentCount": 0, "PolicyDocument": DOCUMENT},
        "DefaultPolicyVersion": FIRST,
    }
    ram.ok("DeletePolicy", PolicyName="p")
    assert ram.refused("GetPolicy", PolicyType="Custom", PolicyName="p") == (404, "EntityNotExist.Policy")


@pytest.mark.parametrize(
    ("name", "status"), [("a" * 128, 200), ("a" * 129, 400), ("a_b", 400), ("a.b", 400), ("A-9", 200)]
)
def test_what_a_policy_may_be_called(name: str, status: int) -> None:
    assert Ram(Service()).call("CreatePolicy", PolicyName=name, PolicyDocument=DOCUMENT)[0] == status


def test_a_name_is_one_policys_alone() -> None:
    ram = made()
    for name in ("p", "AliyunKMSFullAccess"):
        asked = {"PolicyName": name, "PolicyDocument": DOCUMENT}
        assert ram.refused("CreatePolicy", **asked) == (409, "EntityAlreadyExists.Policy")


@pytest.mark.parametrize(("characters", "status"), [(2048, 200), (2049, 400)])
def test_a_document_has_a_length(characters: int, status: int) -> None:
    text = DOCUMENT + " " * (characters - len(DOCUMENT))
    answered, members = Ram(Service()).call("CreatePolicy", PolicyName="p", PolicyDocument=text)
    assert answered == status
    if status != 200:
        assert members["Code"] == "MalformedPolicyDocument"
        assert "at most 2,048 characters" in members["Message"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is malformed: it is not JSON at line 1"),
        ("[]", "it must be an object"),
        ('{"Version": "2", "Statement": []}', 'Version: must be "1"'),
        (DOCUMENT.replace("Allow", "allow"), "Statement[0].Effect"),
    ],
)
def test_a_document_that_is_none(text: str, told: str) -> None:
    ram = made()
    for action, name in (("CreatePolicy", "q"), ("CreatePolicyVersion", "p")):
        status, members = ram.call(action, PolicyName=name, PolicyDocument=text)
        assert (status, members["Code"]) == (400, "MalformedPolicyDocument")
        assert told in members["Message"]
    assert len(ram.ok("ListPolicies", PolicyType="Custom")["Policies"]["Policy"]) == 1


def test_versions_are_numbered_and_one_has_a_say() -> None:
    ram = made()
    key = ram.service.key()
    ram.ok("CreateUser", UserName="ann")
    ram.ok("AttachPolicyToUser", PolicyType="Custom", PolicyName="p", UserName="ann")
    pair = ram.access_key_of("ann")

    def encrypts() -> bool:
        asked = {"KeyId": key, "Plaintext": "x"}
        return ram.service.send(ram.service.request("Encrypt", asked, access_key=pair)).status == 200

    second = ram.ok("CreatePolicyVersion", PolicyName="p", PolicyDocument=OTHER)["PolicyVersion"]
    assert second == {**FIRST, "VersionId": "v2", "IsDefaultVersion": False, "PolicyDocument": OTHER}
    assert encrypts()
    ram.ok("SetDefaultPolicyVersion", PolicyName="p", VersionId="v2")
    assert not encrypts()
    named = {"PolicyType": "Custom", "PolicyName": "p"}
    assert ram.ok("GetPolicyVersion", **named, VersionId="v2")["PolicyVersion"]["IsDefaultVersion"] is True
    assert ram.refused("DeletePolicyVersion", PolicyName="p", VersionId="v2") == (
        409,
        "DeleteConflict.PolicyVersion.Default",
    )
    ram.ok("DeletePolicyVersion", PolicyName="p", VersionId="v1")
    third = ram.ok("CreatePolicyVersion", PolicyName="p", PolicyDocument=DOCUMENT, SetAsDefault="true")
    assert third["PolicyVersion"]["VersionId"] == "v3"
    assert encrypts()
    listed = ram.ok("ListPolicyVersions", **named)["PolicyVersions"]["PolicyVersion"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [("v2", False), ("v3", True)]
    for action, more in (
        ("GetPolicyVersion", {"PolicyType": "Custom"}),
        ("DeletePolicyVersion", {}),
        ("SetDefaultPolicyVersion", {}),
    ):
        asked = {"PolicyName": "p", "VersionId": "v1", **more}
        assert ram.refused(action, **asked) == (404, "EntityNotExist.Policy.Version")
        assert ram.refused(action, **{**asked, "PolicyName": "q"}) == (404, "EntityNotExist.Policy")
        assert ram.refused(action, **{**asked, "VersionId": "1"}) == (400, "InvalidParameter")


def test_a_policy_has_at_most_five_versions() -> None:
    ram = made()
    for _ in range(4):
        ram.ok("CreatePolicyVersion", PolicyName="p", PolicyDocument=OTHER)
    asked = {"PolicyName": "p", "PolicyDocument": OTHER}
    assert ram.refused("CreatePolicyVersion", **asked) == (409, "LimitExceeded.Policy.Version")
    assert ram.refused("CreatePolicyVersion", **asked, RotateStrategy="None") == (
        409,
        "LimitExceeded.Policy.Version",
    )
    assert ram.refused("CreatePolicyVersion", **asked, RotateStrategy="x") == (400, "InvalidParameter")
    oldest = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
    ram.ok("CreatePolicyVersion", **asked, RotateStrategy=oldest)
    listed = ram.ok("ListPolicyVersions", PolicyType="Custom", PolicyName="p")
    kept = [one["VersionId"] for one in listed["PolicyVersions"]["PolicyVersion"]]
    assert kept == ["v1", "v3", "v4", "v5", "v6"]  # v1 has the say


def test_a_policy_is_deleted_last() -> None:
    ram = made()
    ram.ok("CreateUser", UserName="ann")
    ram.ok("CreateGroup", GroupName="staff")
    ram.ok("CreatePolicyVersion", PolicyName="p", PolicyDocument=OTHER)
    named = {"PolicyType": "Custom", "PolicyName": "p"}
    ram.ok("AttachPolicyToUser", **named, UserName="ann")
    ram.ok("AttachPolicyToGroup", **named, GroupName="staff")
    assert ram.refused("DeletePolicy", PolicyName="p") == (409, "DeleteConflict.Policy.User")
    ram.ok("DetachPolicyFromUser", **named, UserName="ann")
    assert ram.refused("DeletePolicy", PolicyName="p") == (409, "DeleteConflict.Policy.Group")
    ram.ok("DetachPolicyFromGroup", **named, GroupName="staff")
    assert ram.refused("DeletePolicy", PolicyName="p") == (409, "DeleteConflict.Policy.Version")
    ram.ok("DeletePolicyVersion", PolicyName="p", VersionId="v2")
    ram.ok("DeletePolicy", PolicyName="p")
    ram.ok("CreatePolicy", PolicyName="p", PolicyDocument=DOCUMENT)


def test_system_policies_are_there_and_nobodys_to_change() -> None:
    ram = made()
    listed = ram.ok("ListPolicies", PolicyType="System")["Policies"]["Policy"]
    assert [one["PolicyName"] for one in listed] == sorted(SYSTEM_POLICIES)
    assert len(listed) == 9
    for one in listed:
        named = {"PolicyType": "System", "PolicyName": one["PolicyName"]}
        found = ram.ok("GetPolicy", **named)
        (version,) = ram.ok("ListPolicyVersions", **named)["PolicyVersions"]["PolicyVersion"]
        assert found["DefaultPolicyVersion"] == version
        assert ram.ok("GetPolicyVersion", **named, VersionId="v1") == {"PolicyVersion": version}
        assert json.loads(version["PolicyDocument"])["Version"] == "1"
        assert ram.refused("GetPolicy", PolicyType="Custom", PolicyName=one["PolicyName"])[0] == 404
        for action, more in (
            ("DeletePolicy", {}),
            ("UpdatePolicyDescription", {"NewDescription": "d"}),
            ("CreatePolicyVersion", {"PolicyDocument": OTHER}),
            ("SetDefaultPolicyVersion", {"VersionId": "v1"}),
            ("DeletePolicyVersion", {"VersionId": "v1"}),
        ):
            refused = ram.refused(action, PolicyName=one["PolicyName"], **more)
            assert refused == (404, "EntityNotExist.Policy")
    assert ram.refused("GetPolicy", PolicyType="System", PolicyName="p") == (404, "EntityNotExist.Policy")


def test_pages_go_through_both_types() -> None:
    ram = made()
    found: list[str] = []
    asked: dict[str, str] = {"MaxItems": "4"}
    while True:
        page = ram.ok("ListPolicies", **asked)
        found += [one["PolicyName"] for one in page["Policies"]["Policy"]]
        if not page["IsTruncated"]:
            break
        asked["Marker"] = page["Marker"]
    assert found == sorted([*SYSTEM_POLICIES, "p"])


def test_an_account_has_at_most_1500(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identities.POLICIES == 1500
    monkeypatch.setattr("keystead.operations.ram.policies.POLICIES", 1)
    ram = made()
    asked = {"PolicyName": "q", "PolicyDocument": DOCUMENT}
    assert ram.refused("CreatePolicy", **asked) == (409, "LimitExceeded.Policy")
    ram.ok("DeletePolicy", PolicyName="p")
    ram.ok("CreatePolicy", **asked)
