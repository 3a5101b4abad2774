"""Recorded calls, as they are asked about anew. That each operation's record tells what it needed is shown in tests/meta."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from keystead.access.decisions import Policy, PolicyType
from keystead.access.documents import identity_document
from keystead.access.explanation import Asker
from keystead.api import questions, replay
from keystead.api.operation import CATALOGUE
from keystead.api.principals import Principals
from keystead.domain.audit import Kind, Record
from keystead.domain.identities import User
from keystead.domain.products import KEYSTEAD, KMS, RAM
from tests.harness import Service
from tests.ram import Ram, allow


class World(Service):
    """A service with a key and a user who may encrypt under it."""

    def __init__(self) -> None:
        super().__init__()
        self.key_id = self.key()
        self.arn = f"acs:kms:cn-hangzhou:{self.account}:key/{self.key_id}"
        self.alice = Ram(self).user("alice", allow("kms:Encrypt", "kms:DescribeKey"))
        (user,) = self.store.identities.all(User, self.account)
        self.caller = questions.caller_of(user)

    def by_alice(self, action: str, **parameters: str) -> str:
        """The code of the answer, "" for success."""
        asked = {"KeyId": self.key_id, **parameters}
        response = self.send(self.request(action, asked, access_key=self.alice))
        return str(json.loads(response.body).get("Code", ""))

    def compared(self, *documents: object) -> replay.Comparison:
        """With these policies in place of those that alice has."""
        before = questions.asker_of(Principals(self.store), self.caller)
        policies = [
            Policy(PolicyType.CUSTOM, f"new{number}", identity_document(json.dumps(one)))
            for number, one in enumerate(documents)
        ]
        user = self.caller.principal
        return replay.compare(
            self.store, self.records, {user: before}, {user: before._replace(policies=policies)}
        )


@pytest.fixture
def world() -> World:
    return World()


def record(world: World, action: str, resources: Sequence[str], **more: Any) -> Record:
    """A record of alice's, otherwise like the newest."""
    return msgspec.structs.replace(
        world.records[-1],
        **{
            "product": "Kms",
            "version": KMS.version,
            "action": action,
            "resources": json.dumps(resources),
            "caller_type": "ram-user",
            "kind": Kind.API_CALL,
            "code": "",
            **more,
        },
    )


def test_what_no_policy_had_a_say_in(world: World) -> None:
    assert replay.past(world.store, record(world, "Encrypt", [world.arn], kind=Kind.SERVICE_EVENT)) is None
    assert replay.past(world.store, record(world, "Encrypt", [world.arn], caller_type="operator")) is None
    ours = record(world, "CreateAccount", [], version=KEYSTEAD.version)
    assert replay.past(world.store, ours) is None
    everybody = replay.past(world.store, record(world, "DescribeRegions", []))
    assert everybody is not None
    assert everybody.needs == []


@pytest.mark.parametrize(
    ("action", "resources"),
    [
        ("Forgotten", ["acs:kms:cn-hangzhou:1:key/k"]),
        ("Encrypt", []),  # as when there is no such key
        ("Encrypt", ["acs:kms:cn-hangzhou:1:alias/a"]),
        ("Encrypt", ["acs:ram::1:key/k"]),
        ("Encrypt", ["acs:kms:cn-hangzhou:1:key"]),
        ("CreateAlias", ["acs:kms:cn-hangzhou:1:key/k"]),
        ("DeleteAlias", ["acs:kms:cn-hangzhou:1:alias/a"]),  # as records were before its key was needed
        ("ReEncrypt", ["acs:kms:cn-hangzhou:1:key/k"]),
    ],
)
def test_a_record_that_does_not_say_what_was_needed(world: World, action: str, resources: list[str]) -> None:
    with pytest.raises(replay.Unknown):
        replay.past(world.store, record(world, action, resources))


def test_the_key_that_a_call_needed_is_that_of_now(world: World) -> None:
    call = replay.past(world.store, record(world, "Encrypt", [world.arn]))
    assert call is not None
    (need,) = call.needs
    key = world.store.keys.get(world.account, "cn-hangzhou", world.key_id)
    assert (need.key, need.uses, need.owner) == (key, True, world.account)
    gone = replay.past(world.store, record(world, "Encrypt", [f"{world.arn}0"]))
    assert gone is not None
    assert gone.needs[0].key is None


def test_the_key_of_a_service_that_a_call_made_and_one_that_it_did_not(world: World) -> None:
    alias = f"acs:kms:cn-hangzhou:{world.account}:alias/acs/mse"
    call = replay.past(world.store, record(world, "Encrypt", [alias, world.arn]))
    assert call is not None
    assert [need.resource for need in call.needs] == [world.arn]
    call = replay.past(world.store, record(world, "Encrypt", [alias]))
    assert call is not None
    assert [need.resource for need in call.needs] == [f"acs:kms:cn-hangzhou:{world.account}:key/*"]


def test_a_call_has_the_condition_keys_that_it_had_then(world: World) -> None:
    world.ok("TagResource", KeyId=world.key_id, Tags='[{"TagKey": "a", "TagValue": "b"}]')
    made = record(
        world,
        "Encrypt",
        [world.arn],
        time=1_767_323_045_000,
        source="192.0.2.7",
        tls="TLSv1.3",
        parameters='{"EncryptionContext": "{\\"app\\": \\"x\\"}"}',
    )

    def context(made: Record) -> dict[str, str]:
        call = replay.past(world.store, made)
        assert call is not None
        return dict(replay.past_context(world.store, made, call.operation, call.needs[0]))

    assert context(made) == {
        "acs:CurrentTime": "2026-01-02T03:04:05Z",
        "acs:SecureTransport": "true",
        "acs:MFAPresent": "false",
        "acs:SourceIp": "192.0.2.7",
        "kms:tag/a": "b",
        "kms:EncryptionContext/app": "x",
    }
    plain = context(msgspec.structs.replace(made, tls="", source="", parameters="{}"))
    assert (plain["acs:SecureTransport"], "acs:SourceIp" in plain) == ("false", False)
    flat = context(msgspec.structs.replace(made, parameters='{"EncryptionContext.app": "y"}'))
    assert flat["kms:EncryptionContext/app"] == "y"
    cut = context(msgspec.structs.replace(made, parameters='{"EncryptionContext": "{\\"app"}'))
    assert "kms:EncryptionContext/app" not in cut
    both = msgspec.structs.replace(
        made,
        action="ReEncrypt",
        resources=json.dumps([world.arn, world.arn]),
        parameters='{"SourceEncryptionContext": "{\\"from\\": \\"1\\"}", "DestinationEncryptionContext": "{\\"to\\": \\"2\\"}"}',
    )
    call = replay.past(world.store, both)
    assert call is not None
    named = {
        need.action: {
            name: value
            for name, value in replay.past_context(world.store, both, call.operation, need).items()
            if "Context/" in name
        }
        for need in call.needs
    }
    assert named == {
        "kms:ReEncryptTo": {"kms:EncryptionContext/to": "2"},
        "kms:ReEncryptFrom": {"kms:EncryptionContext/from": "1"},
    }


# --- the comparison


def test_what_would_be_refused_and_what_would_be_allowed(world: World) -> None:
    assert world.by_alice("Encrypt", Plaintext="x") == ""
    assert world.by_alice("Encrypt", Plaintext="x") == ""
    assert world.by_alice("DescribeKey") == ""
    assert world.by_alice("DisableKey") == "Forbidden.NoPermission"
    last = world.records[-1].time
    found = world.compared(allow("kms:D*"))
    assert (found.calls, found.unknown, found.refused_anyway) == (4, 0, 0)
    why = "no statement that applies allows it"
    user = world.caller.principal
    assert found.refused == [replay.Change("kms:Encrypt", world.arn, user, 2, last, why)]
    allows = "Statement[0] of the policy new0 allows it, and nothing denies it"
    assert found.allowed == [replay.Change("kms:DisableKey", world.arn, user, 1, last, allows)]
    same = world.compared(allow("kms:Encrypt", "kms:DescribeKey"))
    assert (same.calls, same.refused, same.allowed) == (4, [], [])


def test_a_call_that_needs_two_is_allowed_only_by_both(world: World) -> None:
    assert world.by_alice("CreateAlias", AliasName="alias/a") == "Forbidden.NoPermission"
    alias = world.arn.replace(f"key/{world.key_id}", "alias/a")
    assert world.compared(allow("kms:CreateAlias", resource=world.arn)).allowed == []
    found = world.compared(allow("kms:CreateAlias", resource=world.arn), allow("kms:*", resource=alias))
    assert [one.resource for one in found.allowed] == [alias, world.arn]


def test_what_things_as_they_are_refuse_is_no_difference(world: World) -> None:
    assert world.by_alice("Encrypt", Plaintext="x") == ""
    Ram(world).ok("DetachPolicyFromUser", PolicyType="Custom", PolicyName="alice-0", UserName="alice")
    found = world.compared(allow("kms:DescribeKey"))
    assert (found.calls, found.refused, found.refused_anyway) == (1, [], 1)


def test_dry_runs_count_and_failures_of_other_kinds_do_not(world: World) -> None:
    assert world.by_alice("Encrypt", Plaintext="x", DryRun="true") == "DryRunOperationError"
    assert world.by_alice("DescribeKey", KeyId="none") == "Forbidden.KeyNotFound"
    found = world.compared()
    assert (found.calls, [one.action for one in found.refused]) == (1, ["kms:Encrypt"])


def test_whoever_is_not_asked_about_and_what_is_not_known(world: World) -> None:
    world.ok("DescribeKey", KeyId=world.key_id)  # by the account itself
    user = world.caller.principal
    asker = {user: Asker(world.account, world.caller.arn, [])}
    other = record(world, "Encrypt", [world.arn], principal="1")
    unknown = record(world, "Forgotten", [], principal=user)
    service = record(world, "Encrypt", [world.arn], principal=user, kind=Kind.SERVICE_EVENT)
    found = replay.compare(world.store, [*world.records, other, unknown, service], asker, asker)
    assert (found.calls, found.unknown) == (0, 1)


def test_the_records_of_ram_tell_too(world: World) -> None:
    Ram(world).ok("GetUser", UserName="alice")
    call = replay.past(world.store, world.records[-1])
    assert call is not None
    assert call.operation is CATALOGUE.find(RAM.version, "GetUser")
    assert [need[:2] for need in call.needs] == [("ram:GetUser", f"acs:ram::{world.account}:user/alice")]


def test_each_call_is_tried_with_the_condition_keys_that_it_had(world: World) -> None:
    user = world.caller.principal
    calls = [
        record(world, "Encrypt", [world.arn], principal=user, source=source, time=number)
        for number, source in enumerate(["192.0.2.1", "198.51.100.1", "192.0.2.2", "198.51.100.2"])
    ]
    everything = Policy(PolicyType.CUSTOM, "all", identity_document(json.dumps(allow("kms:*"))))
    before = {user: Asker(world.account, world.caller.arn, [everything])}
    office = {**allow("kms:Encrypt"), "Version": "1"}
    office["Statement"] = [
        {**office["Statement"][0], "Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}}  # type: ignore[index]
    ]
    only = Policy(PolicyType.CUSTOM, "office", identity_document(json.dumps(office)))
    after = {user: Asker(world.account, world.caller.arn, [only])}
    found = replay.compare(world.store, calls, before, after)
    assert [(one.calls, one.last) for one in found.refused] == [(2, 3)]
    back = replay.compare(
        world.store,
        [msgspec.structs.replace(one, code="Forbidden.NoPermission") for one in calls],
        after,
        before,
    )
    assert [(one.calls, one.last) for one in back.allowed] == [(2, 3)]


def test_records_that_were_altered(world: World) -> None:
    altered = msgspec.structs.replace(record(world, "Encrypt", []), resources="[1]")
    with pytest.raises(replay.Unknown):
        replay.past(world.store, altered)
    altered = record(world, "Encrypt", [world.arn], parameters="[")
    call = replay.past(world.store, altered)
    assert call is not None
    assert "acs:CurrentTime" in replay.past_context(world.store, altered, call.operation, call.needs[0])
