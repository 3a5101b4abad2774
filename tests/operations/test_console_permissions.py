"""CheckAccess: what a page may offer to the person who has signed in."""

import json

import pytest

from keystead.domain.keys.key import Key
from tests.at_console import Console
from tests.harness import Service
from tests.operations.test_accounts import made
from tests.ram import Ram, allow


def arn(service: Service, resource: str) -> str:
    return f"acs:kms:{service.region}:{service.account}:{resource}"


def statement(effect: str, action: str, **more: object) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


def document(*statements: dict[str, object]) -> dict[str, object]:
    return {"Version": "1", "Statement": list(statements)}


def test_the_owner_may_do_all_in_the_account_and_nothing_in_another() -> None:
    service = Service()
    other, _ = made(service)
    assert Console(service).may(
        ("kms:CreateKey", arn(service, "key")),
        ("ram:CreateUser", f"acs:ram::{service.account}:user/*"),
        ("actiontrail:LookupEvents", f"acs:actiontrail:{service.region}:{service.account}:*"),
        ("kms:CreateKey", f"acs:kms:{service.region}:{other}:key"),
        ("keystead:CreateAccount", f"acs:keystead:{service.region}:{service.account}:*"),
    ) == [True, True, True, False, False]


def test_a_user_may_do_what_its_policies_and_those_of_keys_say() -> None:
    service = Service()
    mine, open_to_all, closed = (service.key() for _ in range(3))
    user = Ram(service).user("alice", allow("kms:Encrypt", resource=arn(service, f"key/{mine}")))
    alice = f"acs:ram::{service.account}:user/alice"
    for key_id, effect in ((open_to_all, "Allow"), (closed, "Deny")):
        policy = document(
            statement("Allow", "kms:*", Principal={"RAM": [f"acs:ram::{service.account}:*"]}, Resource=["*"]),
            statement(effect, "kms:Encrypt", Principal={"RAM": [alice]}, Resource=["*"]),
        )
        service.ok("SetKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))
    console = Console(service, "alice")
    keys = [arn(service, f"key/{key_id}") for key_id in (mine, open_to_all, closed, "nowhere")]
    assert console.may(*(("kms:Encrypt", one) for one in keys)) == [True, True, False, False]
    assert console.may(("kms:Decrypt", keys[0]), ("kms:ListKeys", arn(service, "key"))) == [False, False]
    # They are what the calls themselves are answered.
    for key_id, allowed in ((mine, True), (open_to_all, True), (closed, False)):
        asked = service.request("Encrypt", {"KeyId": key_id, "Plaintext": "x"}, access_key=user)
        assert (service.send(asked).status == 200) is allowed


def test_of_another_account_only_the_use_of_a_key_may_be_had() -> None:
    service = Service()
    other, _ = made(service)
    key_id = service.key()
    policy = document(
        statement("Allow", "kms:*", Principal={"RAM": [f"acs:ram::{service.account}:*"]}, Resource=["*"]),
        statement("Allow", "kms:*", Principal={"RAM": [f"acs:ram::{other}:*"]}, Resource=["*"]),
    )
    service.ok("SetKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))
    resource = arn(service, f"key/{key_id}")
    actions = ("kms:Encrypt", "kms:ReEncryptFrom", "kms:DescribeKey", "kms:ScheduleKeyDeletion")
    assert Console(service, account=other).may(*((one, resource) for one in actions)) == [
        True,
        True,
        False,
        False,
    ]
    # One that is not shared is not even looked at, as if there were none.
    hidden, get = service.key(), service.store.keys.get
    looked_at: list[tuple[str, ...]] = []

    def note(*place: str) -> Key | None:
        looked_at.append(place)
        return get(*place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.store.keys, "get", note)
        assert Console(service, account=other).may(("kms:Encrypt", arn(service, f"key/{hidden}"))) == [False]
    assert looked_at == []
    # A key whose time is over is there no longer.
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * 86_400)
    assert Console(service, account=other).may(("kms:Encrypt", resource)) == [False]


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([statement("Allow", "kms:Encrypt", Condition={"StringEquals": {"kms:EncryptionContext/a": "b"}})], True),
        # Whoever gives no such context is not denied.
        (
            [
                statement("Allow", "kms:*"),
                statement("Deny", "kms:Encrypt", Condition={"StringEquals": {"kms:EncryptionContext/a": "b"}}),
            ],
            True,
        ),
        (
            [
                statement(
                    "Allow",
                    "kms:Encrypt",
                    Condition={
                        "StringEquals": {"kms:EncryptionContext/a": "b"},
                        "Bool": {"acs:SecureTransport": "false"},
                    },
                )
            ],
            False,
        ),
        ([statement("Allow", "kms:Encrypt", Condition={"Bool": {"acs:SecureTransport": "true"}})], True),
        (
            [
                statement("Allow", "kms:*"),
                statement("Deny", "kms:*", Condition={"Bool": {"acs:SecureTransport": "true"}}),
            ],
            False,
        ),
        ([statement("Allow", "kms:Encrypt", Condition={"StringEquals": {"kms:tag/team": "a"}})], True),
        ([statement("Allow", "kms:Encrypt", Condition={"StringEquals": {"kms:tag/team": "b"}})], False),
    ],
)  # fmt: skip
def test_a_condition_on_the_encryption_context_may_be_met_and_others_are_or_are_not(
    statements: list[dict[str, object]], allowed: bool
) -> None:
    service = Service()
    key_id = service.key(Tags='[{"TagKey": "team", "TagValue": "a"}]')
    Ram(service).user("alice", document(*statements))
    console = Console(service, "alice")
    assert console.may(("kms:Encrypt", arn(service, f"key/{key_id}"))) == [allowed]


def test_it_leaves_no_record_unless_it_is_refused() -> None:
    service = Service()
    console = Console(service)
    before = len(service.records)
    console.may(("kms:CreateKey", arn(service, "key")))
    assert len(service.records) == before
    assert console.refused("CheckAccess") == "MissingParameter"
    assert [(one.action, one.code) for one in service.records[before:]] == [
        ("CheckAccess", "MissingParameter")
    ]


def test_a_hundred_are_told_at_once_and_no_more() -> None:
    service = Service()
    need = ("kms:CreateKey", arn(service, "key"))
    assert Console(service).may(*[need] * 100) == [True] * 100
    asked: dict[str, str] = {}
    for number in range(1, 102):
        asked |= {f"Need.{number}.Action": need[0], f"Need.{number}.Resource": need[1]}
    assert Console(service).refused("CheckAccess", **asked) == "InvalidParameter"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("CreateKey", "acs:kms:r:1:key"),
        ("kms:*", "acs:kms:r:1:key"),
        ("kms:CreateKey", "*"),
        ("kms:CreateKey", "key"),
        ("kms:CreateKey", "acs:kms:r::key"),
        ("kms:CreateKey", "acs:kms:r:1:"),
        ("kms:CreateKey", f"acs:kms:r:1:{'k' * 513}"),
        ("kms:CreateKey\n", "acs:kms:r:1:key"),
        (f"kms:{'a' * 129}", "acs:kms:r:1:key"),
    ],
)
def test_what_is_no_action_or_no_arn_is_refused(action: str, resource: str) -> None:
    asked = {"Need.1.Action": action, "Need.1.Resource": resource}
    assert Console(Service()).refused("CheckAccess", **asked) == "InvalidParameter"


@pytest.mark.parametrize(
    "asked",
    [
        {"Need.1": "kms:CreateKey"},
        {"Need.1.Action": "kms:CreateKey"},
        {"Need.1.Action": "kms:CreateKey", "Need.1.Resource": "acs:kms:r:1:key", "Need.1.More": "x"},
    ],
)
def test_half_a_question_is_refused(asked: dict[str, str]) -> None:
    assert Console(Service()).refused("CheckAccess", **asked) == "InvalidParameter"


def test_the_longest_names_are_taken() -> None:
    service = Service()
    longest = (f"kms:{'a' * 128}", f"acs:kms:r:{service.account}:{'k' * 512}")
    assert Console(service).may(longest) == [True]


def test_how_a_person_signs_in_is_their_own_to_change_unless_that_is_denied() -> None:
    service = Service()
    Ram(service).user("alice")
    Ram(service).user("bob", document(statement("Deny", "ram:ChangePassword")))
    user = f"acs:ram::{service.account}:user/"
    assert Console(service, "alice").may(
        ("ram:ChangePassword", f"{user}alice"),
        ("ram:ChangePassword", f"{user}bob"),
        ("ram:DeleteUser", f"{user}alice"),
        ("ram:Nonsense", f"{user}alice"),
    ) == [True, False, False, False]
    assert Console(service, "bob").may(("ram:ChangePassword", f"{user}bob")) == [False]
