"""Explanations. That they decide as the evaluation does is shown by its own table, in tests/vectors."""

import pytest

from keystead.access.decisions import Outcome, Policy, PolicyType
from keystead.access.documents import key_document
from keystead.access.explanation import (
    Asked,
    Asker,
    Examined,
    Explanation,
    Verdict,
    case_of,
    explain,
)
from keystead.domain.policies import of_everybody
from tests.properties.test_policy_evaluation import ROWS, compiled, compiled_of_key, of_row
from tests.properties.test_policy_evaluation import decided as evaluated
from tests.unit.access.test_decisions import ALICE, KEY, OTHER, OWNER, key_policy, policy

ACTION = "kms:Encrypt"


def explained(
    *policies: Policy, key: Policy | None = None, root: bool = False, account: str = OWNER, **context: str
) -> Explanation:
    asker = Asker(account, ALICE.replace(OWNER, account), None if root else policies)
    given = {name.replace("_", ":", 1): value for name, value in context.items()}
    return explain(asker, Asked(ACTION, KEY, OWNER, uses=True, key=key), given)


def verdicts(found: Explanation) -> list[tuple[str, int, Verdict]]:
    return [(one.ground.policy.name, one.ground.statement.number, one.verdict) for one in found.statements]


@pytest.mark.parametrize("row", ROWS)
def test_it_decides_as_the_evaluation_does(row: dict[str, object]) -> None:
    policies, key_text, question = of_row(row)
    key, own = compiled_of_key(key_text), compiled(policies)
    asker = Asker(question.account, question.who, None if question.by_root else own)
    asked = Asked(question.action, question.resource, question.owner, uses=True, key=key)
    found = explain(asker, asked, question.context)
    assert found.decision == case_of(asker, asked).decision(question.context)
    if not case_of(asker, asked).conditional:
        assert case_of(asker, asked).decision({}) == found.decision
    assert found.decision.outcome.value == evaluated(own, key, question).outcome
    if found.decision.ground is not None:
        assert Examined(found.decision.ground, Verdict.APPLIES) in found.statements
    # What is not met does not apply, and what applies has nothing that is not met.
    for one in found.statements:
        assert bool(one.unmet) is (one.verdict is Verdict.CONDITION)
        assert all(not unmet.condition.met(question.context) for unmet in one.unmet)


def test_every_statement_about_the_action_is_told_and_how_it_fares() -> None:
    office = {"Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}}
    found = explained(
        policy({}, office, {"Resource": f"{KEY}2"}, {"Action": "kms:Decrypt"}),
        policy({"Effect": "Deny", "Resource": f"{KEY}3"}, name="q"),
        acs_SourceIp="198.51.100.7",
    )
    assert verdicts(found) == [
        ("p", 0, Verdict.APPLIES),
        ("p", 1, Verdict.CONDITION),
        ("p", 2, Verdict.RESOURCE),
        ("q", 0, Verdict.RESOURCE),
    ]
    assert found.reason == "Statement[0] of the policy p allows it, and nothing denies it"
    (unmet,) = found.statements[1].unmet
    assert str(unmet) == "IpAddress acs:SourceIp 192.0.2.0/24: it is 198.51.100.7"


def test_only_the_conditions_that_are_not_met_are_told() -> None:
    both = {
        "Condition": {
            "Bool": {"acs:SecureTransport": "true"},
            "IpAddress": {"acs:SourceIp": ["192.0.2.0/24", "192.0.3.0/24"]},
        }
    }
    found = explained(policy(both), acs_SecureTransport="true")
    assert [str(one) for one in found.statements[0].unmet] == [
        "IpAddress acs:SourceIp 192.0.2.0/24, 192.0.3.0/24: there is none"
    ]
    assert found.reason == "no statement that applies allows it"
    assert not found.decision.allowed


def test_a_deny_and_the_root_user() -> None:
    found = explained(policy({}), policy({"Effect": "Deny"}, name="never"))
    assert found.reason == "Statement[0] of the policy never denies it, and a deny wins over every allow"
    assert found.decision.outcome is Outcome.EXPLICIT_DENY
    found = explained(root=True)
    assert (found.decision.allowed, found.statements) == (True, ())
    assert found.reason == "the account's root user needs no policy for what is the account's own"


def test_the_statements_of_a_key_s_policy() -> None:
    key = key_policy(
        {"Sid": "alice may", "Principal": {"RAM": ALICE}},
        {"Principal": {"RAM": f"acs:ram::{OWNER}:user/bob"}},
        {"Action": "kms:Decrypt"},
        {"Condition": {"Bool": {"acs:MFAPresent": "true"}}},
    )
    found = explained(key=key)
    assert verdicts(found) == [
        ("default", 0, Verdict.APPLIES),
        ("default", 1, Verdict.PRINCIPAL),
        ("default", 3, Verdict.CONDITION),
    ]
    assert (
        found.reason == "Statement[0] (alice may) of the policy of the key allows it, and nothing denies it"
    )
    left = Policy(PolicyType.KEY, "default", key_document(of_everybody(OWNER)))
    assert verdicts(explained(key=left)) == [("default", 0, Verdict.LEFT)]
    assert not explained(key=left).decision.allowed


def test_a_key_of_another_account() -> None:
    stranger = ALICE.replace(OWNER, OTHER)
    lets_in = key_policy({"Principal": {"RAM": stranger}})
    found = explained(policy({}), account=OTHER)
    assert "its policy does not let this caller in" in found.reason
    found = explained(policy({}), key=key_policy({}), account=OTHER)
    assert "its policy does not let this caller in" in found.reason
    found = explained(key=lets_in, account=OTHER)
    assert found.reason.endswith("but no statement of the caller's own policies allows it")
    assert not found.decision.allowed
    found = explained(policy({}), key=lets_in, account=OTHER)
    assert found.decision.allowed
    assert found.reason == (
        "the key is of another account: its policy allows it, and Statement[0] of the policy p does"
    )
    found = explained(
        key=key_policy({"Principal": {"RAM": f"acs:ram::{OTHER}:root"}}), root=True, account=OTHER
    )
    assert found.decision.allowed
    assert found.reason.endswith("and the caller is its account's root user")
    asker = Asker(OTHER, stranger, (policy({"Action": "*"}),))
    managed = explain(asker, Asked("kms:DisableKey", KEY, OWNER, key=lets_in), {})
    assert not managed.decision.allowed
    assert managed.reason == "it is of another account, and what is of another account can't be managed"
