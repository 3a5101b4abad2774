"""Automatic rotation of keys."""

import msgspec

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire import Boolean, Empty, KeyIdRef, Request, RotationInterval
from keystead.domain.lifecycle import Gate
from keystead.errors import MissingParameter


class UpdateRotationPolicyRequest(Request, frozen=True):
    key_id: KeyIdRef
    enable_automatic_rotation: Boolean
    rotation_interval: RotationInterval = 0


@key_operation(gate=Gate.USE, changes=True)
def update_rotation_policy(call: KeyCall, request: UpdateRotationPolicyRequest) -> Empty:
    """Have a key rotated by itself every so many days, or no more."""
    if request.enable_automatic_rotation and not request.rotation_interval:
        raise MissingParameter(name="RotationInterval")
    interval = request.rotation_interval if request.enable_automatic_rotation else None
    call.store.keys.put(msgspec.structs.replace(call.key, rotation_interval=interval))
    return Empty()
