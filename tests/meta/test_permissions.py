"""Every operation of the catalogue, called by a RAM user: refused without permission, and done with exactly what it needs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keystead.api.operation import CATALOGUE, Operation
from keystead.domain.products import CONSOLE, KMS, LOCATION, RAM, STS
from tests.at_console import Console
from tests.harness import Members, Service
from tests.meta.test_catalogue import scenario
from tests.ram import Ram, two_codes

Pair = tuple[str, str]  # an action, and what kind of resource it is allowed on

# As the vendor's guide on RAM has it; what is not listed needs the action of its name, on a key.
KMS_NEEDS: dict[str, list[Pair]] = {
    "CreateKey": [("CreateKey", "key")],
    "ListKeys": [("ListKeys", "key")],
    "ListTagResources": [("ListTagResources", "key")],
    "ListAliases": [("ListAliases", "alias")],
    **{
        action: [(action, "key/"), (action, "alias/")] for action in ("CreateAlias", "UpdateAlias", "DeleteAlias")
    },
    "ReEncrypt": [("ReEncryptFrom", "key/"), ("ReEncryptTo", "key/")],
    "DescribeRegions": [],
    # They are about no resource, so they are allowed on all that there is.
    **{action: [(action, "*")] for action in ("DescribeAccountKmsStatus", "OpenKmsService", "GetChallenge")},
}  # fmt: skip
# Of Ram: on the user, group and policy that it names; else on all of a kind.
RAM_NEEDS = {
    "ListUsers": ["user/*"],
    "ListGroups": ["group/*"],
    "ListPolicies": ["policy/*"],
    **{
        action: ["user/bob"]
        for action in (
            "CreateUser", "GetUser", "UpdateUser", "DeleteUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey",
            "GetAccessKeyLastUsed", "DeleteAccessKey", "CreateLoginProfile", "GetLoginProfile", "UpdateLoginProfile",
            "DeleteLoginProfile", "BindMFADevice", "UnbindMFADevice", "GetUserMFAInfo", "ListGroupsForUser", "ListPoliciesForUser",
        )
    },
    **{
        action: ["group/team"]
        for action in ("CreateGroup", "GetGroup", "UpdateGroup", "DeleteGroup", "ListUsersForGroup", "ListPoliciesForGroup")
    },
    **{
        action: ["policy/p"]
        for action in (
            "CreatePolicy", "GetPolicy", "DeletePolicy", "CreatePolicyVersion", "GetPolicyVersion", "DeletePolicyVersion",
            "ListPolicyVersions", "SetDefaultPolicyVersion", "ListEntitiesForPolicy", "UpdatePolicyDescription",
        )
    },
    "ChangePassword": ["user/alice"],
    **{action: ["*"] for action in ("SetPasswordPolicy", "GetPasswordPolicy")},
    **{action: ["mfa/phone"] for action in ("CreateVirtualMFADevice", "DeleteVirtualMFADevice")},
    "ListVirtualMFADevices": ["mfa/*"],
    **{action: ["group/team", "user/bob"] for action in ("AddUserToGroup", "RemoveUserFromGroup")},
    **{action: ["policy/p", "user/bob"] for action in ("AttachPolicyToUser", "DetachPolicyFromUser")},
    **{action: ["group/team", "policy/p"] for action in ("AttachPolicyToGroup", "DetachPolicyFromGroup")},
}  # fmt: skip


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


def allow(*needs: Pair) -> str:
    return document(
        *({"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in needs)
    )


class Limited(Service):
    """A service where the first call of each operation is tried by a user with more and more permission."""

    def __init__(self) -> None:
        super().__init__()
        self.needs: dict[
            tuple[str, str], list[Pair]
        ] = {}  # by version and action: what was needed in the end
        self.ram("CreateUser", UserName="alice")
        made = self.ram("CreateAccessKey", UserName="alice")["AccessKey"]
        self.user = made["AccessKeyId"], made["AccessKeySecret"]
        self.ram(
            "CreatePolicy",
            PolicyName="exact",
            PolicyDocument=document({"Effect": "Deny", "Action": "ecs:*", "Resource": "*"}),
        )
        self.ram("AttachPolicyToUser", UserName="alice", PolicyType="Custom", PolicyName="exact")

    def ram(self, action: str, **parameters: str) -> Members:
        status, members = super().call(action, Version=RAM.version, **parameters)
        assert status == 200, members
        return members

    def let(self, text: str) -> None:
        """Give the user this policy and no other."""
        rotate = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
        self.ram(
            "CreatePolicyVersion",
            PolicyName="exact",
            PolicyDocument=text,
            SetAsDefault="true",
            RotateStrategy=rotate,
        )

    def as_user(self, action: str, parameters: dict[str, str]) -> tuple[int, Members]:
        response = self.send(self.request(action, parameters, access_key=self.user))
        return response.status, json.loads(response.body)

    def denied(self, action: str, parameters: dict[str, str]) -> Members:
        status, members = self.as_user(action, parameters)
        assert (status, members["Code"].removeprefix("Forbidden.")) == (403, "NoPermission"), (
            action,
            members,
        )
        return members

    def call(self, action: str, host: str = "localhost:8443", **parameters: str) -> tuple[int, Members]:
        tried = (parameters.get("Version", KMS.version), action)
        operation = CATALOGUE.find(*tried)
        if tried in self.needs or operation is None:
            return super().call(action, host, **parameters)
        self.needs[tried] = needs = []
        if operation.free:
            self.let(document({"Effect": "Deny", "Action": "*", "Resource": "*"}))
            return self.as_user(action, parameters)
        self.let(document({"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}))
        while True:
            refused = self.denied(action, parameters)
            detail = refused["AccessDeniedDetail"]
            need = (detail["AuthAction"], detail["AuthResource"])
            assert detail["NoPermissionType"] == "ImplicitDeny"
            assert need not in needs
            assert f" It needs {need[0]} on {need[1]}, which no policy allows." in refused["Message"]
            needs.append(need)
            self.let(allow(*needs))
            status, members = self.as_user(action, parameters)
            if members.get("Code", "").removeprefix("Forbidden.") != "NoPermission":
                return status, members


def kinds(needs: list[Pair], account: str) -> list[Pair]:
    """Actions without their product, and resources by their kind: `key`, `key/`, `alias/`."""
    found = []
    for action, resource in needs:
        product, region, owner, name = resource.split(":", 4)[1:]
        assert (action.split(":")[0], owner) == (product, account)
        assert region == ("cn-hangzhou" if product == "kms" else "")
        kind, slash, _ = name.partition("/")
        found.append((action.split(":")[1], kind + slash if product == "kms" else name))
    return found


def test_every_operation_of_kms_needs_what_the_guide_says() -> None:
    service = Limited()
    for _ in scenario(service):
        pass
    # These refuse whomever, in the end.
    assert service.refused("OpenKmsService") == "Forbidden.Opened"
    assert service.refused("GetChallenge") == "UnsupportedOperation"
    found = {
        action: kinds(needs, service.account)
        for (version, action), needs in service.needs.items()
        if version == KMS.version
    }
    assert set(found) == {operation.action for operation in CATALOGUE.of(KMS)}
    for action, needs in found.items():
        assert sorted(needs) == sorted(KMS_NEEDS.get(action, [(action, "key/")])), action


STORY = [
    ("CreateUser", {"UserName": "bob"}),
    ("GetUser", {"UserName": "bob"}),
    ("UpdateUser", {"UserName": "bob", "NewComments": "b"}),
    ("ListUsers", {}),
    ("CreateAccessKey", {"UserName": "bob"}),
    ("ListAccessKeys", {"UserName": "bob"}),
    ("UpdateAccessKey", {"UserName": "bob", "UserAccessKeyId": "ID", "Status": "Inactive"}),
    ("GetAccessKeyLastUsed", {"UserName": "bob", "UserAccessKeyId": "ID"}),
    ("DeleteAccessKey", {"UserName": "bob", "UserAccessKeyId": "ID"}),
    ("SetPasswordPolicy", {}),
    ("GetPasswordPolicy", {}),
    ("CreateLoginProfile", {"UserName": "bob", "Password": "Aa1!aaaa"}),
    ("GetLoginProfile", {"UserName": "bob"}),
    ("UpdateLoginProfile", {"UserName": "bob", "MFABindRequired": "true"}),
    ("ChangePassword", {"OldPassword": "Aa1!aaaa", "NewPassword": "Bb2!bbbb"}),
    ("CreateVirtualMFADevice", {"VirtualMFADeviceName": "phone"}),
    ("BindMFADevice", {"UserName": "bob", "SerialNumber": "SERIAL"}),
    ("GetUserMFAInfo", {"UserName": "bob"}),
    ("ListVirtualMFADevices", {}),
    ("UnbindMFADevice", {"UserName": "bob"}),
    ("DeleteVirtualMFADevice", {"SerialNumber": "SERIAL"}),
    ("DeleteLoginProfile", {"UserName": "bob"}),
    ("CreateGroup", {"GroupName": "team"}),
    ("GetGroup", {"GroupName": "team"}),
    ("UpdateGroup", {"GroupName": "team", "NewComments": "t"}),
    ("ListGroups", {}),
    ("AddUserToGroup", {"UserName": "bob", "GroupName": "team"}),
    ("ListGroupsForUser", {"UserName": "bob"}),
    ("ListUsersForGroup", {"GroupName": "team"}),
    ("RemoveUserFromGroup", {"UserName": "bob", "GroupName": "team"}),
    ("CreatePolicy", {"PolicyName": "p", "PolicyDocument": allow(("kms:*", "*"))}),
    ("GetPolicy", {"PolicyName": "p", "PolicyType": "Custom"}),
    ("ListPolicies", {}),
    ("CreatePolicyVersion", {"PolicyName": "p", "PolicyDocument": allow(("kms:*", "*"))}),
    ("ListPolicyVersions", {"PolicyName": "p", "PolicyType": "Custom"}),
    ("GetPolicyVersion", {"PolicyName": "p", "PolicyType": "Custom", "VersionId": "v2"}),
    ("SetDefaultPolicyVersion", {"PolicyName": "p", "VersionId": "v2"}),
    ("DeletePolicyVersion", {"PolicyName": "p", "VersionId": "v1"}),
    ("AttachPolicyToUser", {"PolicyName": "p", "PolicyType": "Custom", "UserName": "bob"}),
    ("ListPoliciesForUser", {"UserName": "bob"}),
    ("ListEntitiesForPolicy", {"PolicyName": "p", "PolicyType": "Custom"}),
    ("DetachPolicyFromUser", {"PolicyName": "p", "PolicyType": "Custom", "UserName": "bob"}),
    ("AttachPolicyToGroup", {"PolicyName": "p", "PolicyType": "Custom", "GroupName": "team"}),
    ("ListPoliciesForGroup", {"GroupName": "team"}),
    ("DetachPolicyFromGroup", {"PolicyName": "p", "PolicyType": "Custom", "GroupName": "team"}),
    ("UpdatePolicyDescription", {"PolicyName": "p", "NewDescription": "d"}),
    ("DeletePolicy", {"PolicyName": "p"}),
    ("DeleteGroup", {"GroupName": "team"}),
    ("DeleteUser", {"UserName": "bob"}),
]


def test_every_operation_of_ram_needs_what_it_names() -> None:
    service = Limited()
    service.ram("CreateLoginProfile", UserName="alice", Password="Aa1!aaaa")
    known: dict[str, str] = {}
    codes: dict[str, str] = {}
    for action, parameters in STORY:
        named = {name: known.get(value, value) for name, value in parameters.items()}
        members = service.ok(
            action, Version=RAM.version, **named, **(codes if action == "BindMFADevice" else {})
        )
        if action == "CreateAccessKey":
            known["ID"] = members["AccessKey"]["AccessKeyId"]
        if action == "CreateVirtualMFADevice":
            known["SERIAL"] = members["VirtualMFADevice"]["SerialNumber"]
            codes = two_codes(members, service.clock.now())
    found = {
        action: kinds(needs, service.account)
        for (version, action), needs in service.needs.items()
        if version == RAM.version
    }
    assert set(found) == {operation.action for operation in CATALOGUE.of(RAM)}
    for action, needs in found.items():
        assert sorted(needs) == [(action, resource) for resource in RAM_NEEDS[action]], action


# Of our own product for the console, by what page they are for: they need what the vendor's operations of the same need.
CONSOLE_NEEDS: dict[str, list[Pair]] = {
    "SearchKeys": [("kms:ListKeys", "acs:kms:cn-hangzhou:ACCOUNT:key")],
    "SummarizeKeys": [("kms:ListKeys", "acs:kms:cn-hangzhou:ACCOUNT:key")],
    "ListKeyUsers": [
        ("kms:GetKeyPolicy", "acs:kms:cn-hangzhou:ACCOUNT:key/KEY"),
        ("ram:ListUsers", "acs:ram::ACCOUNT:user/*"),
    ],
    **{
        action: [("actiontrail:LookupEvents", "acs:actiontrail:cn-hangzhou:ACCOUNT:*")]
        for action in ("LookUpRecords", "GetRecord", "CountRecords", "VerifyRecords")
    },
}
# A person needs none for their own session, and to be told what they may; no permission gives the last one away.
WITHOUT_NEEDS = {
    *("CreateSession", "RedeemSignInLink", "GetSession", "ConfirmSession", "DeleteSession", "CheckAccess"),
    "DescribeServer",
}


def test_every_read_of_the_console_needs_what_it_shows() -> None:
    assert {one.action for one in CATALOGUE.of(CONSOLE)} == set(CONSOLE_NEEDS) | WITHOUT_NEEDS
    service = Service()
    key_id = service.key()
    parameters = {
        "GetRecord": {"Chain": service.world.server_id, "Sequence": "1"},
        "ListKeyUsers": {"KeyId": key_id},
    }
    Ram(service).user("alice")
    for number, (action, needs) in enumerate(CONSOLE_NEEDS.items()):
        policy = {"PolicyName": f"p{number}", "PolicyType": "Custom"}
        Ram(service).ok("CreatePolicy", PolicyName=policy["PolicyName"], PolicyDocument=allow(("ecs:*", "*")))
        Ram(service).ok("AttachPolicyToUser", UserName="alice", **policy)
        found: list[Pair] = []
        for needed, place in needs:
            resource = place.replace("ACCOUNT", service.account).replace("KEY", key_id)
            status, members = Console(service, "alice").call(action, **parameters.get(action, {}))
            assert (status, members["Code"].removeprefix("Forbidden.")) == (403, "NoPermission"), action
            assert f" It needs {needed} on {resource}" in members["Message"]
            found.append((needed, resource))
            Ram(service).ok(
                "CreatePolicyVersion",
                PolicyName=policy["PolicyName"],
                PolicyDocument=allow(*found),
                SetAsDefault="true",
            )
        Console(service, "alice").ok(action, **parameters.get(action, {}))
        Ram(service).ok("DetachPolicyFromUser", UserName="alice", **policy)


def free() -> Iterator[Operation]:
    return (operation for operation in CATALOGUE if operation.free)


def test_some_operations_are_everybody_s() -> None:
    service = Limited()
    assert [(one.product, one.action) for one in free()] == [
        (KMS, "DescribeRegions"),
        (STS, "GetCallerIdentity"),
        (LOCATION, "DescribeEndpoints"),
        (CONSOLE, "CheckAccess"),
    ]
    service.ok("DescribeRegions")
    assert service.ok("GetCallerIdentity", Version=STS.version)["Arn"].endswith(":user/alice")
    service.ok("DescribeEndpoints", Version=LOCATION.version, Id="cn-hangzhou", ServiceCode="kms")


@pytest.mark.parametrize(
    "named", ["ID", "acs:kms:cn-hangzhou:ACCOUNT:key/ID", "alias/a", "acs:kms:cn-hangzhou:ACCOUNT:alias/a"]
)
def test_a_key_is_what_is_needed_however_it_is_named(named: str) -> None:
    service = Limited()
    key = Service.ok(service, "CreateKey")["KeyMetadata"]
    service.ok("CreateAlias", KeyId=key["KeyId"], AliasName="alias/a")
    service.ok(
        "Encrypt", KeyId=named.replace("ACCOUNT", service.account).replace("ID", key["KeyId"]), Plaintext="x"
    )
    assert service.needs[KMS.version, "Encrypt"] == [("kms:Encrypt", key["Arn"])]


def test_a_refusal_has_no_effect_and_names_the_policy_that_denies() -> None:
    service = Limited()
    key_id = Service.key(service)
    service.let(
        document(
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "kms:ScheduleKeyDeletion", "Resource": "*"},
        )
    )
    asked = {"KeyId": key_id, "PendingWindowInDays": "7"}
    refused = service.denied("ScheduleKeyDeletion", asked)
    arn = f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}"
    detail = refused["AccessDeniedDetail"]
    assert (detail["NoPermissionType"], detail["PolicyName"], detail["PolicyStatement"]) == (
        "ExplicitDeny",
        "exact",
        "1",
    )
    assert (detail["AuthAction"], detail["AuthResource"]) == ("kms:ScheduleKeyDeletion", arn)
    assert refused["Message"].endswith(
        f" It needs kms:ScheduleKeyDeletion on {arn}, which the policy exact denies."
    )
    status, members = service.as_user("DescribeKey", {"KeyId": key_id})
    assert (status, members["KeyMetadata"]["KeyState"]) == (200, "Enabled")


def test_the_key_of_a_service_is_made_for_who_may_use_it_together_with_others() -> None:
    service = Limited()
    asked = {"KeyId": "alias/acs/mse", "Plaintext": "x"}
    every = f"acs:kms:cn-hangzhou:{service.account}:key/*"
    service.let(allow(("kms:Encrypt", every.replace("*", Service.key(service)))))
    refused = service.denied("Encrypt", asked)
    assert refused["AccessDeniedDetail"]["AuthResource"] == every
    assert Service.ok(service, "ListAliases")["TotalCount"] == 0
    service.let(allow(("kms:Encrypt", every)))
    status, made = service.as_user("Encrypt", asked)
    assert status == 200
    # Now that there is one it is a key like others.
    service.let(allow(("kms:Encrypt", every.replace("*", made["KeyId"]))))
    assert service.as_user("Encrypt", asked)[0] == 200
