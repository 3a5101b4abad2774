"""Who may do what, over a service in memory. What policies come to is in tests/properties, what operations need in tests/meta."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from keystead.access.callers import Caller, CallerType
from keystead.api.authorization import request_context
from keystead.api.http import receive
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE
from keystead.domain.identities import User
from keystead.domain.products import KEYSTEAD, RAM
from keystead.errors import AccessKeyNotFound, NoPermission
from keystead.operations.kms.encryption import EncryptRequest, ReEncryptRequest
from tests.harness import Members, Service

Pair = tuple[str, str]
NOW = 1_767_323_045.5


def allow(*actions: str, **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def deny(*actions: str, **more: object) -> dict[str, object]:
    return {**allow(*actions, **more), "Effect": "Deny"}


def document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


class Accounts(Service):
    """A service with a user, and another account with a user."""

    def __init__(self) -> None:
        super().__init__()
        self.key_id = self.key()
        self.arn = f"acs:kms:cn-hangzhou:{self.account}:key/{self.key_id}"
        self.alice = self.user("alice")
        _, made = self.operate("CreateAccount", AccountName="other")
        self.other = made["Account"]["AccountId"]
        root = made["AccessKey"]
        self.other_root = root["AccessKeyId"], root["AccessKeySecret"]
        self.other_alice = self.user("alice", self.other_root)

    def by(self, access_key: Pair | None, action: str, **parameters: str) -> tuple[int, Members]:
        response = self.send(self.request(action, parameters, access_key=access_key))
        return response.status, json.loads(response.body)

    def ram(self, action: str, access_key: Pair | None = None, **parameters: str) -> Members:
        status, members = self.by(access_key, action, Version=RAM.version, **parameters)
        assert status == 200, members
        return members

    def user(self, name: str, root: Pair | None = None) -> Pair:
        self.ram("CreateUser", root, UserName=name)
        made = self.ram("CreateAccessKey", root, UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["AccessKeySecret"]

    def attach(
        self, name: str, *statements: Mapping[str, object], user: str = "alice", root: Pair | None = None
    ) -> None:
        self.ram("CreatePolicy", root, PolicyName=name, PolicyDocument=document(*statements))
        self.ram("AttachPolicyToUser", root, UserName=user, PolicyName=name, PolicyType="Custom")

    def code(self, access_key: Pair, action: str = "Encrypt", **parameters: str) -> str:
        """The code of an answer, "" for a success."""
        asked = parameters or {"KeyId": self.arn, "Plaintext": "x"}
        status, members = self.by(access_key, action, **asked)
        return "" if status == 200 else members["Code"]

    def policy(self, *statements: Mapping[str, object]) -> None:
        self.ok("SetKeyPolicy", KeyId=self.key_id, Policy=document(*statements))


def principal(*arns: str) -> dict[str, object]:
    return {"Principal": {"RAM": list(arns)}}


# --- who calls


def test_root_and_user_and_a_user_that_is_no_more() -> None:
    service = Accounts()
    authorizer = service.pipeline._authorizer
    root, alice = (service.store.accounts.access_key(one[0]) for one in (service.access_key, service.alice))
    assert root is not None
    assert alice is not None
    assert authorizer.caller(root).type is CallerType.ROOT
    caller = authorizer.caller(alice)
    assert (caller.type, caller.session, caller.arn) == (
        CallerType.RAM_USER, "alice", f"acs:ram::{service.account}:user/alice",
    )  # fmt: skip
    (user,) = service.store.identities.all(User, service.account)
    service.store.begin()
    service.store.identities.remove(user)
    service.store.commit()
    with pytest.raises(AccessKeyNotFound):
        authorizer.caller(alice)
    assert service.code(service.alice) == "InvalidAccessKeyId.NotFound"


def test_only_active_access_keys_of_active_accounts_are_admitted() -> None:
    service = Accounts()
    service.attach("p", allow("kms:*"), root=service.other_root)
    service.policy({**allow("kms:Encrypt"), **principal(f"acs:ram::{service.other}:*")})
    assert service.code(service.other_alice) == ""
    service.operate("UpdateAccount", AccountId=service.other, Status="Disabled")
    for access_key in (service.other_alice, service.other_root):
        assert service.code(access_key) == "Forbidden.AccessKey"
    service.operate("UpdateAccount", AccountId=service.other, Status="Active")
    assert service.code(service.other_alice) == ""
    service.ram(
        "UpdateAccessKey",
        service.other_root,
        UserName="alice",
        UserAccessKeyId=service.other_alice[0],
        Status="Inactive",
    )
    assert service.code(service.other_alice) == "Forbidden.AccessKey"
    assert service.code(service.other_root) == ""


# --- what has a say


def test_a_user_has_what_its_policies_and_groups_and_the_key_allow_and_none_denies() -> None:
    service = Accounts()
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.attach("p", allow("kms:Encrypt"))
    assert service.code(service.alice) == ""
    service.ram("DetachPolicyFromUser", UserName="alice", PolicyName="p", PolicyType="Custom")
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.ram("CreateGroup", GroupName="team")
    service.ram(
        "AttachPolicyToGroup", GroupName="team", PolicyName="AliyunKMSCryptoUserAccess", PolicyType="System"
    )
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.ram("AddUserToGroup", UserName="alice", GroupName="team")
    assert service.code(service.alice) == ""
    service.policy({**deny("kms:Encrypt"), **principal(f"acs:ram::{service.account}:user/alice")})
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.policy({**allow("kms:Encrypt"), **principal(f"acs:ram::{service.account}:user/alice")})
    service.ram("RemoveUserFromGroup", UserName="alice", GroupName="team")
    assert service.code(service.alice) == ""
    service.policy({**allow("kms:Encrypt"), **principal(f"acs:ram::{service.account}:*")})
    assert service.code(service.alice) == "Forbidden.NoPermission"


def test_a_new_default_version_has_its_say_at_once_and_the_name_of_a_user_is_looked_up_each_time() -> None:
    service = Accounts()
    service.attach("p", allow("kms:Encrypt"))
    assert service.code(service.alice) == ""
    service.ram("CreatePolicyVersion", PolicyName="p", PolicyDocument=document(allow("kms:Decrypt")))
    assert service.code(service.alice) == ""
    service.ram("SetDefaultPolicyVersion", PolicyName="p", VersionId="v2")
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.policy({**allow("kms:Encrypt"), **principal(f"acs:ram::{service.account}:user/ali")})
    assert service.code(service.alice) == "Forbidden.NoPermission"
    service.ram("UpdateUser", UserName="alice", NewUserName="ali")
    assert service.code(service.alice) == ""


def test_a_change_binds_the_next_call_of_the_same_batch() -> None:
    service = Accounts()
    service.attach("p", allow("kms:Encrypt"))
    encrypt = {"KeyId": service.key_id, "Plaintext": "x"}
    detach = {"Version": RAM.version, "UserName": "alice", "PolicyName": "p", "PolicyType": "Custom"}
    answers = service.answer(
        service.request("Encrypt", encrypt, access_key=service.alice),
        service.request("DetachPolicyFromUser", detach),
        service.request("Encrypt", encrypt, access_key=service.alice),
    )
    assert [answer.response.status for answer in answers] == [200, 200, 403]


def test_another_account_uses_a_key_if_both_allow_and_manages_none() -> None:
    service = Accounts()
    gone = service.arn[:-1] + ("0" if service.arn[-1] != "0" else "1")
    for access_key in (service.other_root, service.other_alice):
        assert service.code(access_key) == "Forbidden.KeyNotFound"
    service.policy({**allow("kms:*"), **principal(f"acs:ram::{service.other}:root")})
    assert service.code(service.other_root) == ""
    assert service.code(service.other_alice) == "Forbidden.NoPermission"
    service.attach("p", allow("kms:*"), root=service.other_root)
    assert service.code(service.other_alice) == ""
    for action, more in (
        ("DescribeKey", {}),
        ("CreateKeyVersion", {}),
        ("ListKeyVersions", {}),
        ("UpdateRotationPolicy", {"EnableAutomaticRotation": "true", "RotationInterval": "30d"}),
        ("ScheduleKeyDeletion", {"PendingWindowInDays": "7"}),
        ("DisableKey", {}),
        ("SetKeyPolicy", {"Policy": document({**allow("kms:*"), **principal("acs:ram::1:root")})}),
        ("GetKeyPolicy", {}),
        ("CreateAlias", {"AliasName": "alias/theirs"}),
        ("TagResource", {"Tags": "[]"}),
    ):
        asked = [service.by(service.other_root, action, KeyId=arn, **more)[1] for arn in (service.arn, gone)]
        assert asked[0]["Code"] == "Forbidden.KeyNotFound", action
        assert [one.pop("RequestId") in one.pop("Recommend") for one in asked] == [True, True]
        assert asked[0] == asked[1]
    service.policy(
        {**deny("kms:Encrypt"), **principal(f"acs:ram::{service.other}:*")},
        {**allow("kms:*"), **principal("acs:ram::*:*")},
    )
    assert service.code(service.other_root) == "Forbidden.KeyNotFound"


# --- the refusal


def test_a_refusal_says_what_was_needed_and_what_denied_it() -> None:
    service = Accounts()

    def refused() -> tuple[str, Members]:
        status, members = service.by(service.alice, "Encrypt", KeyId=service.key_id, Plaintext="x")
        assert (status, members["Code"]) == (403, "Forbidden.NoPermission")
        return members["Message"].partition("which ")[2], members["AccessDeniedDetail"]

    needed = {"AuthAction": "kms:Encrypt", "AuthResource": service.arn, "AuthPrincipalType": "SubUser"}
    why, detail = refused()
    assert why == "no policy allows."
    assert detail == detail | {
        **needed,
        "NoPermissionType": "ImplicitDeny",
        "AuthPrincipalOwnerId": service.account,
    }
    assert "PolicyName" not in detail
    service.attach("never", allow("*"), deny("kms:E*"))
    why, detail = refused()
    assert why == "the policy never denies."
    assert detail == detail | {**needed, "NoPermissionType": "ExplicitDeny", "PolicyName": "never", "PolicyStatement": "1",
                               "PolicyType": "AccountLevelIdentityBasedPolicy"}  # fmt: skip
    service.ram("DetachPolicyFromUser", UserName="alice", PolicyName="never", PolicyType="Custom")
    service.policy({**deny("kms:*"), **principal(f"acs:ram::{service.account}:user/*"), "Sid": "no users"})
    why, detail = refused()
    assert why == "the policy of the key denies."
    assert detail == detail | {**needed, "NoPermissionType": "ExplicitDeny", "PolicyName": "default",
                               "PolicyStatement": "no users", "PolicyType": "ResourceBasedPolicy"}  # fmt: skip


def test_ram_has_a_code_of_its_own_and_our_product_is_the_operator_s() -> None:
    service = Accounts()
    status, members = service.by(service.alice, "GetUser", Version=RAM.version, UserName="alice")
    assert (status, members["Code"]) == (403, "NoPermission")
    caller = Caller(account=service.account, type=CallerType.ROOT, principal=service.account)
    authorizer = service.pipeline._authorizer
    operation = CATALOGUE.find(KEYSTEAD.version, "ListAccounts")
    assert operation is not None
    with pytest.raises(NoPermission):
        authorizer.authorize(caller, operation, [], lambda need: {}, True)
    operator = Caller(account=service.account, type=CallerType.OPERATOR, principal="me")
    authorizer.authorize(operator, operation, [], lambda need: {}, False)


def test_another_account_opens_what_was_encrypted_with_a_key_that_it_may_use() -> None:
    service = Accounts()
    blob = service.ok("Encrypt", KeyId=service.key_id, Plaintext="x")["CiphertextBlob"]
    hidden = service.ok("Encrypt", KeyId=service.key(), Plaintext="y")["CiphertextBlob"]
    refused = service.code(service.other_root, "Decrypt", CiphertextBlob=blob)
    assert refused
    service.policy({**allow("kms:Decrypt"), **principal(f"acs:ram::{service.other}:root")})
    status, opened = service.by(service.other_root, "Decrypt", CiphertextBlob=blob)
    assert (status, opened["Plaintext"]) == (200, "x")
    assert service.code(service.other_alice, "Decrypt", CiphertextBlob=blob) == "Forbidden.NoPermission"
    assert service.code(service.other_root, "Decrypt", CiphertextBlob=hidden) == refused
    assert service.code(service.other_root) == "Forbidden.KeyNotFound"  # it may not encrypt with it


def test_what_is_of_another_account_and_no_key_is_nobody_s() -> None:
    service = Accounts()
    need = Need("kms:CreateAlias", f"acs:kms:cn-hangzhou:{service.other}:alias/a", service.other)
    for kind in (CallerType.ROOT, CallerType.OPERATOR):
        caller = Caller(account=service.account, type=kind, principal="x")
        assert not service.pipeline._authorizer.decide(caller, need, lambda need: {}).allowed


# --- the condition keys of a request


def context(request: Any, need: Need, service: Service, **more: Any) -> Mapping[str, str]:
    made = HttpRequest(
        method="POST",
        target="/?Action=Encrypt&SourceIp=192.0.2.9&SecureTransport=true",
        headers={"host": "localhost"},
        **more,
    )
    return request_context(service.store, receive.receive(made), request, NOW, False, need)


def test_a_request_has_its_time_and_where_it_came_from_and_no_more_than_is_so() -> None:
    service = Service()
    need = Need("kms:ListKeys", "acs:kms:cn-hangzhou:1:key", "1")
    plain = {
        "acs:CurrentTime": "2026-01-02T03:04:05Z",
        "acs:SecureTransport": "false",
        "acs:MFAPresent": "false",
    }
    assert context(None, need, service, source="198.51.100.7") == {**plain, "acs:SourceIp": "198.51.100.7"}
    assert context(None, need, service, source="::1", tls="TLSv1.3") == {
        **plain, "acs:SourceIp": "::1", "acs:SecureTransport": "true",
    }  # fmt: skip
    assert context(None, need, service, source="") == plain
    assert context(None, need, service, source="198.51.100.7", channel=Channel.CONTROL) == plain


def test_tags_are_for_what_uses_a_key_and_each_key_of_a_call_has_its_own_context() -> None:
    service = Service()
    service.key(Tags='[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b"}]')
    store = service.store
    (key_id,) = store.keys.tagged(service.account, service.region, {}, "", 9)
    key = store.keys.get(service.account, service.region, key_id)
    need = Need("kms:Encrypt", "acs:kms:cn-hangzhou:1:key/k", service.account, key, uses=True)
    request = EncryptRequest(key_id=None, plaintext=b"x", encryption_context={"to": "b", "x y": ""})  # type: ignore[arg-type]

    def beyond(request: Any, need: Need) -> dict[str, str]:
        return {
            name: value for name, value in context(request, need, service).items() if name.startswith("kms:")
        }

    tags = {"kms:tag/a": "1", "kms:tag/b": ""}
    assert beyond(request, need) == {**tags, "kms:EncryptionContext/to": "b", "kms:EncryptionContext/x y": ""}
    assert beyond(None, need) == tags
    assert beyond(None, need._replace(uses=False)) == {}
    both = ReEncryptRequest(
        ciphertext_blob="", destination_key_id=None,  # type: ignore[arg-type]
        source_encryption_context={"s": "1"}, destination_encryption_context={"d": "2"},
    )  # fmt: skip
    assert beyond(both, need._replace(action="kms:ReEncryptFrom")) == {**tags, "kms:EncryptionContext/s": "1"}
    assert beyond(both, need._replace(action="kms:ReEncryptTo")) == {**tags, "kms:EncryptionContext/d": "2"}


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"acs:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}, False),
        ({"Bool": {"acs:SecureTransport": "true"}}, True),
        ({"Bool": {"acs:SecureTransport": "false"}}, False),
        ({"StringEquals": {"kms:tag/team": "blue"}}, True),
        ({"StringEquals": {"kms:tag/team": "red"}}, False),
        ({"StringEquals": {"kms:EncryptionContext/for": "backup"}}, True),
        ({"StringEquals": {"kms:EncryptionContext/for": "x"}}, False),
        ({"DateLessThan": {"acs:CurrentTime": "2026-01-02T03:04:06Z"}}, True),
        ({"DateLessThan": {"acs:CurrentTime": "2026-01-02T03:04:05Z"}}, False),
        ({"StringNotEquals": {"acs:SourceVpc": "vpc-1"}}, False),
        ({"Bool": {"acs:MFAPresent": "true"}}, False),
    ],
)
def test_conditions_are_about_the_request_and_its_key(condition: dict[str, Any], allowed: bool) -> None:
    service = Accounts()
    service.ok("TagResource", KeyId=service.key_id, Tags='[{"TagKey": "team", "TagValue": "blue"}]')
    service.attach("p", allow("kms:*", Condition=condition))
    asked = {"KeyId": service.key_id, "Plaintext": "x", "EncryptionContext": '{"for": "backup"}'}
    claims = {"SourceIp": "192.0.2.1", "SecureTransport": "false"}
    assert service.code(service.alice, **asked, **claims) == ("" if allowed else "Forbidden.NoPermission")
    # A tag is of no account for what does not use the key.
    if "kms:tag/team" in json.dumps(condition):
        assert service.code(service.alice, "DescribeKey", KeyId=service.key_id) == "Forbidden.NoPermission"
