"""Policies: what the table says, and what a second evaluation of generated questions says, is what the service decides.

The table's rows are written from the vendor's pages: each has its policies and a request, the answer, the statement that
settles it, and why.
"""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keystead.access import conditions, decisions, documents, patterns
from keystead.access.documents import identity_document, key_document
from keystead.access.system_policies import SYSTEM_POLICIES
from tests.properties.plain_policies import Answer, Members, Policy, Question, answer

CASES = 200_000 if os.environ.get("KEYSTEAD_EVIDENCE") else 20_000
PLANTED = 4_000  # of which a mistake is to be found in some
REQUESTS = 20  # about each set of policies
OURS, OTHER = "1000000000000001", "1000000000000002"
ROWS: list[Members] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "policies.jsonl").read_text("utf-8").splitlines()
]


def decided(policies: list[decisions.Policy], key_policy: decisions.Policy | None, asked: Question) -> Answer:
    """What the service decides."""
    identity, key = decisions.ROOT, decisions.NOTHING
    if not asked.by_root:
        found = decisions.identity_grounds(policies, asked.action, asked.resource)
        identity = decisions.decide(found, asked.context)
    if key_policy is not None:
        about = (asked.action, asked.resource, asked.owner, asked.account, asked.who)
        key = decisions.decide(decisions.key_grounds(key_policy, *about), asked.context)
    settled = decisions.combine(identity, key, same_account=asked.account == asked.owner)
    if settled.ground is None:
        return Answer(settled.outcome.value)
    policy, statement = settled.ground
    place = f"{policy.type.value} {policy.name}" + (f" of {policy.group}" if policy.group else "")
    return Answer(settled.outcome.value, f"{place}[{statement.number}]")


def compiled(policies: list[Policy]) -> list[decisions.Policy]:
    return [
        decisions.Policy(
            decisions.PolicyType(one.type), one.name, identity_document(json.dumps(one.document)), one.group
        )
        for one in policies
    ]


def compiled_of_key(document: Members | None) -> decisions.Policy | None:
    if document is None:
        return None
    return decisions.Policy(decisions.PolicyType.KEY, "default", key_document(json.dumps(document)))


# --- the table


def of_row(row: Members) -> tuple[list[Policy], Members | None, Question]:
    """The policies, the key's policy and the question of a row, whose defaults are those of a user on a key of its account."""

    def document(statements: Any) -> Members:
        return {"Version": "1", "Statement": statements}

    policies = []
    for one in row.get("policies", []):
        system = SYSTEM_POLICIES.get(one["name"]) if "statements" not in one else None
        text = document(one["statements"]) if system is None else json.loads(system.text)
        kind = "Custom" if system is None else "System"
        policies.append(Policy(one["name"], text, kind, one.get("group", "")))
    account = row.get("account", OURS)
    asked = Question(
        who=f"acs:ram::{account}:{row.get('who', 'user/alice')}",
        account=account,
        action=row.get("action", "kms:Encrypt"),
        resource=row.get("resource", f"acs:kms:cn-hangzhou:{OURS}:key/k-1"),
        owner=OURS,
        context=row.get("context", {}),
    )
    return policies, document(row["key"]) if "key" in row else None, asked


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["why"])
def test_the_table(row: Members) -> None:
    policies, key_policy, asked = of_row(row)
    expected = Answer(row["answer"], row.get("by", ""))
    assert decided(compiled(policies), compiled_of_key(key_policy), asked) == expected
    assert answer(policies, key_policy, asked) == expected


def test_the_table_has_every_operator_met_not_met_absent_and_unreadable() -> None:
    assert len(ROWS) >= 400
    assert len({row["why"] for row in ROWS}) == len(ROWS)
    seen: dict[str, set[tuple[bool, bool]]] = {}
    for row in ROWS:
        policies, key_policy, asked = of_row(row)
        documents_ = [policy.document for policy in policies] + ([key_policy] if key_policy else [])
        for statement in (one for document in documents_ for one in document["Statement"]):
            for operator, keys in statement.get("Condition", {}).items():
                allowed = row["answer"] == "Allow"
                present = all(key in asked.context for key in keys)
                seen.setdefault(operator, set()).add((allowed, present))
    assert set(seen) == set(conditions.OPERATORS)
    for operator, found in seen.items():
        assert found >= {(True, True), (False, True), (False, False)}, operator
    assert {row["answer"] for row in ROWS} == {"Allow", "ExplicitDeny", "ImplicitDeny"}


# --- generated questions

ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:GetKeyPolicy"]
ACTION_PATTERNS = [
    "*", "kms:*", "kms:Encrypt", "KMS:encrypt", "kms:*crypt", "kms:?ncrypt", "kms:De*", "kms:D?crypt", "kms:*e*y*",
    "kms:Encryp", "kms:*?crypt", "kms:Decrypt?",
]  # fmt: skip
RESOURCES = [
    f"acs:kms:cn-hangzhou:{OURS}:key/abab", f"acs:kms:cn-hangzhou:{OURS}:key/abb",
    f"acs:kms:cn-beijing:{OURS}:alias/a/b", f"acs:kms:cn-beijing:{OURS}:key",
]  # fmt: skip
ROOTS_AND_USERS = [
    (OURS, "user/alice"),
    (OURS, "user/bob"),
    (OURS, "root"),
    (OTHER, "user/alice"),
    (OTHER, "root"),
]
PRINCIPALS = [
    f"acs:ram::{account}:{who}"
    for account in (OURS, OTHER, "*", "100000000000000?")
    for who in ("root", "*", "user/alice", "user/*", "user/b?b", "role/alice")
]
# By type: values of conditions; values of requests, with some that no such operator can read.
WORDS = ["", "a", "A", "ab", "abab", "aab", "b"]
NUMBERS = ["0", "-1", "1.50", "1.5", "+2", "10", "9007199254740993", "9007199254740992"]
TIMES = [
    "2026-11-28T08:00:00Z", "2026-11-28T16:00:00+08:00", "2026-11-28T08:00:01Z", "2025-02-28T23:59:59-01:00",
    "2024-02-29T00:00:00Z",
]  # fmt: skip
ADDRESSES = [
    "192.0.2.1", "192.0.2.77", "198.51.100.1", "2001:db8::1", "2001:DB8:0::1", "2001:db9::", "::ffff:192.0.2.1", "::1",
]  # fmt: skip
NETWORKS = [
    *ADDRESSES, "192.0.2.0/24", "192.0.2.9/25", "0.0.0.0/0", "2001:db8::/32", "::/0", "::ffff:192.0.2.0/121",
]  # fmt: skip
KEYS = {
    "String": [("kms:tag/t", WORDS), ("kms:EncryptionContext/c", WORDS), ("ecs:tag/t", WORDS)],
    "Number": [("kms:tag/n", [*NUMBERS, "many", ""]), ("kms:EncryptionContext/n", NUMBERS)],
    "Date": [("acs:CurrentTime", TIMES), ("kms:tag/d", [*TIMES, "2026-02-29T00:00:00Z", "today"])],
    "Boolean": [("acs:SecureTransport", ["true", "false"]), ("acs:MFAPresent", ["false"]), ("kms:tag/b", ["TRUE", "1"])],
    "IP address": [("acs:SourceIp", ADDRESSES), ("acs:VpcSourceIp", []), ("kms:tag/net", ["192.0.2.1", "here", ""])],
}  # fmt: skip
VALUES = {"Number": NUMBERS, "Date": TIMES, "Boolean": ["true", "false", "False"], "IP address": NETWORKS}


class Made:
    """Documents and questions, drawn by chance from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, choices: list[str], most: int = 3) -> str | list[str]:
        found = self.random.sample(choices, self.random.randint(1, most))
        return found[0] if len(found) == 1 and self.random.random() < 0.5 else found

    def wild(self) -> str:
        return "".join(self.random.choice("ab*?") for _ in range(self.random.randint(0, 6)))

    def resource(self) -> str:
        if self.random.random() < 0.2:
            return "*"
        *first, last = self.random.choice(RESOURCES).split(":")
        for number in range(2, len(first)):
            if self.random.random() < 0.5:
                first[number] = self.random.choice(["*", first[number][:-1] + "?"])
        for _ in range(self.random.randint(0, 2)):
            begin, end = sorted(self.random.choices(range(len(last) + 1), k=2))
            last = last[:begin] + self.random.choice(["*", "?", "?" * (end - begin)]) + last[end:]
        return ":".join([*first, last or "*"])

    def condition(self) -> Members:
        block: Members = {}
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])):
            operator = self.random.choice(list(conditions.OPERATORS))
            kind = conditions.OPERATORS[operator].kind
            values = VALUES.get(kind, WORDS)
            if operator.endswith("Like"):
                values = [self.wild() for _ in range(3)]
            key, _ = self.random.choice(KEYS[kind])
            block.setdefault(operator, {})[key] = self.some(values, 2)
        return block

    def statement(self, *, of_key: bool = False) -> Members:
        chance = self.random.random
        statement: Members = {
            "Effect": "Deny" if chance() < 0.3 else "Allow",
            "NotAction" if chance() < 0.3 else "Action": self.some(ACTION_PATTERNS),
        }
        if of_key:
            statement |= {"Principal": {"RAM": self.some(PRINCIPALS)}, "Resource": ["*"]}
        else:
            named = [self.resource() for _ in range(3)]
            statement["NotResource" if chance() < 0.3 else "Resource"] = self.some(named)
        block = self.condition()
        return {**statement, "Condition": block} if block or chance() < 0.1 else statement

    def document(self, *, of_key: bool = False) -> Members:
        return {
            "Version": "1",
            "Statement": [self.statement(of_key=of_key) for _ in range(self.random.randint(1, 3))],
        }

    def policies(self) -> tuple[list[Policy], Members | None]:
        policies = [
            Policy(f"p{number}", self.document(), group=self.random.choice(["", "g"]))
            for number in range(self.random.randint(0, 3))
        ]
        return policies, self.document(of_key=True) if self.random.random() < 0.6 else None

    def question(self) -> Question:
        account, who = self.random.choice(ROOTS_AND_USERS)
        context = {}
        for key, values in (one for several in KEYS.values() for one in several):
            if values and self.random.random() < 0.8:
                context[key] = self.random.choice(values)
        action, resource = self.random.choice(ACTIONS), self.random.choice(RESOURCES)
        return Question(f"acs:ram::{account}:{who}", account, action, resource, OURS, context)


def disagreements(cases: int, seed: int) -> Iterator[tuple[Members, Answer, Answer]]:
    """Of generated questions those that both evaluations answer differently."""
    made = Made(seed)
    for _ in range(cases // REQUESTS):
        policies, key_policy = made.policies()
        ours, key = compiled(policies), compiled_of_key(key_policy)
        for _ in range(REQUESTS):
            asked = made.question()
            found, expected = decided(ours, key, asked), answer(policies, key_policy, asked)
            OUTCOMES[expected.outcome] = OUTCOMES.get(expected.outcome, 0) + 1
            if found != expected:
                yield {"policies": policies, "key": key_policy, "asked": asked}, found, expected


OUTCOMES: dict[str, int] = {}


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(4))
def test_both_evaluations_agree(part: int) -> None:
    OUTCOMES.clear()
    assert next(disagreements(CASES // 4, part), None) is None
    # The questions are such that each answer is given often.
    assert sum(OUTCOMES.values()) == CASES // 4
    assert min(OUTCOMES[one] for one in ("Allow", "ExplicitDeny", "ImplicitDeny")) >= CASES // 40


# --- planted mistakes


def allow_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "_denials_first", tuple)


def not_action_is_action(monkeypatch: pytest.MonkeyPatch) -> None:
    about = documents.Statement.about
    monkeypatch.setattr(
        documents.Statement, "about", lambda self, *asked: about(self._replace(other_actions=False), *asked)
    )


def not_resource_is_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    about = documents.Statement.about
    monkeypatch.setattr(
        documents.Statement, "about", lambda self, *asked: about(self._replace(other_resources=False), *asked)
    )


def a_star_needs_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = patterns._matches
    monkeypatch.setattr(
        patterns,
        "_matches",
        lambda parts, text: matches([*(f"{part}?" for part in parts[:-1]), parts[-1]], text),
    )


def a_question_mark_may_be_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = patterns._matches
    monkeypatch.setattr(
        patterns,
        "_matches",
        lambda parts, text: matches(parts, text) or matches([part.replace("?", "") for part in parts], text),
    )


def a_part_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        patterns, "_behind", lambda part, text, begin: max(begin, text.find(part) + len(part))
    )


def one_condition_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def met(self: documents.Statement, context: conditions.Context, assumed: str = "") -> bool:
        return not self.conditions or any(one.met(context) for one in self.conditions)

    monkeypatch.setattr(documents.Statement, "met", met)


def an_absent_key_meets_a_negative_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    met = conditions.Condition.met

    def always(self: conditions.Condition, context: conditions.Context) -> bool:
        return met(self, context) or (self.negative and self.key not in context)

    monkeypatch.setattr(conditions.Condition, "met", always)


def the_account_as_a_whole_is_each_user(monkeypatch: pytest.MonkeyPatch) -> None:
    grounds = decisions.key_grounds

    def mistaken(
        policy: decisions.Policy, action: str, resource: str, owner: str, account: str, arn: str
    ) -> decisions.Grounds:
        return grounds(policy, action, resource, "", account, arn)

    monkeypatch.setattr(decisions, "key_grounds", mistaken)


def one_of_both_is_enough_for_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    combine = decisions.combine
    monkeypatch.setattr(
        decisions, "combine", lambda identity, key, **_: combine(identity, key, same_account=True)
    )


MISTAKES = [
    allow_wins,
    not_action_is_action,
    not_resource_is_resource,
    a_star_needs_a_letter,
    a_question_mark_may_be_nothing,
    a_part_may_be_anywhere,
    one_condition_is_enough,
    an_absent_key_meets_a_negative_condition,
    the_account_as_a_whole_is_each_user,
    one_of_both_is_enough_for_a_stranger,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_is_found(mistake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake(monkeypatch)
    assert next(disagreements(PLANTED, 99), None) is not None

    def wrong(row: Members) -> bool:
        policies, key_policy, asked = of_row(row)
        found = decided(compiled(policies), compiled_of_key(key_policy), asked)
        return found != Answer(row["answer"], row.get("by", ""))

    assert any(map(wrong, ROWS))
