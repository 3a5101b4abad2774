"""The users of accounts with the policies that they have, compiled; as of now, whatever changed a moment ago."""

from functools import lru_cache
from typing import NamedTuple

from keystead.access.decisions import Grounds, Policy, PolicyType, identity_grounds
from keystead.access.documents import Document, Malformed, identity_document, key_document
from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.domain.identities import Attachment, CustomPolicy, Group, Kind, Member, User
from keystead.store.ports import Holdings

_REMEMBERED = 10_000  # what is about an action of a user on a resource, per account


@lru_cache(1024)
def compiled(text: str) -> Document:
    """An identity's policy, as it was taken; one that is well-formed no longer, by other rules than then, grants nothing."""
    try:
        return identity_document(text)
    except Malformed:
        return ()


@lru_cache(1024)
def compiled_of_key(text: str) -> Document:
    """A key's policy, as `compiled`."""
    try:
        return key_document(text)
    except Malformed:
        return ()


class _Account(NamedTuple):
    """An account as of a revision."""

    revision: int
    users: dict[str, User]
    policies: dict[str, tuple[Policy, ...]]  # by user id, as they are asked for
    grounds: dict[tuple[str, str, str], Grounds]  # by user id, action and resource


class Principals:
    """The users of all accounts of a store."""

    def __init__(self, store: Holdings) -> None:
        self._store = store
        self._accounts: dict[str, _Account] = {}

    def user(self, account: str, user_id: str) -> User | None:
        """The user of this id, or None."""
        return self._account(account).users.get(user_id)

    def named(self, account: str, name: str) -> User | None:
        """The user of this name, or None."""
        return next((one for one in self._account(account).users.values() if one.name == name), None)

    def policies(self, account: str, user_id: str) -> tuple[Policy, ...]:
        """The policies that a user has, its own first, then those of its groups."""
        known = self._account(account).policies
        if user_id not in known:
            known[user_id] = tuple(self._policies(account, user_id))
        return known[user_id]

    def grounds(self, account: str, user_id: str, action: str, resource: str) -> Grounds:
        """What the policies of a user have to say about an action on a resource."""
        known = self._account(account).grounds
        about = (user_id, action, resource)
        found = known.get(about)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[about] = identity_grounds(self.policies(account, user_id), action, resource)
        return found

    def _account(self, account: str) -> _Account:
        revision = self._store.identities.revision(account)
        found = self._accounts.get(account)
        if found is None or found.revision != revision:
            users = {user.user_id: user for user in self._store.identities.all(User, account)}
            found = self._accounts[account] = _Account(revision, users, {}, {})
        return found

    def _policies(self, account: str, user_id: str) -> "list[Policy]":
        identities = self._store.identities
        groups = {group.group_id: group.name for group in identities.all(Group, account)}
        joined = [one.group_id for one in identities.all(Member, account) if one.user_id == user_id]
        holders = {(Kind.USER, user_id): "", **{(Kind.GROUP, one): groups[one] for one in joined}}
        custom = {policy.name: policy for policy in identities.all(CustomPolicy, account)}
        attached = [one for one in identities.all(Attachment, account) if (one.kind, one.holder) in holders]
        found = []
        for one in sorted(attached, key=lambda one: one.kind is Kind.GROUP):
            group = holders[one.kind, one.holder]
            if one.policy_type == PolicyType.SYSTEM:
                document = SYSTEM_POLICIES[one.policy].document
            else:
                current = custom[one.policy].current
                versions = identities.versions(account, one.policy)
                document = compiled(
                    next(version.document for version in versions if version.number == current)
                )
            found.append(Policy(PolicyType(one.policy_type), one.policy, document, group))
        return found
