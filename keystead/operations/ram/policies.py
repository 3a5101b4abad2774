"""Policies: those of the account's own, in versions, and the vendor's system policies beside them, which nobody changes."""

import msgspec

from keystead.access.decisions import PolicyType as TypeOfPolicy
from keystead.access.system_policies import SYSTEM_POLICIES, SystemPolicy
from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import find_custom_policy, find_policy
from keystead.api.ram_types import (
    Description,
    MarkedRequest,
    PolicyDocument,
    PolicyName,
    PolicyType,
    RotateStrategy,
    VersionId,
    marked,
)
from keystead.api.wire_types import Boolean, Empty, Reply, Request
from keystead.clock import iso8601
from keystead.domain.identities import POLICIES, VERSIONS, Attachment, CustomPolicy, Kind, PolicyVersion
from keystead.domain.products import RAM
from keystead.errors import (
    PolicyHasGroups,
    PolicyHasUsers,
    PolicyHasVersions,
    RamPolicyNotFound,
    RamPolicyTaken,
    RamVersionNotFound,
    TooManyPolicies,
    TooManyVersions,
    VersionIsDefault,
)


class ShownPolicy(Reply, frozen=True):
    policy_name: str
    policy_type: str
    description: str
    default_version: str
    create_date: str


class UpdatedPolicy(ShownPolicy, frozen=True):
    update_date: str


class ListedPolicy(UpdatedPolicy, frozen=True):
    attachment_count: int


class ReadPolicy(ListedPolicy, frozen=True):
    policy_document: str


class ShownVersion(Reply, frozen=True):
    version_id: str
    is_default_version: bool
    create_date: str
    policy_document: str


def _facts(call: Call, policy: CustomPolicy | SystemPolicy) -> dict[str, str]:
    if isinstance(policy, SystemPolicy):
        account = call.store.accounts.get(call.account)
        assert account is not None
        made = iso8601(account.created)  # they have been there as long as the account
        facts = (TypeOfPolicy.SYSTEM, "v1", made, made)
    else:
        dates = iso8601(policy.created), iso8601(policy.updated)
        facts = (TypeOfPolicy.CUSTOM, f"v{policy.current}", *dates)
    names = ("policy_type", "default_version", "create_date", "update_date")
    return {
        "policy_name": policy.name,
        "description": policy.description,
        **dict(zip(names, facts, strict=True)),
    }


def _attached(call: Call, policy_type: str, name: str) -> list[Attachment]:
    every = call.store.identities.all(Attachment, call.account)
    return [one for one in every if (one.policy_type, one.policy) == (policy_type, name)]


def _listed(call: Call, policy: CustomPolicy | SystemPolicy) -> ListedPolicy:
    facts = _facts(call, policy)
    return ListedPolicy(**facts, attachment_count=len(_attached(call, facts["policy_type"], policy.name)))


def _versions(call: Call, policy: CustomPolicy | SystemPolicy) -> list[ShownVersion]:
    if isinstance(policy, SystemPolicy):
        made = _facts(call, policy)["create_date"]
        return [
            ShownVersion(
                version_id="v1", is_default_version=True, create_date=made, policy_document=policy.text
            )
        ]
    return [_shown(policy, one) for one in call.store.identities.versions(call.account, policy.name)]


def _shown(policy: CustomPolicy, version: PolicyVersion) -> ShownVersion:
    return ShownVersion(
        version_id=version.version_id,
        is_default_version=version.number == policy.current,
        create_date=iso8601(version.created),
        policy_document=version.document,
    )


def _find_version(call: Call, policy: CustomPolicy, version_id: str) -> PolicyVersion:
    for version in call.store.identities.versions(call.account, policy.name):
        if version.version_id == version_id:
            return version
    raise RamVersionNotFound(name=version_id)


class CreatePolicyRequest(Request, frozen=True):
    policy_name: PolicyName
    policy_document: PolicyDocument
    description: Description = ""


class CreatePolicyReply(Reply, frozen=True):
    policy: ShownPolicy


@operation(changes=True, product=RAM, errors=(RamPolicyTaken, TooManyPolicies))
def create_policy(call: Call, request: CreatePolicyRequest) -> CreatePolicyReply:
    """Make a policy of the account's own, with a first version, which is the default one."""
    every = call.store.identities.all(CustomPolicy, call.account)
    if any(policy.name == request.policy_name for policy in every) or request.policy_name in SYSTEM_POLICIES:
        raise RamPolicyTaken(name=request.policy_name)
    if len(every) >= POLICIES:
        raise TooManyPolicies(limit=POLICIES)
    policy = CustomPolicy(
        account=call.account,
        name=request.policy_name,
        created=call.now,
        updated=call.now,
        description=request.description,
    )
    call.store.identities.add(policy)
    call.store.identities.add(
        PolicyVersion(
            account=call.account,
            policy=policy.name,
            number=1,
            document=request.policy_document,
            created=call.now,
        )
    )
    facts = _facts(call, policy)
    del facts["update_date"]
    return CreatePolicyReply(policy=ShownPolicy(**facts))


class GetPolicyRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName


class GetPolicyReply(Reply, frozen=True):
    policy: ReadPolicy
    default_policy_version: ShownVersion


@operation(product=RAM, errors=(RamPolicyNotFound,))
def get_policy(call: Call, request: GetPolicyRequest) -> GetPolicyReply:
    """Show a policy, with the document of its default version."""
    policy = find_policy(call, request.policy_type, request.policy_name)
    version = next(one for one in _versions(call, policy) if one.is_default_version)
    count = len(_attached(call, request.policy_type, policy.name))
    shown = ReadPolicy(
        **_facts(call, policy), attachment_count=count, policy_document=version.policy_document
    )
    return GetPolicyReply(policy=shown, default_policy_version=version)


class UpdatePolicyDescriptionRequest(Request, frozen=True):
    policy_name: PolicyName
    new_description: Description


class UpdatePolicyDescriptionReply(Reply, frozen=True):
    policy: UpdatedPolicy


@operation(changes=True, product=RAM, errors=(RamPolicyNotFound,))
def update_policy_description(
    call: Call, request: UpdatePolicyDescriptionRequest
) -> UpdatePolicyDescriptionReply:
    """Change what is noted of a policy."""
    policy = find_custom_policy(call, request.policy_name)
    policy = msgspec.structs.replace(policy, description=request.new_description, updated=call.now)
    call.store.identities.put(policy)
    return UpdatePolicyDescriptionReply(policy=UpdatedPolicy(**_facts(call, policy)))


class DeletePolicyRequest(Request, frozen=True):
    policy_name: PolicyName


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(RamPolicyNotFound, PolicyHasUsers, PolicyHasGroups, PolicyHasVersions),
)
def delete_policy(call: Call, request: DeletePolicyRequest) -> Empty:
    """Delete a policy that is attached to nothing and has its default version only."""
    policy = find_custom_policy(call, request.policy_name)
    kinds = {one.kind for one in _attached(call, TypeOfPolicy.CUSTOM, policy.name)}
    if Kind.USER in kinds:
        raise PolicyHasUsers
    if Kind.GROUP in kinds:
        raise PolicyHasGroups
    last, *others = call.store.identities.versions(call.account, policy.name)
    if others:
        raise PolicyHasVersions
    call.store.identities.remove(last)
    call.store.identities.remove(policy)
    return Empty()


class ListPoliciesRequest(MarkedRequest, frozen=True):
    policy_type: PolicyType = ""


class ListedPolicies(Reply, frozen=True):
    policy: list[ListedPolicy]


class ListPoliciesReply(Reply, frozen=True):
    policies: ListedPolicies
    is_truncated: bool
    marker: str = ""


@operation(product=RAM, container="policy/*")
def list_policies(call: Call, request: ListPoliciesRequest) -> ListPoliciesReply:
    """List the system policies and the account's own, by name."""
    every: list[CustomPolicy | SystemPolicy] = []
    if request.policy_type != TypeOfPolicy.CUSTOM:
        every += SYSTEM_POLICIES.values()
    if request.policy_type != TypeOfPolicy.SYSTEM:
        every += call.store.identities.all(CustomPolicy, call.account)
    policies, marker = marked(every, lambda policy: policy.name, request)
    rows = [_listed(call, policy) for policy in policies]
    return ListPoliciesReply(policies=ListedPolicies(policy=rows), is_truncated=bool(marker), marker=marker)


class CreatePolicyVersionRequest(Request, frozen=True):
    policy_name: PolicyName
    policy_document: PolicyDocument
    set_as_default: Boolean = False
    rotate_strategy: RotateStrategy = "None"


class CreatePolicyVersionReply(Reply, frozen=True):
    policy_version: ShownVersion


@operation(changes=True, confirmed=True, product=RAM, errors=(RamPolicyNotFound, TooManyVersions))
def create_policy_version(call: Call, request: CreatePolicyVersionRequest) -> CreatePolicyVersionReply:
    """Make one more version of a policy; it has a say once it is the default one."""
    policy = find_custom_policy(call, request.policy_name)
    versions = call.store.identities.versions(call.account, policy.name)
    if len(versions) >= VERSIONS:
        if request.rotate_strategy == "None":
            raise TooManyVersions(limit=VERSIONS)
        call.store.identities.remove(next(one for one in versions if one.number != policy.current))
    version = PolicyVersion(
        account=call.account,
        policy=policy.name,
        number=policy.latest + 1,
        document=request.policy_document,
        created=call.now,
    )
    policy = msgspec.structs.replace(
        policy,
        latest=version.number,
        current=version.number if request.set_as_default else policy.current,
        updated=call.now,
    )
    call.store.identities.put(policy)
    call.store.identities.add(version)
    return CreatePolicyVersionReply(policy_version=_shown(policy, version))


class GetPolicyVersionRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName
    version_id: VersionId


class GetPolicyVersionReply(Reply, frozen=True):
    policy_version: ShownVersion


@operation(product=RAM, errors=(RamPolicyNotFound, RamVersionNotFound))
def get_policy_version(call: Call, request: GetPolicyVersionRequest) -> GetPolicyVersionReply:
    """Show a version of a policy, with its document."""
    policy = find_policy(call, request.policy_type, request.policy_name)
    for version in _versions(call, policy):
        if version.version_id == request.version_id:
            return GetPolicyVersionReply(policy_version=version)
    raise RamVersionNotFound(name=request.version_id)


class DeletePolicyVersionRequest(Request, frozen=True):
    policy_name: PolicyName
    version_id: VersionId


@operation(
    changes=True,
    confirmed=True,
    product=RAM,
    errors=(RamPolicyNotFound, RamVersionNotFound, VersionIsDefault),
)
def delete_policy_version(call: Call, request: DeletePolicyVersionRequest) -> Empty:
    """Delete a version that is not the default one."""
    policy = find_custom_policy(call, request.policy_name)
    version = _find_version(call, policy, request.version_id)
    if version.number == policy.current:
        raise VersionIsDefault
    call.store.identities.remove(version)
    return Empty()


class ListPolicyVersionsRequest(Request, frozen=True):
    policy_type: PolicyType
    policy_name: PolicyName


class ShownVersions(Reply, frozen=True):
    policy_version: list[ShownVersion]


class ListPolicyVersionsReply(Reply, frozen=True):
    policy_versions: ShownVersions


@operation(product=RAM, errors=(RamPolicyNotFound,))
def list_policy_versions(call: Call, request: ListPolicyVersionsRequest) -> ListPolicyVersionsReply:
    """List the versions of a policy, oldest first, with their documents."""
    versions = _versions(call, find_policy(call, request.policy_type, request.policy_name))
    return ListPolicyVersionsReply(policy_versions=ShownVersions(policy_version=versions))


class SetDefaultPolicyVersionRequest(Request, frozen=True):
    policy_name: PolicyName
    version_id: VersionId


@operation(changes=True, confirmed=True, product=RAM, errors=(RamPolicyNotFound, RamVersionNotFound))
def set_default_policy_version(call: Call, request: SetDefaultPolicyVersionRequest) -> Empty:
    """Choose the version of a policy that has a say."""
    policy = find_custom_policy(call, request.policy_name)
    version = _find_version(call, policy, request.version_id)
    call.store.identities.put(msgspec.structs.replace(policy, current=version.number, updated=call.now))
    return Empty()
