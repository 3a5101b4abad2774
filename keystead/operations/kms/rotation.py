"""Automatic rotation: new versions of a key, made by the service when they are due."""

import msgspec

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import Boolean, Empty, KeyIdRef, Request, RotationInterval
from keystead.domain.keys import rotation
from keystead.domain.keys.algorithms import Use
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import MissingParameter


class UpdateRotationPolicyRequest(Request, frozen=True):
    key_id: KeyIdRef
    enable_automatic_rotation: Boolean
    rotation_interval: RotationInterval = ""


@key_operation(gate=Gate.USE, use=Use.AUTOMATIC_ROTATION, changes=True, errors=(MissingParameter,))
def update_rotation_policy(call: KeyCall, request: UpdateRotationPolicyRequest) -> Empty:
    """Have a key rotated by itself every so many days, or no more."""
    interval = rotation.wanted(request.enable_automatic_rotation, request.rotation_interval)
    call.store.keys.put(msgspec.structs.replace(call.key, rotation_interval=interval))
    return Empty()
