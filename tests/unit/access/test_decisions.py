"""The steps of an evaluation. What documents and requests come to is in tests/properties."""

import json
from collections.abc import Mapping

import pytest

from keystead.access.decisions import (
    NOTHING,
    ROOT,
    Decision,
    Ground,
    Outcome,
    Policy,
    PolicyType,
    Prospect,
    combine,
    decide,
    identity_grounds,
    key_grounds,
    lockout,
    prospect,
)
from keystead.access.documents import identity_document, key_document

OWNER, OTHER = "1000000000000001", "1000000000000002"
ALICE = f"acs:ram::{OWNER}:user/alice"
KEY = f"acs:kms:cn-hangzhou:{OWNER}:key/k"
ALLOWS: Mapping[str, object] = {}
DENIES = {"Effect": "Deny"}
ALLOWS_MAYBE = {"Condition": {"Bool": {"acs:SecureTransport": "true"}}}
DENIES_MAYBE = {**DENIES, **ALLOWS_MAYBE}


def policy(*statements: Mapping[str, object], name: str = "p") -> Policy:
    filled = [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", **one} for one in statements]
    text = json.dumps({"Version": "1", "Statement": filled})
    return Policy(PolicyType.CUSTOM, name, identity_document(text))


def key_policy(*statements: Mapping[str, object]) -> Policy:
    filled = [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"RAM": ALICE}, **one}
        for one in statements
    ]
    text = json.dumps({"Version": "1", "Statement": filled})
    return Policy(PolicyType.KEY, "default", key_document(text))


def test_the_statements_about_a_request_are_found_those_that_deny_first() -> None:
    first = policy({}, {"Action": "kms:Decrypt"}, {"Effect": "Deny", "Resource": KEY})
    second = policy({"Effect": "Deny", "Resource": ["acs:ecs:*:*:*", KEY]}, name="q")
    found = identity_grounds([first, second], "kms:Encrypt", KEY)
    assert [(one.policy.name, one.statement.number) for one in found] == [("p", 2), ("q", 0), ("p", 0)]
    assert identity_grounds([first], "kms:ListKeys", KEY) == ()
    assert identity_grounds([], "kms:Encrypt", KEY) == ()


def test_the_first_statement_whose_conditions_are_met_settles_it() -> None:
    secure = {"Bool": {"acs:SecureTransport": "true"}}
    made = policy({}, {"Effect": "Deny", "Condition": secure})
    found = identity_grounds([made], "kms:Encrypt", KEY)
    denied = decide(found, {"acs:SecureTransport": "true"})
    assert denied == Decision(Outcome.EXPLICIT_DENY, Ground(made, made.document[1]))
    assert not denied.allowed
    allowed = decide(found, {"acs:SecureTransport": "false"})
    assert allowed == Decision(Outcome.ALLOW, Ground(made, made.document[0]))
    assert allowed.allowed
    assert decide((), {}) is NOTHING
    assert decide(identity_grounds([policy({"Condition": secure})], "kms:Encrypt", KEY), {}) is NOTHING


def test_an_account_as_a_whole_is_asked_about_its_own_keys_only_by_a_deny() -> None:
    def found(made: Policy, account: str, who: str) -> list[int]:
        arn = f"acs:ram::{account}:{who}"
        grounds = key_grounds(made, "kms:Encrypt", KEY, OWNER, account, arn)
        return [one.statement.number for one in grounds]

    both = {"Principal": {"RAM": [f"acs:ram::{OWNER}:root", f"acs:ram::{OTHER}:*"]}}
    made = key_policy(both, {"Effect": "Deny", **both}, {}, {"Action": "kms:Decrypt"})
    assert found(made, OWNER, "user/alice") == [1, 2]
    assert found(made, OWNER, "user/bob") == [1]
    assert found(made, OTHER, "user/alice") == [1, 0]
    assert found(made, "1000000000000003", "user/alice") == []
    assert found(policy({}), OWNER, "user/alice") == []  # it names nobody: it is not the policy of a key


def test_decisions_of_both_are_combined() -> None:
    allow, deny = Decision(Outcome.ALLOW, None), Decision(Outcome.EXPLICIT_DENY, None)
    other = Decision(Outcome.ALLOW, None)
    for same in (True, False):
        assert combine(deny, allow, same_account=same) is deny
        assert combine(allow, deny, same_account=same) is deny
        assert combine(NOTHING, NOTHING, same_account=same) is NOTHING
    assert combine(allow, NOTHING, same_account=True) is allow
    assert combine(NOTHING, allow, same_account=True) is allow
    assert combine(allow, other, same_account=True) is allow
    assert combine(allow, NOTHING, same_account=False) is NOTHING
    assert combine(NOTHING, allow, same_account=False) is NOTHING
    assert combine(allow, other, same_account=False) is other


def test_the_root_user_has_every_right_in_its_own_account_and_none_by_itself_elsewhere() -> None:
    allow, deny = Decision(Outcome.ALLOW, None), Decision(Outcome.EXPLICIT_DENY, None)
    for of_key in (allow, deny, NOTHING):
        assert combine(ROOT, of_key, same_account=True) is ROOT
        assert combine(ROOT, of_key, same_account=False) is of_key


def test_a_statement_that_locks_out_the_owner_is_found() -> None:
    whole = {"Principal": {"RAM": f"acs:ram::{OWNER}:*"}}
    deny = {"Effect": "Deny", **whole}
    made = key_policy(whole, deny)
    assert lockout(made.document, OWNER) is made.document[1]
    assert lockout(made.document, OTHER) is None
    for harmless in (whole, {"Effect": "Deny"}, {**deny, "Action": "kms:Decrypt"}):
        assert lockout(key_policy(harmless).document, OWNER) is None
    under = {**deny, "Condition": {"NotIpAddress": {"acs:SourceIp": "192.0.2.0/24"}}}
    assert lockout(key_policy(under).document, OWNER) is None
    assert lockout(policy({"Effect": "Deny", "Action": "*"}).document, OWNER) is None


@pytest.mark.parametrize(
    ("statements", "wanted"),
    [
        ([], Prospect.NEVER),
        ([ALLOWS], Prospect.ALWAYS),
        ([ALLOWS_MAYBE], Prospect.CONDITIONALLY),
        ([ALLOWS_MAYBE, ALLOWS], Prospect.ALWAYS),
        ([DENIES], Prospect.NEVER),
        ([DENIES_MAYBE], Prospect.NEVER),
        ([ALLOWS, DENIES], Prospect.NEVER),
        ([ALLOWS, DENIES_MAYBE], Prospect.CONDITIONALLY),
        ([ALLOWS_MAYBE, DENIES_MAYBE], Prospect.CONDITIONALLY),
        ([ALLOWS, ALLOWS_MAYBE, DENIES_MAYBE, DENIES], Prospect.NEVER),
    ],
)
def test_what_is_to_be_expected_before_the_conditions_are_known(
    statements: list[Mapping[str, object]], wanted: Prospect
) -> None:
    grounds = identity_grounds([policy(*statements)] if statements else [], "kms:Encrypt", KEY)
    assert prospect(grounds) is wanted
    assert prospect(reversed(grounds)) is wanted
