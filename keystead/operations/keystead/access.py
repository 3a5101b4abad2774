"""Access: why a caller may do something or may not, and what it could do with a policy that is not attached yet."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from keystead.access.callers import Caller, CallerType
from keystead.access.decisions import Policy, PolicyType
from keystead.access.documents import identity_document
from keystead.access.explanation import Asker, Examined, Explanation
from keystead.api import questions
from keystead.api.access_keys import AccountId, account_of
from keystead.api.coerce import rule, text_up_to
from keystead.api.operation import Call, operation
from keystead.api.principals import Principals
from keystead.api.ram_types import PolicyDocument
from keystead.api.wire_types import Context, Param, Reply, Request
from keystead.domain.products import KEYSTEAD
from keystead.errors import AccountNotFound, InvalidParameter, UserNotFound
from keystead.forms import Form

RESOURCES = 10  # that one call may be about
_RESOURCE = Form(r"[A-Za-z0-9_.:/*@-]{1,512}", "an ARN, or the name of what is meant")


@rule(f"at most {RESOURCES} ids of keys, aliases, user/NAME, group/NAME, policy/NAME, or ARNs")
def _resources(name: str, text: str) -> tuple[str, ...]:
    try:
        found = msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        raise InvalidParameter(name=name) from None
    if len(found) > RESOURCES or not all(map(_RESOURCE.fits, found)):
        raise InvalidParameter(name=name)
    return found


Principal = Annotated[str, Param("String", text_up_to(256, "a user's name or ARN, or root"))]
Action = Annotated[str, Param("String", text_up_to(128, "an action, as kms:Encrypt"))]
Resources = Annotated[tuple[str, ...], Param("Array", _resources)]


class ShownCondition(Reply, frozen=True):
    operator: str
    key: str
    values: list[str]
    value: str | None = None  # what the request has; absent: it has no such key


class ShownConditions(Reply, frozen=True):
    condition: list[ShownCondition]


class ShownStatement(Reply, frozen=True):
    policy_type: str
    policy_name: str
    group_name: str  # through which the user has the policy; empty: it is its own
    number: int
    sid: str
    effect: str
    verdict: str
    unmet_conditions: ShownConditions


class ShownStatements(Reply, frozen=True):
    statement: list[ShownStatement]


class ShownNeed(Reply, frozen=True):
    action: str
    resource: str
    decision: str
    reason: str
    statements: ShownStatements


class ShownNeeds(Reply, frozen=True):
    need: list[ShownNeed]


class ExplainAccessReply(Reply, frozen=True):
    principal: str
    allowed: bool
    needs: ShownNeeds  # all of which a call must be allowed; none: everybody may


class ExplainAccessRequest(Request, frozen=True):
    user: Principal
    access_action: Action
    resource: Resources = ()
    context: Context = {}
    account_id: AccountId = ""


class SimulatePolicyRequest(Request, frozen=True):
    policy_document: PolicyDocument
    access_action: Action
    resource: Resources = ()
    user: Principal = ""
    context: Context = {}
    account_id: AccountId = ""


@operation(product=KEYSTEAD, of_accounts=True, errors=(UserNotFound,))
def explain_access(call: Call, request: ExplainAccessRequest) -> ExplainAccessReply:
    """Tell whether a user may do an action on resources, and all statements that matter to it."""
    account = _account(call, request.account_id)
    caller = _caller(call, request.user, account)
    return _explained(call, request, account, caller, [])


@operation(product=KEYSTEAD, of_accounts=True, errors=(UserNotFound,))
def simulate_policy(call: Call, request: SimulatePolicyRequest) -> ExplainAccessReply:
    """Tell what somebody who had a policy and no other, or a user who had it beside its own, might do."""
    account = _account(call, request.account_id)
    caller = _caller(call, request.user, account) if request.user else None
    more = Policy(PolicyType.CUSTOM, "PolicyDocument", identity_document(request.policy_document))
    return _explained(call, request, account, caller, [more])


def _account(call: Call, named: str) -> str:
    """The operator may ask about every account, all others about their own."""
    if call.caller.type is not CallerType.OPERATOR and named not in ("", call.account):
        raise AccountNotFound(name=named)
    return account_of(call, named)


def _caller(call: Call, text: str, account: str) -> Caller:
    if call.caller.type is not CallerType.OPERATOR and questions.account_in(text, account) != account:
        raise UserNotFound(name=text)
    try:
        return questions.find_caller(call.store, text, account)
    except ValueError:
        raise UserNotFound(name=text) from None


def _explained(
    call: Call,
    request: ExplainAccessRequest | SimulatePolicyRequest,
    account: str,
    caller: Caller | None,
    more: Sequence[Policy],
) -> ExplainAccessReply:
    try:
        action = questions.find_action(request.access_action)
    except ValueError:
        raise InvalidParameter(name="AccessAction") from None
    try:
        arns = [questions.as_arn(one, account, call.region) for one in request.resource]
        if call.caller.type is not CallerType.OPERATOR and any(arn.split(":")[3] != account for arn in arns):
            # Whether it exists, and its policy, are its owner's to see.
            raise InvalidParameter(name="Resource")
        needs = questions.needs_of(call.store, action, arns, account, call.region)
    except ValueError:
        raise InvalidParameter(name="Resource") from None
    try:
        questions.check_context(action.operation, request.context)
    except ValueError:
        raise InvalidParameter(name="Context") from None
    asker = Asker(account, "", more)
    if caller is not None:
        asker = questions.asker_of(Principals(call.store), caller, more)
    explanations = questions.explained(call.store, asker, needs, request.context, call.now)
    return shown(asker.arn, explanations)


def shown(principal: str, explanations: Iterable[Explanation]) -> ExplainAccessReply:
    """Explanations as they are answered."""
    needs = [
        ShownNeed(
            action=one.asked.action,
            resource=one.asked.resource,
            decision=one.decision.outcome,
            reason=one.reason,
            statements=ShownStatements(statement=[_statement(each) for each in one.statements]),
        )
        for one in explanations
    ]
    return ExplainAccessReply(
        principal=principal,
        allowed=all(one.decision == "Allow" for one in needs),
        needs=ShownNeeds(need=needs),
    )


def _statement(one: Examined) -> ShownStatement:
    policy, statement = one.ground
    return ShownStatement(
        policy_type=policy.type,
        policy_name=policy.name,
        group_name=policy.group,
        number=statement.number,
        sid=statement.sid,
        effect=statement.effect,
        verdict=one.verdict,
        unmet_conditions=ShownConditions(
            condition=[
                ShownCondition(
                    operator=unmet.condition.operator,
                    key=unmet.condition.key,
                    values=list(unmet.condition.values),
                    value=unmet.value,
                )
                for unmet in one.unmet
            ]
        ),
    )
