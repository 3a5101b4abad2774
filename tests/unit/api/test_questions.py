"""Questions about access in words, over a service in memory."""

import json
import re

import msgspec
import pytest

from keystead.access.callers import CallerType
from keystead.access.decisions import Policy, PolicyType
from keystead.access.documents import identity_document
from keystead.access.explanation import Asker
from keystead.api import questions
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE
from keystead.api.principals import Principals
from keystead.domain.policies import of_everybody
from tests.harness import Service
from tests.ram import Ram, allow

NOW = 1_767_323_045.0
REGION = "cn-hangzhou"


class World(Service):
    """A service with a key, its alias, two users, and another account."""

    def __init__(self) -> None:
        super().__init__()
        self.key_id = self.key()
        self.ok("CreateAlias", KeyId=self.key_id, AliasName="alias/work")
        self.place = f"acs:kms:{REGION}:{self.account}"
        self.arn = f"{self.place}:key/{self.key_id}"
        ram = Ram(self)
        ram.user("alice", allow("kms:Encrypt"))
        ram.ok("CreateUser", UserName="root")
        _, made = self.operate("CreateAccount", AccountName="other")
        self.other = made["Account"]["AccountId"]

    def needs(self, action: str, *resources: str) -> list[tuple[str, str]]:
        found = questions.find_action(action)
        needs = questions.needs_of(self.store, found, resources, self.account, REGION)
        return [(need.action, need.resource) for need in needs]

    def ask(self, action: str, *resources: str, who: str = "alice") -> list[bool]:
        found = questions.find_action(action)
        needs = questions.needs_of(self.store, found, resources, self.account, REGION)
        asker = questions.asker_of(
            Principals(self.store), questions.find_caller(self.store, who, self.account)
        )
        answers = questions.explained(self.store, asker, needs, {}, NOW)
        return [one.decision.allowed for one in answers]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


# --- who


def test_a_user_is_found_by_name_id_and_arn(world: World) -> None:
    caller = questions.find_caller(world.store, "alice", world.account)
    assert (caller.type, caller.session) == (CallerType.RAM_USER, "alice")
    for text in (caller.principal, caller.arn, f"alice@{world.account}"):
        assert questions.find_caller(world.store, text, world.account) == caller


def test_root_is_the_account_itself_unless_a_user_of_that_name_is_meant(world: World) -> None:
    for text, account in (
        ("root", world.account),
        (f"acs:ram::{world.other}:root", world.other),
        (f"root@{world.other}", world.other),
    ):
        caller = questions.find_caller(world.store, text, world.account)
        assert (caller.type, caller.account, caller.principal) == (CallerType.ROOT, account, account)
    user = questions.find_caller(world.store, f"acs:ram::{world.account}:user/root", world.account)
    assert (user.type, user.session) == (CallerType.RAM_USER, "root")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alcie", "there is no user 'alcie' in account 1000000000000001 (did you mean alice?)"),
        ("zzz", "there is no user 'zzz' in account 1000000000000001"),
        ("alice@1", "there is no account '1'"),
        ("acs:ram::1000000000000009:root", "there is no account '1000000000000009'"),
    ],
)
def test_nobody(world: World, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message) + r"\Z"):
        questions.find_caller(world.store, text, world.account)


# --- what


def test_an_action_is_found_in_whatever_case_with_its_product_or_without() -> None:
    for text in ("Encrypt", "encrypt", "kms:Encrypt", "KMS:ENCRYPT"):
        assert str(questions.find_action(text)) == "kms:Encrypt"
    assert str(questions.find_action("reencryptfrom")) == "kms:ReEncryptFrom"
    assert str(questions.find_action("ReEncrypt")) == "kms:ReEncrypt"
    # Two products have one of this name, but one of them is the operator's alone.
    assert str(questions.find_action("CreateAccessKey")) == "ram:CreateAccessKey"
    assert str(questions.find_action("ExplainAccess")) == "keystead:ExplainAccess"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Decyrpt", "there is no action 'Decyrpt' (did you mean Decrypt?)"),
        ("kms:Decyrpt", "there is no action 'kms:Decyrpt' (did you mean kms:Decrypt?)"),
        ("ram:Encrypt", "there is no action 'ram:Encrypt'"),
        ("keystead:CreateAccount", "there is no action 'keystead:CreateAccount'"),
        ("%%%", "there is no action '%%%'"),
        ("", "there is no action ''"),
    ],
)
def test_there_is_no_such_action(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        questions.find_action(text)


def test_every_operation_but_the_operator_s_can_be_asked_about(world: World) -> None:
    known = questions.actions()
    for operation in CATALOGUE:
        about_itself = operation.product.for_console_only and not operation.permission
        assert (operation.action_on() in known) is not (operation.for_operator_only or about_itself)


# --- on what


def test_keys_and_aliases(world: World) -> None:
    alias, key = f"{world.place}:alias/work", world.arn
    assert world.needs("Encrypt", key) == world.needs("Encrypt", alias) == [("kms:Encrypt", key)]
    assert world.needs("ReEncrypt", key) == [("kms:ReEncryptTo", key), ("kms:ReEncryptFrom", key)]
    assert world.needs("ReEncryptFrom", alias) == [("kms:ReEncryptFrom", key)]
    assert world.needs("CreateAlias", key, f"{world.place}:alias/new") == [
        ("kms:CreateAlias", key),
        ("kms:CreateAlias", f"{world.place}:alias/new"),
    ]
    assert world.needs("UpdateAlias", key, alias) == [("kms:UpdateAlias", key), ("kms:UpdateAlias", alias)]
    # Who deletes an alias takes it from its key.
    assert world.needs("DeleteAlias", alias) == [("kms:DeleteAlias", alias), ("kms:DeleteAlias", key)]
    assert world.needs("DeleteAlias", key) == [("kms:DeleteAlias", key)]
    # A service's key that is not there yet is made by who may use all.
    assert world.needs("Encrypt", f"{world.place}:alias/acs/mse") == [("kms:Encrypt", f"{world.place}:key/*")]
    assert world.needs("TagResources", key, f"{world.place}:key/2") == [
        ("kms:TagResources", key),
        ("kms:TagResources", f"{world.place}:key/2"),
    ]


def test_what_contains_them_all_and_what_needs_nothing(world: World) -> None:
    assert world.needs("ListKeys") == world.needs("ListKeys", f"{world.place}:key")
    assert world.needs("ListKeys") == [("kms:ListKeys", f"{world.place}:key")]
    beijing = f"acs:kms:cn-beijing:{world.account}:key"
    assert world.needs("CreateKey", beijing) == [("kms:CreateKey", beijing)]
    assert world.needs("GetChallenge") == [("kms:GetChallenge", f"{world.place}:*")]
    assert world.needs("ListUsers") == [("ram:ListUsers", f"acs:ram::{world.account}:user/*")]
    assert world.needs("ListTagResources", world.arn) == [
        ("kms:ListTagResources", world.arn),
        ("kms:ListTagResources", f"{world.place}:key"),
    ]
    assert world.needs("DescribeRegions") == []


def test_users_groups_and_policies(world: World) -> None:
    user, policy = (f"acs:ram::{world.account}:{one}" for one in ("user/bob", "policy/p"))
    assert world.needs("AttachPolicyToUser", user, policy) == [
        ("ram:AttachPolicyToUser", user),
        ("ram:AttachPolicyToUser", policy),
    ]


@pytest.mark.parametrize(
    ("action", "resource", "message"),
    [
        ("Encrypt", "", "kms:Encrypt is about a key: name it"),
        ("CreateAlias", "", "kms:CreateAlias is about a key or an alias: name it"),
        ("GetUser", "", "ram:GetUser is about a user: name it"),
        ("Encrypt", "acs:ram::1000000000000001:user/bob", "kms:Encrypt is not about acs:ram"),
        ("GetUser", "acs:ram::1000000000000001:group/g", "it is about a user"),
        ("Encrypt", "acs:kms:cn-hangzhou:1000000000000001:key", "it is about a key"),
        ("Encrypt", "acs:kms:cn-hangzhou:1000000000000001:secret/s", "it is about a key"),
        ("Encrypt", "acs:oss:cn-hangzhou:1000000000000001:key/k", "it is about a key"),
        ("Encrypt", "acs:kms:cn-hangzhou:1000000000000001:alias/none", "there is no alias acs:kms"),
        ("ListKeys", "acs:kms:cn-hangzhou:1000000000000001:key/k", "1000000000000001:key"),
        ("DescribeRegions", "acs:kms:cn-hangzhou:1000000000000001:key/k", "everybody may do it"),
    ],
)
def test_an_action_is_not_about_all(world: World, action: str, resource: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        world.needs(action, *filter(None, [resource]))


@pytest.mark.parametrize(
    ("action", "named", "missing"),
    [
        ("Encrypt", ["key/k"], ""),
        ("CreateAlias", ["key/k"], "an alias"),
        ("CreateAlias", ["alias/work"], "a key"),
        ("AttachPolicyToUser", ["user/bob"], "a policy"),
        ("AddUserToGroup", ["user/bob", "group/g"], ""),
        ("ListTagResources", [], ""),
        ("ReEncryptFrom", ["key/k"], ""),
        ("DeleteAlias", ["alias/work"], ""),
    ],
)
def test_what_else_a_call_needs_is_told(world: World, action: str, named: list[str], missing: str) -> None:
    found = questions.find_action(action)
    arns = [questions.as_arn(one, world.account, REGION) for one in named]
    needs = questions.needs_of(world.store, found, arns, world.account, REGION)
    assert questions.unnamed(found, needs) == missing


def test_how_resources_are_written(world: World) -> None:
    for text, arn in (
        (world.key_id, world.arn),
        (f"key/{world.key_id}", world.arn),
        (world.arn, world.arn),
        ("alias/a", f"{world.place}:alias/a"),
        ("user/bob", f"acs:ram::{world.account}:user/bob"),
        ("group/g", f"acs:ram::{world.account}:group/g"),
        ("policy/p", f"acs:ram::{world.account}:policy/p"),
    ):
        assert questions.as_arn(text, world.account, REGION) == arn
    with pytest.raises(ValueError, match="acs:kms:x is no ARN"):
        questions.as_arn("acs:kms:x", world.account, REGION)


# --- under what conditions


@pytest.mark.parametrize(
    ("action", "key", "value", "message"),
    [
        (
            "Encrypt",
            "acs:SourcIp",
            "192.0.2.1",
            "there is no condition key acs:SourcIp (did you mean acs:SourceIp?)",
        ),
        ("Encrypt", "acs:SourceIp", "here", "acs:SourceIp can't be here: "),
        ("Encrypt", "acs:CurrentTime", "now", "acs:CurrentTime can't be now: "),
        ("Encrypt", "acs:SecureTransport", "yes", "acs:SecureTransport can't be yes: "),
        ("Encrypt", "acs:SourceVpc", "vpc-1", "no request has acs:SourceVpc here"),
        ("Encrypt", "ecs:tag/a", "b", "no request has ecs:tag/a here"),
        ("DisableKey", "kms:tag/a", "b", "DisableKey has no kms:tag/…"),
        ("GenerateMac", "kms:EncryptionContext/a", "b", "GenerateMac has no encryption context"),
    ],
)
def test_a_condition_key_that_no_such_call_has(action: str, key: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        questions.check_context(questions.find_action(action).operation, {key: value})


def test_condition_keys_that_calls_have() -> None:
    given = {
        "acs:SourceIp": "192.0.2.1",
        "acs:SecureTransport": "false",
        "acs:MFAPresent": "true",
        "acs:CurrentTime": "2026-01-02T03:04:05Z",
        "kms:tag/a": "b",
        "kms:EncryptionContext/a": "b",
    }
    for action in ("Encrypt", "ReEncrypt"):
        questions.check_context(questions.find_action(action).operation, given)


# --- the answer


def test_the_tags_of_the_key_count_where_it_is_used() -> None:
    world = World()
    condition = {"Condition": {"StringEquals": {"kms:tag/team": "pay"}}}
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", **condition}
    Ram(world).user("tina", {"Version": "1", "Statement": [statement]})
    assert world.ask("Encrypt", world.arn, who="tina") == [False]
    world.ok("TagResource", KeyId=world.key_id, Tags='[{"TagKey": "team", "TagValue": "pay"}]')
    assert world.ask("Encrypt", world.arn, who="tina") == [True]
    assert world.ask("DisableKey", world.arn, who="tina") == [False]


def test_the_key_s_own_policy_and_that_of_another_account(world: World) -> None:
    assert world.ask("Encrypt", world.arn) == [True]
    assert world.ask("Decrypt", world.arn) == [False]
    assert world.ask("Decrypt", world.arn, who="root") == [True]
    assert world.ask("Encrypt", world.arn, who=f"root@{world.other}") == [False]
    statement = {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Principal": {"RAM": [f"acs:ram::{world.account}:user/alice"]},
        "Resource": ["*"],
    }
    text = json.dumps({"Version": "1", "Statement": [statement]})
    world.ok("SetKeyPolicy", KeyId=world.key_id, Policy=text)
    assert world.ask("Decrypt", world.arn) == [True]
    world.ok("SetKeyPolicy", KeyId=world.key_id, Policy=of_everybody(world.account))
    assert world.ask("Decrypt", world.arn) == [False]


def test_policies_alone_are_tried_without_that_of_the_key(world: World) -> None:
    document = Policy(PolicyType.CUSTOM, "p", identity_document(json.dumps(allow("kms:Decrypt"))))
    found = questions.find_action("Decrypt")
    needs = questions.needs_of(world.store, found, [world.arn], world.account, REGION)
    (answer,) = questions.explained(world.store, Asker(world.account, "", [document]), needs, {}, NOW)
    assert answer.decision.allowed
    assert answer.asked.key is None
    (answer,) = questions.explained(world.store, Asker(world.other, "", [document]), needs, {}, NOW)
    assert answer.decision.allowed


def test_policies_that_say_nothing_any_more_are_named(world: World) -> None:
    key = world.store.keys.get(world.account, REGION, world.key_id)
    assert key is not None
    odd = msgspec.structs.replace(key, policy='{"Version": "1"}')
    need = Need("kms:Encrypt", world.arn, world.account, odd, uses=True)
    said = Policy(PolicyType.CUSTOM, "said", identity_document(json.dumps(allow("kms:*"))))
    asker = Asker(world.account, "", [said, Policy(PolicyType.CUSTOM, "odd", ())])
    assert questions.silent(asker, [need, need]) == ["the policy odd", "the policy of the key"]
    assert questions.silent(asker._replace(policies=None), [need._replace(key=None)]) == []
