"""Identity: what the vendor's command line and many a program ask before anything else."""

from keystead.access.callers import CallerType
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.domain.products import STS


class GetCallerIdentityRequest(Request, frozen=True):
    pass


class GetCallerIdentityReply(Reply, frozen=True):
    account_id: str
    user_id: str
    arn: str
    principal_id: str
    identity_type: str


@operation(product=STS, free=True)
def get_caller_identity(call: Call, request: GetCallerIdentityRequest) -> GetCallerIdentityReply:
    """Show who calls: the account itself, or a RAM user of it."""
    caller = call.caller
    return GetCallerIdentityReply(
        account_id=call.account,
        user_id=caller.principal,
        arn=caller.arn,
        principal_id=caller.principal,
        identity_type="RAMUser" if caller.type is CallerType.RAM_USER else "Account",
    )
