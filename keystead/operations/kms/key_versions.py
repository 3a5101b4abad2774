"""Versions of keys: each has material of its own; the primary one encrypts, all of them decrypt."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import KeyRef, PageRequest, Reply, Request, VersionId
from keystead.clock import iso8601
from keystead.domain.keys.algorithms import ASYMMETRIC, VERSIONS, Use
from keystead.domain.keys.key import KeyVersion
from keystead.domain.keys.lifecycle import Gate
from keystead.entropy import uuid4
from keystead.errors import LimitExceeded, UnsupportedOperation


class ShownVersion(Reply, frozen=True):
    key_id: str
    key_version_id: str
    creation_date: str


class KeyVersionReply(Reply, frozen=True):
    key_version: ShownVersion


def _shown(version: KeyVersion) -> ShownVersion:
    return ShownVersion(
        key_id=version.key_id,
        key_version_id=version.version_id,
        creation_date=iso8601(version.created),
    )


class CreateKeyVersionRequest(Request, frozen=True):
    key_id: KeyRef


@key_operation(gate=Gate.USE, use=Use.VERSIONS, changes=True, errors=(LimitExceeded, UnsupportedOperation))
def create_key_version(call: KeyCall, request: CreateKeyVersionRequest) -> KeyVersionReply:
    """Rotate a key now: a new version with material of its own becomes the primary one."""
    if call.key.spec in ASYMMETRIC and call.version.number >= VERSIONS:
        raise LimitExceeded
    version = call.vault.make_material(call.version.next(uuid4(call.entropy), call.now), call.generate)
    call.store.keys.add_version(version)
    call.store.keys.put(call.key.rotated_to(version))
    return KeyVersionReply(key_version=_shown(version))


class DescribeKeyVersionRequest(Request, frozen=True):
    key_id: KeyRef
    key_version_id: VersionId


@key_operation(gate=Gate.ANY)
def describe_key_version(call: KeyCall, request: DescribeKeyVersionRequest) -> KeyVersionReply:
    """Show one version of a key."""
    return KeyVersionReply(key_version=_shown(call.version))


class ListKeyVersionsRequest(PageRequest, frozen=True, kw_only=True):
    key_id: KeyRef


class ShownVersions(Reply, frozen=True):
    key_version: list[ShownVersion]


class ListKeyVersionsReply(Reply, frozen=True):
    key_versions: ShownVersions
    total_count: int
    page_number: int
    page_size: int


@key_operation(gate=Gate.ANY)
def list_key_versions(call: KeyCall, request: ListKeyVersionsRequest) -> ListKeyVersionsReply:
    """List the versions of a key, newest first, a page at a time."""
    page = call.store.keys.versions(*call.key.place, request.offset, request.page_size)
    return ListKeyVersionsReply(
        key_versions=ShownVersions(key_version=[_shown(version) for version in page.items]),
        total_count=page.total,
        page_number=request.page_number,
        page_size=request.page_size,
    )
