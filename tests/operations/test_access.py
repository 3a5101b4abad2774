"""ExplainAccess and SimulatePolicy: by the operator about every account, by all others about their own."""

import json
from typing import Any

import pytest

from keystead.domain.products import KEYSTEAD
from tests.harness import Members, Service
from tests.ram import Ram, allow

Pair = tuple[str, str]


class World(Service):
    """A service with a key, a user, and another account that has the same."""

    def __init__(self) -> None:
        super().__init__()
        self.key_id = self.key()
        self.arn = f"acs:kms:cn-hangzhou:{self.account}:key/{self.key_id}"
        self.ok("CreateAlias", KeyId=self.key_id, AliasName="alias/work")
        self.alice = Ram(self).user("alice", allow("kms:Encrypt"))
        _, made = self.operate("CreateAccount", AccountName="other")
        self.other = made["Account"]["AccountId"]
        self.other_root = (made["AccessKey"]["AccessKeyId"], made["AccessKey"]["AccessKeySecret"])
        self.mallory = Ram(self, self.other_root).user("mallory", allow("keystead:*", "kms:*"))
        status, key = self.by(self.other_root, "CreateKey", Version="2016-01-20")
        assert status == 200
        self.other_arn = key["KeyMetadata"]["Arn"]

    def by(self, access_key: Pair | None, action: str, **parameters: str) -> tuple[int, Members]:
        asked = {"Version": KEYSTEAD.version, **parameters}
        response = self.send(self.request(action, asked, access_key=access_key))
        return response.status, json.loads(response.body)

    def explained(self, **parameters: str) -> Members:
        return self.explained_to(None, **parameters)

    def explained_to(self, access_key: Pair | None, **parameters: str) -> Members:
        status, members = self.by(access_key, "ExplainAccess", **parameters)
        assert status == 200, members
        return members


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_the_account_s_root_user_gets_the_whole_explanation(world: World) -> None:
    found = world.explained(
        User="alice", AccessAction="encrypt", **{"Resource.1": "alias/work", "Context": "{}"}
    )
    assert found["Principal"] == f"acs:ram::{world.account}:user/alice"
    assert found["Allowed"] is True
    (need,) = found["Needs"]["Need"]
    assert (need["Action"], need["Resource"], need["Decision"]) == ("kms:Encrypt", world.arn, "Allow")
    assert need["Reason"] == "Statement[0] of the policy alice-0 allows it, and nothing denies it"
    assert need["Statements"]["Statement"] == [
        {
            "PolicyType": "Custom",
            "PolicyName": "alice-0",
            "GroupName": "",
            "Number": 0,
            "Sid": "",
            "Effect": "Allow",
            "Verdict": "Applies",
            "UnmetConditions": {"Condition": []},
        }
    ]


def test_each_thing_that_a_call_needs_is_told(world: World) -> None:
    found = world.explained(
        User="alice", AccessAction="CreateAlias", **{"Resource.1": world.key_id, "Resource.2": "alias/new"}
    )
    assert found["Allowed"] is False
    assert [one["Decision"] for one in found["Needs"]["Need"]] == ["ImplicitDeny", "ImplicitDeny"]
    everybody = world.explained(User="alice", AccessAction="DescribeRegions")
    assert (everybody["Allowed"], everybody["Needs"]) == (True, {"Need": []})


def test_a_policy_is_tried_alone_and_beside_those_of_a_user(world: World) -> None:
    office = {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": office}
    document = json.dumps({"Version": "1", "Statement": [statement]})

    def tried(action: str, **more: str) -> Members:
        asked = {"PolicyDocument": document, "AccessAction": action, "Resource.1": world.key_id, **more}
        status, members = world.by(None, "SimulatePolicy", **asked)
        assert status == 200, members
        return members

    inside = {"Context": '{"acs:SourceIp": "192.0.2.7"}'}
    assert tried("Decrypt", **inside)["Allowed"] is True
    assert tried("Encrypt", **inside)["Allowed"] is False
    assert tried("Encrypt", User="alice")["Allowed"] is True
    refused = tried("Decrypt", User="alice", Context='{"acs:SourceIp": "198.51.100.1"}')
    assert refused["Allowed"] is False
    assert refused["Needs"]["Need"][0]["Statements"]["Statement"][0]["UnmetConditions"]["Condition"] == [
        {
            "Operator": "IpAddress",
            "Key": "acs:SourceIp",
            "Values": ["192.0.2.0/24"],
            "Value": "198.51.100.1",
        }
    ]
    # What the request does not have is no value.
    lacking = tried("Decrypt")["Needs"]["Need"][0]["Statements"]["Statement"][0]
    assert "Value" not in lacking["UnmetConditions"]["Condition"][0]


def test_a_malformed_policy_is_refused_with_the_place(world: World) -> None:
    status, members = world.by(
        None, "SimulatePolicy", PolicyDocument='{"Version": "2", "Statement": []}', AccessAction="Encrypt"
    )
    assert (status, members["Code"]) == (400, "MalformedPolicyDocument")
    assert 'Version: must be "1"' in members["Message"]


@pytest.mark.parametrize(
    ("parameters", "code", "name"),
    [
        ({"User": "nobody"}, "EntityNotExist.User", "nobody"),
        ({"AccessAction": "Encrpyt"}, "InvalidParameter", "AccessAction"),
        ({"AccessAction": "keystead:CreateAccount"}, "InvalidParameter", "AccessAction"),
        ({"Resource.1": "alias/none"}, "InvalidParameter", "Resource"),
        ({"Resource.1": "acs:kms"}, "InvalidParameter", "Resource"),
        ({"Resource.1": "user/alice"}, "InvalidParameter", "Resource"),
        ({"Resource.1": "a" * 513}, "InvalidParameter", "Resource"),
        ({f"Resource.{number}": "key/k" for number in range(1, 12)}, "InvalidParameter", "Resource"),
        ({"Resource.2.Key": "x", "Resource.1": ""}, "InvalidParameter", "Resource"),
        ({"Context": '{"acs:SourcIp": "x"}'}, "InvalidParameter", "Context"),
    ],
)
def test_bad_parameters(world: World, parameters: dict[str, str], code: str, name: str) -> None:
    asked = {"User": "alice", "AccessAction": "Encrypt", "Resource.1": world.key_id} | parameters
    status, members = world.by(None, "ExplainAccess", **asked)
    assert (status >= 400, members["Code"]) == (True, code)
    assert name in members["Message"]


def test_ten_resources_are_not_too_many(world: World) -> None:
    several = {f"Resource.{number}": f"key/{number}" for number in range(1, 11)}
    found = world.explained(User="alice", AccessAction="TagResources", **several)
    assert len(found["Needs"]["Need"]) == 10


# --- who may ask


def test_a_user_may_ask_who_was_given_that(world: World) -> None:
    asked = {"User": "alice", "AccessAction": "Encrypt", "Resource.1": world.key_id}
    status, members = world.by(world.alice, "ExplainAccess", **asked)
    assert (status, members["Code"]) == (403, "Forbidden.NoPermission")
    detail = members["AccessDeniedDetail"]
    assert (detail["AuthAction"], detail["AuthResource"]) == (
        "keystead:ExplainAccess",
        f"acs:keystead:cn-hangzhou:{world.account}:*",
    )
    ram = Ram(world)
    asker = ram.user("asker", allow("keystead:ExplainAccess"))
    assert world.explained_to(asker, **asked)["Allowed"] is True
    status, members = world.by(asker, "SimulatePolicy", **asked, PolicyDocument=json.dumps(allow("kms:*")))
    assert (status, members["Code"]) == (403, "Forbidden.NoPermission")


def test_nothing_of_another_account_is_told(world: World) -> None:
    """What there is, what there is not and whose it is make no difference."""
    everybody: list[Pair] = [world.other_root, world.mallory]

    def told(access_key: Pair, **parameters: str) -> tuple[int, str, str]:
        status, members = world.by(access_key, "ExplainAccess", **parameters)
        return status, members["Code"], members["Message"]

    for access_key in everybody:
        action = {"AccessAction": "Encrypt", "User": "mallory"}
        there, nowhere = world.arn, f"{world.arn[:-1]}0"
        assert there != nowhere
        answers = {told(access_key, **action, **{"Resource.1": one}) for one in (there, nowhere)}
        assert {code for _, code, _ in answers} == {"InvalidParameter"}
        assert len(answers) == 1
        for user, other in (("alice", "nobody"),):
            arns = [f"acs:ram::{world.account}:user/{one}" for one in (user, other)]
            first, second = (
                told(access_key, AccessAction="ListKeys", User=arn)[2].replace(arn, "") for arn in arns
            )
            assert first == second
        named = told(access_key, AccessAction="ListKeys", User="mallory", AccountId=world.account)
        unknown = told(access_key, AccessAction="ListKeys", User="mallory", AccountId="1000000000000009")
        assert named[:2] == unknown[:2] == (404, "EntityNotExist.Account")
        status, code, _ = told(access_key, AccessAction="ListKeys", User=f"alice@{world.account}")
        assert (status, code) == (404, "EntityNotExist.User")


def test_one_s_own_account_may_be_named(world: World) -> None:
    found = world.explained_to(
        world.other_root, User="mallory", AccessAction="ListKeys", AccountId=world.other
    )
    assert found["Allowed"] is True


def test_the_operator_may_ask_about_every_account(world: World) -> None:
    def asked(**parameters: str) -> tuple[int, Any]:
        status, members = world.operate("ExplainAccess", AccessAction="Encrypt", **parameters)
        return status, members.get("Allowed", members.get("Code"))

    assert asked(User="alice", **{"Resource.1": world.arn}) == (200, True)
    assert asked(User="mallory", AccountId=world.other, **{"Resource.1": world.other_arn}) == (200, True)
    assert asked(User=f"mallory@{world.other}", **{"Resource.1": world.arn}) == (200, False)
    assert asked(User="root", AccountId="1000000000000009", **{"Resource.1": world.arn}) == (
        404,
        "EntityNotExist.Account",
    )


def test_a_call_is_recorded_without_the_policy(world: World) -> None:
    secret = json.dumps(allow("kms:Encrypt", resource="acs:kms:*:*:key/secret-plan"))
    world.by(None, "SimulatePolicy", PolicyDocument=secret, AccessAction="ListKeys")
    record = world.records[-1]
    assert (record.product, record.action, record.code) == ("Keystead", "SimulatePolicy", "")
    assert "secret-plan" not in record.parameters
    assert json.loads(record.resources) == [f"acs:keystead:cn-hangzhou:{world.account}:*"]
