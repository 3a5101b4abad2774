"""Policies of keys: beside those of Ram, who may do what with a key."""

import msgspec

from keystead.api.key_policies import refuse_lockout
from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import Empty, KeyIdRef, Policy, PolicyName, Reply, Request
from keystead.domain import policies
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import PolicyNotFound


class SetKeyPolicyRequest(Request, frozen=True):
    key_id: KeyIdRef
    policy: Policy
    policy_name: PolicyName = policies.NAME


@key_operation(gate=Gate.EDIT, changes=True, confirmed=True, errors=(PolicyNotFound,))
def set_key_policy(call: KeyCall, request: SetKeyPolicyRequest) -> Empty:
    """Replace a key's policy."""
    if request.policy_name != policies.NAME:
        raise PolicyNotFound
    refuse_lockout(call.account, request.policy)
    call.store.keys.put(msgspec.structs.replace(call.key, policy=request.policy))
    return Empty()


class GetKeyPolicyRequest(Request, frozen=True):
    key_id: KeyIdRef
    policy_name: PolicyName = policies.NAME


class GetKeyPolicyReply(Reply, frozen=True):
    policy: str


@key_operation(gate=Gate.ANY, errors=(PolicyNotFound,))
def get_key_policy(call: KeyCall, request: GetKeyPolicyRequest) -> GetKeyPolicyReply:
    """Show a key's policy; one that was never set lets in whom the account lets in."""
    if request.policy_name != policies.NAME:
        raise PolicyNotFound
    return GetKeyPolicyReply(policy=call.key.policy or policies.of_everybody(call.account))
