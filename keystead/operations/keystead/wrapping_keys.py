"""The wrapping key, between the root key and all material: its operator's means to have another one in its place."""

import msgspec

from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.clock import iso8601
from keystead.domain.products import KEYSTEAD


class WrappingGeneration(msgspec.Struct, rename="pascal", frozen=True):
    generation: int
    created: str
    root_key: str  # its fingerprint


class WrappingKeysReply(Reply, frozen=True):
    wrapping_keys: list[
        WrappingGeneration
    ]  # the last one wraps what is new; others are there until all is wrapped anew


class DescribeWrappingKeysRequest(Request, frozen=True):
    pass


class RotateWrappingKeyRequest(Request, frozen=True):
    pass


@operation(changes=False, product=KEYSTEAD)
def describe_wrapping_keys(call: Call, request: DescribeWrappingKeysRequest) -> WrappingKeysReply:
    """The generations of the wrapping key that are there."""
    return _reply(call)


@operation(changes=True, product=KEYSTEAD)
def rotate_wrapping_key(call: Call, request: RotateWrappingKeyRequest) -> WrappingKeysReply:
    """Make a new generation of the wrapping key. All that others have wrapped is wrapped anew, then they are destroyed."""
    newest = call.store.keyring.all()[-1].generation
    call.store.keyring.add(call.vault.new_wrapping_key(call.now, newest + 1))
    return _reply(call)


def _reply(call: Call) -> WrappingKeysReply:
    return WrappingKeysReply(
        wrapping_keys=[
            WrappingGeneration(
                generation=row.generation, created=iso8601(row.created), root_key=row.root_fingerprint
            )
            for row in call.store.keyring.all()
        ]
    )
