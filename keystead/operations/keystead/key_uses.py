"""Uses of keys: who used which version of a key by which operation, when last, and how often."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import KeyRef, Reply, Request
from keystead.clock import iso8601
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import KEYSTEAD

USES = 200  # that are told at most


class UsageOfKeyRequest(Request, frozen=True):
    key_id: KeyRef


class UseOfKey(Reply, frozen=True):
    key_version_id: str
    account_id: str
    caller_type: str
    principal: str
    user_name: str
    access_key_id: str  # empty: it was used in the console
    action: str
    last_date: str
    count: int
    refused: int


class UsesOfKey(Reply, frozen=True):
    use: list[UseOfKey]


class UsageOfKeyReply(Reply, frozen=True):
    key_id: str
    uses: UsesOfKey
    since: str  # what was used before it is told by the audit records alone
    total_count: int


@key_operation(gate=Gate.ANY, product=KEYSTEAD, of_accounts=True, permission="kms:DescribeKey")
def usage_of_key(call: KeyCall, request: UsageOfKeyRequest) -> UsageOfKeyReply:
    """Tell who used a key, by which operation and which version of it: the latest 200 first."""
    found = call.tallies.uses(call.store, call.key.place)
    return UsageOfKeyReply(
        key_id=call.key.key_id,
        uses=UsesOfKey(
            use=[
                UseOfKey(
                    key_version_id=user.version,
                    account_id=user.account,
                    caller_type=user.caller_type,
                    principal=user.principal,
                    user_name=user.name,
                    access_key_id=user.access_key_id,
                    action=user.action,
                    last_date=iso8601(use.last),
                    count=use.calls,
                    refused=use.refused,
                )
                for user, use in found[:USES]
            ]
        ),
        since=iso8601(call.tallies.since(call.store)),
        total_count=len(found),
    )
