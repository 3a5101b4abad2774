"""Questions about access, in words: may USER do ACTION on RESOURCE? What such a call would need, asked ahead of it.

Whatever the words do not say right is refused with a ValueError for people.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from keystead.access import conditions
from keystead.access.callers import Caller, CallerType
from keystead.access.decisions import Policy, PolicyType
from keystead.access.documents import Document
from keystead.access.explanation import Asked, Asker, Explanation, explain, policy_named
from keystead.access.patterns import Patterns
from keystead.api.authorization import condition_keys
from keystead.api.catalogue import CATALOGUE, Operation
from keystead.api.needs import Need
from keystead.api.parameters import Role
from keystead.api.principals import Principals, compiled_of_key
from keystead.domain import policies
from keystead.domain.arns import key_arn, parse, ram_arn
from keystead.domain.identities import User
from keystead.domain.keys.aliases import service_of
from keystead.domain.products import PRODUCTS
from keystead.forms import listed, nearest
from keystead.store.ports import Holdings

ROOT = "root"  # whoever asks as the account itself

KEY_ROLES = frozenset({Role.KEY, Role.KEYS, Role.BLOB, Role.SOURCE})
ALIAS_ROLES = frozenset({Role.ALIAS, Role.NEW_ALIAS})
RAM_ROLES = frozenset({Role.USER, Role.GROUP, Role.POLICY, Role.MFA})

_USER_ARN = re.compile(r"acs:ram::(?P<account>[0-9]{16}):(?:root|user/(?P<user>.+))")
_RAM_ARN = re.compile(r"acs:ram::(?P<account>[0-9]{16}):(?P<resource>(?P<kind>user|group|policy|mfa)/.+)")
_NEVER = ("acs:SourceVpc", "acs:VpcSourceIp")


class Action(NamedTuple):
    """An action that policies may allow: that of an operation; `name` if it is one of several that the operation has."""

    operation: Operation
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.operation.action_on()


# --- who


def account_in(text: str, account: str) -> str:
    """The account of whom a text means, as `find_caller` reads it: this one if it names none."""
    arn = _USER_ARN.fullmatch(text)
    return arn["account"] if arn is not None else text.partition("@")[2] or account


def find_caller(store: Holdings, text: str, account: str) -> Caller:
    """The caller that is meant by a user's name or id, `root`, USER@ACCOUNT, or an ARN; of this account if none is named."""
    arn = _USER_ARN.fullmatch(text)
    name = text.partition("@")[0] if arn is None else arn["user"] or ROOT
    account = account_in(text, account)
    if store.accounts.get(account) is None:
        raise ValueError(f"there is no account {account!r}")
    if name == ROOT and (arn is None or not arn["user"]):
        return Caller(account=account, type=CallerType.ROOT, principal=account)
    users = store.identities.all(User, account)
    for user in users:
        if name in (user.name, user.user_id):
            return caller_of(user)
    near = nearest(name, [ROOT, *(user.name for user in users)])
    meant = f" (did you mean {near}?)" if near else ""
    raise ValueError(f"there is no user {name!r} in account {account}{meant}")


def caller_of(user: User) -> Caller:
    """A user as whoever calls."""
    return Caller(account=user.account, type=CallerType.RAM_USER, principal=user.user_id, session=user.name)


# --- what


def actions() -> dict[str, Action]:
    """All actions that policies may allow, by their names: `kms:Encrypt`."""
    found: dict[str, Action] = {}
    for operation in CATALOGUE:
        about_itself = operation.product.for_console_only and not operation.permission
        if not (operation.for_operator_only or about_itself):
            found.setdefault(operation.action_on(), Action(operation))
            for field in operation.roles:
                name = operation.action_on(field.param.role)
                found.setdefault(name, Action(operation, name))
    return found


def find_action(text: str) -> Action:
    """The action that is meant, in whatever case, with its product or without."""
    known = {name.lower(): action for name, action in actions().items()}
    products = [f"{product.name.lower()}:" for product in PRODUCTS]
    for prefix in [""] if ":" in text else products:
        if (found := known.get(prefix + text.lower())) is not None:
            return found
    names = list(actions())
    near = nearest(text, names if ":" in text else [name.partition(":")[2] for name in names])
    raise ValueError(f"there is no action {text!r}" + (f" (did you mean {near}?)" if near else ""))


def idle(document: Document) -> tuple[str, ...]:
    """What a policy says of actions, as written, that is said of no action here, so that it allows and denies nothing."""
    written = dict.fromkeys(text for statement in document for text in statement.actions.texts)
    return tuple(text for text in written if not any(map(Patterns([text], fold=True).match, actions())))


# --- on what


def needs_of(
    store: Holdings, action: Action, resources: Sequence[str], account: str, region: str
) -> list[Need]:
    """What a call of an account has to be allowed that is about these resources, by ARN. An alias stands for its key, except
    to what is about aliases."""
    operation, found = action.operation, list[Need]()
    container = operation.container_in(account, region, "*")
    contained = bool(operation.container) or not (operation.free or _roles(operation))
    for arn in resources:
        if contained and _of_place(arn) == _of_place(container):
            container = arn
            continue
        needs = list(_needs_on(store, operation, arn))
        if not needs:
            raise ValueError(f"{action} is not about {arn}: it is about {_about(operation, container)}")
        found += needs
    if contained:
        found.append(Need(operation.action_on(), container, container.split(":")[3]))
    elif not found and not operation.free:
        raise ValueError(f"{action} is about {_about(operation, container)}: name it")
    return [need for need in dict.fromkeys(found) if action.name in ("", need.action)]


def _of_place(arn: str) -> tuple[str, str]:
    """What an ARN says wherever it is: the service and the resource."""
    service, _, _, resource = arn.split(":", 4)[1:]
    return service, resource


def unnamed(action: Action, needs: Iterable[Need]) -> str:
    """What else a call needs that these do not say: `a key`, `a user`; "" for nothing."""
    named = {_kind_of(need.resource) for need in needs}
    missing = [f"{_article(kind)} {kind}" for kind in _kinds(action.operation) if kind not in named]
    optional = bool(action.operation.container) or bool(action.name)
    return "" if optional else " and ".join(missing)


def _roles(operation: Operation) -> frozenset[Role]:
    roles = frozenset(field.param.role for field in operation.roles if field.param.role is not None)
    return roles & (KEY_ROLES | ALIAS_ROLES | RAM_ROLES)


def _kinds(operation: Operation) -> list[str]:
    roles = _roles(operation)
    found = ["key"] if roles & KEY_ROLES else []
    found += ["alias"] if roles & ALIAS_ROLES else []
    return found + [role.value for role in (Role.USER, Role.GROUP, Role.POLICY, Role.MFA) if role in roles]


def _kind_of(arn: str) -> str:
    return arn.rpartition(":")[2].partition("/")[0]


def _about(operation: Operation, container: str) -> str:
    kinds = [f"{_article(kind)} {kind}" for kind in _kinds(operation)]
    if operation.free:
        return "nothing, and everybody may do it"
    return listed(kinds) if kinds else container


def _article(kind: str) -> str:
    return "an" if kind.startswith("a") else "a"


def _needs_on(store: Holdings, operation: Operation, arn: str) -> Iterable[Need]:
    roles = _roles(operation)
    if (ram := _RAM_ARN.fullmatch(arn)) is not None:
        role = Role(ram["kind"])
        if role in roles:
            yield Need(operation.action_on(role), arn, ram["account"])
        return
    place = parse(arn)
    if place is None:
        return
    kind, _, name = place.resource.partition("/")
    about_aliases = bool(roles & ALIAS_ROLES)
    if kind == "key" and name:
        for action in _key_actions(operation):
            yield _key_need(store, operation, action, place.account, place.region, name)
    elif kind == "alias" and name:
        alias = store.aliases.get(place.account, place.region, place.resource)
        if about_aliases:
            yield Need(operation.action_on(Role.ALIAS), arn, place.account)
            if roles & KEY_ROLES:
                return  # the key that it is to stand for has a name of its own
        if alias is None and not service_of(place.resource):
            raise ValueError(f"there is no alias {arn}")
        key_id = "*" if alias is None else alias.key_id
        for action in _key_actions(operation):
            yield _key_need(store, operation, action, place.account, place.region, key_id)


def _key_actions(operation: Operation) -> list[str]:
    """The actions that it needs on keys."""
    roles = _roles(operation)
    about = [field.param.role for field in operation.roles if field.param.role in KEY_ROLES]
    if not about and Role.ALIAS in roles:
        about = [Role.ALIAS]
    return list(dict.fromkeys(operation.action_on(role) for role in about))


def _key_need(
    store: Holdings, operation: Operation, action: str, account: str, region: str, key_id: str
) -> Need:
    key = store.keys.get(account, region, key_id)
    return Need(action, key_arn(account, region, key_id), account, key, operation.uses)


def as_arn(text: str, account: str, region: str) -> str:
    """The ARN of what is named in an account: a key by its id, `alias/NAME`, or `user/NAME`, `group/NAME`, `policy/NAME`."""
    if text.startswith("acs:"):
        if len(text.split(":", 4)) < 5:
            raise ValueError(f"{text} is no ARN: it is written acs:SERVICE:REGION:ACCOUNT:RESOURCE")
        return text
    kind, slash, name = text.partition("/")
    if slash and kind in ("user", "group", "policy", "mfa"):
        return ram_arn(account, kind, name)
    return f"acs:kms:{region}:{account}:{text if slash else f'key/{text}'}"


# --- under what conditions


def check_context(operation: Operation, given: Mapping[str, str]) -> None:
    """Return if a call of the operation may have these condition keys with these values."""
    for key, value in given.items():
        kind = conditions.kind_of(key)
        if key in _NEVER or not key.startswith(("acs:", "kms:")):
            raise ValueError(f"no request has {key} here, so that a condition on it is never met")
        if key.startswith(conditions.TAG) and not operation.uses:
            raise ValueError(
                f"{operation.action} has no {conditions.TAG}…: the tags are for what uses the key"
            )
        bound = any(field.name.endswith("EncryptionContext") for field in operation.fields)
        if key.startswith(conditions.ENCRYPTION_CONTEXT) and not bound:
            raise ValueError(f"{operation.action} has no encryption context")
        if kind is not None:
            reads = next(name for name, one in conditions.OPERATORS.items() if one.kind == kind)
            try:
                conditions.condition(reads, key, [value])
            except ValueError as error:
                raise ValueError(f"{key} can't be {value}: {error}") from None


def context_of(store: Holdings, need: Need, given: Mapping[str, str], now: float) -> conditions.Context:
    """The condition keys that a call has, as to one of the things that it needs, with those that are given; over HTTPS now,
    if they do not say otherwise."""
    return {**condition_keys(store, need, now, tls=True, source="", mfa=False, bound_to={}), **given}


# --- the answer


def asker_of(principals: Principals, caller: Caller, more: Sequence[Policy] = ()) -> Asker:
    """A caller as policies are asked about it, who also had these."""
    own: Sequence[Policy] | None = None
    if caller.type is CallerType.RAM_USER:
        own = (*principals.policies(caller.account, caller.principal), *more)
    return Asker(caller.account, caller.arn, own)


def asked_of(need: Need) -> Asked:
    """What is needed, as policies are asked about it."""
    text = "" if need.key is None else need.key.policy
    policy = Policy(PolicyType.KEY, policies.NAME, compiled_of_key(text)) if text else None
    return Asked(need.action, need.resource, need.owner, need.uses, policy)


def explained(
    store: Holdings, asker: Asker, needs: Iterable[Need], given: Mapping[str, str], now: float
) -> list[Explanation]:
    """Whether somebody may do each thing that is needed, and why. Who has no name has these policies and nothing else, so
    that no key's own policy is asked."""
    found = []
    for need in needs:
        asked = asked_of(need)
        if not asker.arn:
            asked = asked._replace(key=None, owner=asker.account)
        found.append(explain(asker, asked, context_of(store, need, given, now)))
    return found


def silent(asker: Asker, needs: Iterable[Need]) -> list[str]:
    """The policies that were taken by other rules than today's, by which they are malformed, so that they say nothing."""
    keys = [asked.key for asked in map(asked_of, needs) if asked.key is not None]
    return list(
        dict.fromkeys(policy_named(one) for one in (*(asker.policies or ()), *keys) if not one.document)
    )
