"""May this caller do this? The evaluation of policies, as the vendor's manual tells it.

1. Of the statements that are about the request and whose conditions it meets, one that denies settles it: ExplicitDeny. Else
   one that allows does: Allow. Else it is denied all the same: ImplicitDeny.
2. That is asked of the policies of the caller's identity, and of the policy of the key.
3. Within an account one allow of either is enough, and an explicit deny of either wins. On a key of another account both
   must allow. The account's root user needs no policy for what is the account's own.

All of this is about values: it knows nothing of requests on the wire nor of where policies are kept.

Source: the vendor's pages "Policy evaluation process" and, for keys, "Overview of key policies".
"""

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keystead.access.conditions import Context
from keystead.access.documents import Document, Effect, Statement


class PolicyType(enum.StrEnum):
    """Where a policy comes from, spelled as the vendor's Ram does, with one of our own for the policy of a key."""

    SYSTEM = "System"
    CUSTOM = "Custom"
    KEY = "Key"


class Policy(NamedTuple):
    """A policy that has a say: its name, and the group through which its user has it, if so."""

    type: PolicyType
    name: str
    document: Document
    group: str = ""


class Ground(NamedTuple):
    """A statement that is about a request, if its conditions are met, and the policy that it stands in."""

    policy: Policy
    statement: Statement


class Outcome(enum.StrEnum):
    """What policies say of a request, spelled as the vendor's NoPermissionType and Decision are."""

    ALLOW = "Allow"
    EXPLICIT_DENY = "ExplicitDeny"
    IMPLICIT_DENY = "ImplicitDeny"


class Decision(NamedTuple):
    """The outcome, and the statement that settled it; None: there was none, or the caller needs none."""

    outcome: Outcome
    ground: Ground | None = None

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW


Grounds = tuple[Ground, ...]  # those that deny first


class Prospect(enum.StrEnum):
    """What policies say of requests whose conditions are not known."""

    ALWAYS = "Always"
    CONDITIONALLY = "Conditionally"
    NEVER = "Never"


ROOT = Decision(Outcome.ALLOW)  # what the policies of the root user would say
NOTHING = Decision(Outcome.IMPLICIT_DENY)


def identity_grounds(policies: Iterable[Policy], action: str, resource: str) -> Grounds:
    """The statements of an identity's policies that are about an action on a resource."""
    return _denials_first(
        [
            Ground(policy, statement)
            for policy in policies
            for statement in policy.document
            if statement.about(action, resource)
        ]
    )


def key_grounds(policy: Policy, action: str, resource: str, owner: str, account: str, arn: str) -> Grounds:
    """The statements of the policy of a key of the account `owner` that are about an action of a principal of `account`.

    In the owner's own account an allow that names the account as a whole leaves it to the policies of its identities.
    """
    found = []
    for statement in policy.document:
        principals = statement.principals
        if principals is None or not statement.about(action, resource):
            continue
        whole = principals.has_account(account) and (statement.effect is Effect.DENY or account != owner)
        if whole or principals.has_name(arn):
            found.append(Ground(policy, statement))
    return _denials_first(found)


def lockout(document: Document, owner: str) -> Statement | None:
    """The statement of a key's policy that would keep the account that owns the key from ever setting another one: a deny
    without conditions. None if there is none."""
    for statement in document:
        denies = statement.effect is Effect.DENY and not statement.conditions
        principals = statement.principals
        whole = principals is not None and principals.has_account(owner)
        if denies and whole and statement.about("kms:SetKeyPolicy", ""):
            return statement
    return None


def decide(grounds: Grounds, context: Context, assumed: str = "") -> Decision:
    """The basic evaluation: of the statements about a request, those whose conditions it meets; of those that allow, the
    conditions on keys that begin with `assumed` are taken to be met."""
    for ground in grounds:
        allows = ground.statement.effect is Effect.ALLOW
        if ground.statement.met(context, assumed if allows else ""):
            return Decision(Outcome.ALLOW if allows else Outcome.EXPLICIT_DENY, ground)
    return NOTHING


def prospect(grounds: Iterable[Ground]) -> Prospect:
    """What these statements come to for the requests that they are about, under whatever conditions; of whichever policies,
    where one allow of any is enough."""
    allowed = doubtful = possible = False
    for ground in grounds:
        denies, conditional = ground.statement.effect is Effect.DENY, bool(ground.statement.conditions)
        if denies and not conditional:
            return Prospect.NEVER
        if denies:
            doubtful = True
        elif conditional:
            possible = True
        else:
            allowed = True
    if allowed and not doubtful:
        return Prospect.ALWAYS
    return Prospect.CONDITIONALLY if allowed or possible else Prospect.NEVER


def combine(identity: Decision, key: Decision, *, same_account: bool) -> Decision:
    """The decision of both, on what is of the caller's account or of another's. For what has no policy of its own `key` is
    NOTHING."""
    if identity is ROOT and same_account:
        return ROOT
    for one in (identity, key):
        if one.outcome is Outcome.EXPLICIT_DENY:
            return one
    if same_account:
        return identity if identity.allowed else key
    return key if identity.allowed else identity


def _denials_first(found: Sequence[Ground]) -> Grounds:
    return tuple(sorted(found, key=lambda ground: ground.statement.effect is Effect.ALLOW))
