"""Whether a caller may do what a call needs: who it is, which policies have a say, and the refusal that says why not."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from keystead.access import conditions
from keystead.access.callers import Caller, CallerType
from keystead.access.decisions import (
    NOTHING,
    ROOT,
    Decision,
    Grounds,
    Outcome,
    Policy,
    PolicyType,
    combine,
    decide,
    key_grounds,
)
from keystead.api.catalogue import Operation
from keystead.api.http.message import Channel
from keystead.api.http.receive import Received
from keystead.api.needs import Need
from keystead.api.principals import Principals, compiled_of_key
from keystead.api.wire_types import Request
from keystead.clock import iso8601
from keystead.domain.accounts import AccessKey, AccessKeyStatus, AccountStatus
from keystead.domain.arns import ram_arn
from keystead.domain.products import RAM
from keystead.errors import AccessKeyNotFound, NoPermission, RamNoPermission
from keystead.store.ports import Holdings, Store

# The condition keys of a request, as to one of the things that it needs.
Context = Callable[[Need], conditions.Context]

_PRINCIPAL_TYPES = {CallerType.ROOT: "Account", CallerType.RAM_USER: "SubUser"}


@lru_cache(4096)
def _grounds_of_key(text: str, action: str, resource: str, owner: str, account: str, arn: str) -> Grounds:
    policy = Policy(PolicyType.KEY, "default", compiled_of_key(text))
    return key_grounds(policy, action, resource, owner, account, arn)


class Authorizer:
    """Decides for the callers of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.principals = Principals(store)

    def caller(self, access_key: AccessKey) -> Caller:
        """Whoever signs with an AccessKey."""
        if not access_key.user_id:
            return Caller(
                account=access_key.account,
                type=CallerType.ROOT,
                principal=access_key.account,
                access_key_id=access_key.access_key_id,
            )
        user = self.principals.user(access_key.account, access_key.user_id)
        if user is None:
            raise AccessKeyNotFound
        return Caller(
            account=access_key.account,
            type=CallerType.RAM_USER,
            principal=user.user_id,
            access_key_id=access_key.access_key_id,
            session=user.name,
        )

    def active(self, access_key: AccessKey) -> bool:
        """Whether calls that are signed with it are admitted."""
        account = self._store.accounts.get(access_key.account)
        active = account is not None and account.status is AccountStatus.ACTIVE
        return active and access_key.status is AccessKeyStatus.ACTIVE

    def decide(self, caller: Caller, need: Need, context: Context, assumed: str = "") -> Decision:
        """What the policies say of one need; `assumed` as `access.decisions.decide` has it."""
        identity, same = ROOT, need.owner == caller.account
        if caller.type is CallerType.RAM_USER:
            about = (caller.account, caller.principal, need.action, need.resource)
            identity = _decide(self.principals.grounds(*about), need, context, assumed)
        return combine(identity, self.of_key(caller, need, context, assumed), same_account=same)

    def may(self, caller: Caller, need: Need, context: Context) -> bool:
        """Whether calls of this kind may be allowed, by a request that is no such call: an encryption context that is asked
        for is taken to be given, and one that is forbidden not to be."""
        return self.decide(caller, need, context, conditions.ENCRYPTION_CONTEXT).allowed

    def of_key(self, caller: Caller, need: Need, context: Context, assumed: str = "") -> Decision:
        """What the key's policy alone says. One that was never set leaves it to the policies of the account."""
        key = need.key
        if key is None or not key.policy:
            return NOTHING
        about = (need.action, need.resource, need.owner, caller.account, caller.arn)
        return _decide(_grounds_of_key(key.policy, *about), need, context, assumed)

    def authorize(
        self, caller: Caller, operation: Operation, needs: list[Need], context: Context, console: bool
    ) -> None:
        """Return if the caller may do all of it, else raise NoPermission, which says what settled it.

        What is the operator's alone is so with what it needs; the console's product is for those who come by the `console`.
        What is the caller's `own` needs no policy there that allows it, but none may deny it.
        """
        barred = operation.product.for_console_only and not console
        if barred or (operation.for_operator_only and caller.type is not CallerType.OPERATOR):
            raise NoPermission(about="", detail=None)
        if operation.for_operator_only:
            return
        own = operation.own and console
        mine = {ram_arn(caller.account, kind, caller.session) for kind in ("user", "mfa")} if own else ()
        for need in needs:
            decision = self.decide(caller, need, context)
            if need.resource in mine and decision.outcome is not Outcome.EXPLICIT_DENY:
                continue
            if not decision.allowed:
                refusal = RamNoPermission if operation.product == RAM else NoPermission
                raise refusal(about=_about(need, decision), detail=_detail(caller, need, decision))


def request_context(
    store: Store, asked: Received, request: Request | None, now: float, mfa: bool, need: Need
) -> conditions.Context:
    """The condition keys that a request has. What it says of itself in a parameter counts for nothing.

    The tags of a key are for what uses it, as with the vendor; the encryption context is that under which the key is used.
    """
    bound_to = getattr(request, encryption_context_of(need), {})
    source = asked.source if asked.channel is not Channel.CONTROL else ""
    return condition_keys(store, need, now, tls=bool(asked.tls), mfa=mfa, source=source, bound_to=bound_to)


def encryption_context_of(need: Need) -> str:
    """The attribute of a request that has the encryption context under which the key is used."""
    prefix = (
        "source_" if need.action.endswith("From") else "destination_" if need.action.endswith("To") else ""
    )
    return f"{prefix}encryption_context"


def condition_keys(
    store: Holdings,
    need: Need,
    now: float,
    *,
    tls: bool,
    source: str,
    bound_to: Mapping[str, str],
    mfa: bool = False,
) -> conditions.Context:
    """The condition keys of a call at this time, as to one of the things that it needs. `source` is the peer's address, ""
    if it has none; `bound_to` the encryption context under which the key is used; `mfa`: it comes by a session that was
    begun with a code."""
    found = {
        conditions.CURRENT_TIME: iso8601(now),
        conditions.SECURE_TRANSPORT: "true" if tls else "false",
        conditions.MFA_PRESENT: "true" if mfa else "false",
    }
    if source:
        found[conditions.SOURCE_IP] = source
    if need.key is not None and need.uses:
        tags = store.keys.tags(*need.key.place)
        found |= {f"{conditions.TAG}{name}": value for name, value in tags.items()}
    return found | {f"{conditions.ENCRYPTION_CONTEXT}{name}": value for name, value in bound_to.items()}


def _decide(grounds: Grounds, need: Need, context: Context, assumed: str) -> Decision:
    if not grounds:
        return NOTHING
    asked = any(ground.statement.conditions for ground in grounds)
    return decide(grounds, context(need) if asked else {}, assumed)


def _about(need: Need, decision: Decision) -> str:
    if decision.ground is None:
        why = "no policy allows"
    else:
        policy = decision.ground.policy
        name = "the policy of the key" if policy.type is PolicyType.KEY else f"the policy {policy.name}"
        why = f"{name} denies"
    return f" It needs {need.action} on {need.resource}, which {why}."


def _detail(caller: Caller, need: Need, decision: Decision) -> Mapping[str, Any]:
    """AccessDeniedDetail, with the vendor's names, and the deciding policy if there is one."""
    found = {
        "AuthAction": need.action,
        "AuthResource": need.resource,
        "AuthPrincipalType": _PRINCIPAL_TYPES.get(caller.type, caller.type.value),
        "AuthPrincipalOwnerId": caller.account,
        "AuthPrincipalDisplayName": caller.principal,
        "NoPermissionType": decision.outcome.value,
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }
    ground = decision.ground
    if ground is not None and decision.outcome is Outcome.EXPLICIT_DENY:
        of_key = ground.policy.type is PolicyType.KEY
        if of_key:
            found["PolicyType"] = "ResourceBasedPolicy"
        found["PolicyName"] = ground.policy.name
        found["PolicyStatement"] = ground.statement.sid or str(ground.statement.number)
    return found
