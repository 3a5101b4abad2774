"""Keys: create, describe, list, enable, disable, delete."""

from typing import Annotated

import msgspec

from keystead.api.key_policies import refuse_lockout
from keystead.api.operation import Call, KeyCall, key_operation, operation
from keystead.api.wire_types import (
    Boolean,
    Description,
    Empty,
    InstanceId,
    KeyFilters,
    KeyIdRef,
    KeyRef,
    KeyReference,
    PageRequest,
    PendingWindow,
    Policy,
    Reply,
    Request,
    RotationInterval,
    Tags,
    choice,
)
from keystead.clock import iso8601
from keystead.domain.arns import key_arn
from keystead.domain.keys import rotation
from keystead.domain.keys.algorithms import ASYMMETRIC, SYMMETRIC, USAGES, Use, good
from keystead.domain.keys.key import (
    DAY,
    Key,
    KeyFilter,
    KeySpec,
    KeyUsage,
    KeyVersion,
    Origin,
    ProtectionLevel,
    Wrapped,
)
from keystead.domain.keys.lifecycle import Event, Gate
from keystead.entropy import uuid4
from keystead.errors import (
    DeletionProtected,
    InvalidParameter,
    MissingParameter,
    OriginUnsupported,
    ProtectionLevelUnsupported,
    UnsupportedOperation,
)

Spec = Annotated[str, choice(*KeySpec)]
Usage = Annotated[str, choice(*KeyUsage)]
KeyOrigin = Annotated[str, choice(*Origin, refuse={"EXTERNAL_KEY_STORE": OriginUnsupported})]
Mechanism = Annotated[str, choice("HsmInternal", "HsmEncryptedDatabase")]
Protection = Annotated[str, choice(*ProtectionLevel, "HSM")]


class KeyMetadata(Reply, frozen=True):
    """A key as the vendor shows it; dates that do not apply are empty strings."""

    creation_date: str
    description: str
    key_id: str
    key_spec: str
    key_state: str
    key_usage: str
    primary_key_version: str | msgspec.UnsetType
    delete_date: str
    creator: str
    arn: str
    origin: str
    material_expire_time: str
    protection_level: str
    last_rotation_date: str
    automatic_rotation: str
    rotation_interval: str | msgspec.UnsetType = msgspec.UNSET
    next_rotation_date: str | msgspec.UnsetType = msgspec.UNSET
    deletion_protection: str | msgspec.UnsetType = msgspec.UNSET
    deletion_protection_description: str | msgspec.UnsetType = msgspec.UNSET
    dkms_instance_id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="DKMSInstanceId")


def _metadata(key: Key, *, described: bool = False) -> KeyMetadata:
    return KeyMetadata(
        creation_date=iso8601(key.created),
        description=key.description,
        key_id=key.key_id,
        key_spec=key.spec,
        key_state=key.state,
        key_usage=key.usage,
        primary_key_version=msgspec.UNSET if key.spec in ASYMMETRIC else key.primary_version,
        delete_date="" if key.deletion_at is None else iso8601(key.deletion_at),
        creator=key.creator,
        arn=key_arn(key.account, key.region, key.key_id),
        origin=key.origin,
        material_expire_time="" if key.expires is None else iso8601(key.expires),
        protection_level=key.protection,
        last_rotation_date=iso8601(key.rotated),
        automatic_rotation=key.automatic_rotation,
        rotation_interval=f"{key.rotation_interval}s" if key.rotation_interval else msgspec.UNSET,
        next_rotation_date=msgspec.UNSET if key.next_rotation is None else iso8601(key.next_rotation),
        deletion_protection=("Enabled" if key.protected else "Disabled") if described else msgspec.UNSET,
        deletion_protection_description=key.protection_reason
        if described and key.protected
        else msgspec.UNSET,
        dkms_instance_id=key.instance or msgspec.UNSET,
    )


class CreateKeyRequest(Request, frozen=True):
    key_spec: Spec = KeySpec.AES_256
    key_usage: Usage = ""  # what the spec is for
    origin: KeyOrigin = Origin.ALIYUN_KMS
    protection_level: Protection = ProtectionLevel.SOFTWARE
    description: Description = ""
    tags: Tags = {}
    dkms_instance_id: InstanceId = msgspec.field(default="", name="DKMSInstanceId")
    enable_automatic_rotation: Boolean = False
    rotation_interval: RotationInterval = ""
    policy: Policy = ""
    key_storage_mechanism: Mechanism = ""  # of hardware that is not here: it changes nothing


class CreateKeyReply(Reply, frozen=True):
    key_metadata: KeyMetadata


@operation(
    changes=True, container="key", errors=(MissingParameter, ProtectionLevelUnsupported, UnsupportedOperation)
)
def create_key(call: Call, request: CreateKeyRequest) -> CreateKeyReply:
    """Create a key with new material of its own, or one whose material is to be imported."""
    spec, origin = KeySpec(request.key_spec), Origin(request.origin)
    usage = KeyUsage(request.key_usage or USAGES[spec][0])
    if usage not in USAGES[spec]:
        raise InvalidParameter(name="KeyUsage")
    external = origin is Origin.EXTERNAL
    if external and spec not in SYMMETRIC:
        raise OriginUnsupported
    # With an instance the vendor ignores the level: the instance has one, which here is software.
    if request.protection_level not in tuple(ProtectionLevel) and not request.dkms_instance_id:
        raise ProtectionLevelUnsupported
    interval = rotation.wanted(request.enable_automatic_rotation, request.rotation_interval)
    if interval is not None and not good(Use.AUTOMATIC_ROTATION, spec, usage, origin):
        raise UnsupportedOperation
    refuse_lockout(call.account, request.policy)
    version = KeyVersion(
        account=call.account,
        region=call.region,
        key_id=uuid4(call.entropy),
        version_id=uuid4(call.entropy),
        number=1,
        spec=spec,
        usage=usage,
        origin=origin,
        created=call.now,
        material=Wrapped(0, b""),
    )
    key = msgspec.structs.replace(
        version.new_key(request.description),
        instance=request.dkms_instance_id,
        rotation_interval=interval,
        policy=request.policy,
    )
    if external:
        key, version = key.without_material(), call.vault.without_material(version)
    else:
        version = call.vault.make_material(version, call.generate)
    call.store.keys.add(key, version, request.tags)
    call.resources.append(key_arn(call.account, call.region, key.key_id))
    return CreateKeyReply(key_metadata=_metadata(key))


class DescribeKeyRequest(Request, frozen=True):
    key_id: KeyRef


class DescribeKeyReply(Reply, frozen=True):
    key_metadata: KeyMetadata


@key_operation(gate=Gate.ANY)
def describe_key(call: KeyCall, request: DescribeKeyRequest) -> DescribeKeyReply:
    """Show a key's state, dates and other facts."""
    return DescribeKeyReply(key_metadata=_metadata(call.key.at(call.now), described=True))


class ListKeysRequest(PageRequest, frozen=True, kw_only=True):
    filters: KeyFilters = KeyFilter()


class ListedKey(Reply, frozen=True):
    key_id: str
    key_arn: str


class ListedKeys(Reply, frozen=True):
    key: list[ListedKey]


class ListKeysReply(Reply, frozen=True):
    keys: ListedKeys
    total_count: int
    page_number: int
    page_size: int


@operation(container="key")
def list_keys(call: Call, request: ListKeysRequest) -> ListKeysReply:
    """List the keys of the account in the region, oldest first, a page at a time."""
    page = call.store.keys.page(call.account, call.region, request.filters, request.offset, request.page_size)
    rows = [
        ListedKey(key_id=key_id, key_arn=key_arn(call.account, call.region, key_id)) for key_id in page.items
    ]
    return ListKeysReply(
        keys=ListedKeys(key=rows),
        total_count=page.total,
        page_number=request.page_number,
        page_size=request.page_size,
    )


class KeyIdRequest(Request, frozen=True):
    """Nothing but the key."""

    key_id: KeyIdRef


@key_operation(gate=Gate.TOGGLE, changes=True)
def enable_key(call: KeyCall, request: KeyIdRequest) -> Empty:
    """Enable a key."""
    call.store.keys.put(call.key.after(Event.ENABLE))
    return Empty()


@key_operation(gate=Gate.TOGGLE, changes=True)
def disable_key(call: KeyCall, request: KeyIdRequest) -> Empty:
    """Disable a key: nothing is encrypted or decrypted with it until it is enabled again."""
    call.store.keys.put(call.key.after(Event.DISABLE))
    return Empty()


class ScheduleKeyDeletionRequest(Request, frozen=True):
    key_id: KeyIdRef
    pending_window_in_days: PendingWindow


@key_operation(gate=Gate.MODIFY, changes=True, confirmed=True, errors=(DeletionProtected,))
def schedule_key_deletion(call: KeyCall, request: ScheduleKeyDeletionRequest) -> Empty:
    """Delete a key after a waiting period, in which it cannot be used and the deletion can be cancelled."""
    if call.key.protected:
        raise DeletionProtected
    call.store.keys.put(call.key.scheduled(call.now + request.pending_window_in_days * DAY))
    return Empty()


@key_operation(gate=Gate.CANCEL, changes=True)
def cancel_key_deletion(call: KeyCall, request: KeyIdRequest) -> Empty:
    """Cancel a scheduled deletion; the key is enabled again."""
    call.store.keys.put(call.key.after(Event.CANCEL_DELETION))
    return Empty()


class SetDeletionProtectionRequest(Request, frozen=True):
    enable_deletion_protection: Boolean
    protected_resource_arn: KeyIdRef = KeyReference()
    key_id: KeyIdRef = KeyReference()
    deletion_protection_description: Description = ""


# Nacos protects what it encrypts under, the key of a service by default: that such a key is not deleted is true anyway.
@key_operation(gate=Gate.EDIT, changes=True, of_services=True)
def set_deletion_protection(call: KeyCall, request: SetDeletionProtectionRequest) -> Empty:
    """Protect a key against deletion, or allow its deletion again."""
    enabled = request.enable_deletion_protection
    reason = request.deletion_protection_description if enabled else ""
    call.store.keys.put(msgspec.structs.replace(call.key, protected=enabled, protection_reason=reason))
    return Empty()


class UpdateKeyDescriptionRequest(Request, frozen=True):
    key_id: KeyIdRef
    description: Description


@key_operation(gate=Gate.EDIT, changes=True)
def update_key_description(call: KeyCall, request: UpdateKeyDescriptionRequest) -> Empty:
    """Replace a key's description."""
    call.store.keys.put(msgspec.structs.replace(call.key, description=request.description))
    return Empty()
