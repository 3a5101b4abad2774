"""Why a caller may do something, or may not: the statements that matter, how each of them fares, and what settles it.

The decision is that of `keystead.access.decisions`, by the same functions; here it comes with all that led to it.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from keystead.access.conditions import Condition, Context
from keystead.access.decisions import (
    NOTHING,
    ROOT,
    Decision,
    Ground,
    Grounds,
    Outcome,
    Policy,
    PolicyType,
    combine,
    decide,
    identity_grounds,
    key_grounds,
)


class Asker(NamedTuple):
    """Who asks: a principal of an account, and the policies of its identity; None: it is the root user, who needs none."""

    account: str
    arn: str
    policies: Sequence[Policy] | None


class Asked(NamedTuple):
    """What for: an action on a resource of the account `owner`; with the policy of the key if that is one and has one.
    `uses`: the action is to use a key."""

    action: str
    resource: str
    owner: str
    uses: bool = False
    key: Policy | None = None


class Verdict(enum.StrEnum):
    """How a statement fares."""

    APPLIES = "Applies"
    CONDITION = "ConditionNotMet"
    RESOURCE = "OtherResource"  # it is about the action, on other resources
    PRINCIPAL = "OtherPrincipal"  # of a key's policy: it is about the action, of others
    LEFT = (
        "LeftToAccount"  # of a key's policy: it lets the key's account say so, by the policies of its users
    )


class Unmet(NamedTuple):
    """A condition that is not met, and what the request has; None: it has no such key."""

    condition: Condition
    value: str | None

    def __str__(self) -> str:
        wanted = ", ".join(self.condition.values)
        has = "there is none" if self.value is None else f"it is {self.value}"
        return f"{self.condition.operator} {self.condition.key} {wanted}: {has}"


class Examined(NamedTuple):
    """A statement that is about the action, the policy that it stands in, and how it fares."""

    ground: Ground
    verdict: Verdict
    unmet: tuple[Unmet, ...] = ()

    @property
    def name(self) -> str:
        """What the statement is called: its number in its policy, and its Sid if it has one."""
        statement = self.ground.statement
        return f"Statement[{statement.number}]" + (f" ({statement.sid})" if statement.sid else "")


class Explanation(NamedTuple):
    """The decision about an action on a resource, the statements of all policies that are about the action, in their order,
    and in words what settled it."""

    asked: Asked
    decision: Decision
    statements: tuple[Examined, ...]
    reason: str


class Case(NamedTuple):
    """What of all policies has a say in whether somebody may do something, whatever the conditions."""

    asker: Asker
    asked: Asked
    identity: Grounds | None  # None: of the root user
    key: Grounds

    @property
    def conditional(self) -> bool:
        """Whether it depends on the condition keys of the request."""
        return any(ground.statement.conditions for ground in (*(self.identity or ()), *self.key))

    @property
    def same_account(self) -> bool:
        return self.asker.account == self.asked.owner

    def by_identity(self, context: Context) -> Decision:
        """What the policies of the identity say."""
        return ROOT if self.identity is None else decide(self.identity, context)

    def by_key(self, context: Context) -> Decision:
        """What the policy of the key says."""
        return decide(self.key, context)

    def decision(self, context: Context) -> Decision:
        """What they say together; what is of another account may be used, and not managed."""
        if not (self.same_account or self.asked.uses):
            return NOTHING
        return combine(self.by_identity(context), self.by_key(context), same_account=self.same_account)


def case_of(asker: Asker, asked: Asked) -> Case:
    """Find what has a say in it."""
    identity = None
    if asker.policies is not None:
        identity = identity_grounds(asker.policies, asked.action, asked.resource)
    key: Grounds = ()
    if asked.key is not None:
        about = (asked.action, asked.resource, asked.owner, asker.account, asker.arn)
        key = key_grounds(asked.key, *about)
    return Case(asker, asked, identity, key)


def explain(asker: Asker, asked: Asked, context: Context) -> Explanation:
    """Decide, and tell all that led to it."""
    case = case_of(asker, asked)
    statements = [
        one
        for policy in asker.policies or ()
        for statement in policy.document
        if (one := _examined(Ground(policy, statement), asked, context)) is not None
    ]
    if asked.key is not None:
        statements += [
            one
            for statement in asked.key.document
            if (one := _examined_of_key(Ground(asked.key, statement), asker, asked, context)) is not None
        ]
    return Explanation(asked, case.decision(context), tuple(statements), reason(case, context))


def _examined(ground: Ground, asked: Asked, context: Context) -> Examined | None:
    statement = ground.statement
    if statement.actions.match(asked.action) is statement.other_actions:
        return None
    if not statement.about(asked.action, asked.resource):
        return Examined(ground, Verdict.RESOURCE)
    return _tried(ground, context)


def _examined_of_key(ground: Ground, asker: Asker, asked: Asked, context: Context) -> Examined | None:
    statement = ground.statement
    if not statement.about(asked.action, asked.resource):
        return None
    alone = Policy(PolicyType.KEY, ground.policy.name, (statement,))
    if key_grounds(alone, asked.action, asked.resource, asked.owner, asker.account, asker.arn):
        return _tried(ground, context)
    principals = statement.principals
    whole = principals is not None and principals.has_account(asker.account)
    return Examined(ground, Verdict.LEFT if whole else Verdict.PRINCIPAL)


def _tried(ground: Ground, context: Context) -> Examined:
    unmet = tuple(
        Unmet(one, context.get(one.key)) for one in ground.statement.conditions if not one.met(context)
    )
    return Examined(ground, Verdict.CONDITION if unmet else Verdict.APPLIES, unmet)


def reason(case: Case, context: Context) -> str:
    """What settles it, in words."""
    decision, identity, of_key = case.decision(context), case.by_identity(context), case.by_key(context)
    same = case.same_account
    if not (same or case.asked.uses):
        return "it is of another account, and what is of another account can't be managed"
    if decision is ROOT:
        return "the account's root user needs no policy for what is the account's own"
    if decision.outcome is Outcome.EXPLICIT_DENY:
        return f"{_told(decision)} denies it, and a deny wins over every allow"
    if not same and not of_key.allowed:
        return (
            "the key is of another account, and its policy does not let this caller in: the answer is that of a key "
            "that does not exist"
        )
    if not same and not identity.allowed:
        return "the key's policy lets this caller in, but no statement of the caller's own policies allows it"
    if not same:
        whose = "the caller is its account's root user" if identity is ROOT else f"{_told(identity)} does"
        return f"the key is of another account: its policy allows it, and {whose}"
    if decision.allowed:
        return f"{_told(decision)} allows it, and nothing denies it"
    return "no statement that applies allows it"


def _told(decision: Decision) -> str:
    ground = decision.ground
    assert ground is not None  # only the root user's decision has none
    return f"{Examined(ground, Verdict.APPLIES).name} of {policy_named(ground.policy)}"


def policy_named(policy: Policy) -> str:
    """The policy, in a sentence."""
    return "the policy of the key" if policy.type is PolicyType.KEY else f"the policy {policy.name}"
