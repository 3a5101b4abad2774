"""Identity: what the vendor's command line and many a program ask before anything else."""

from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.domain.arns import account_arn
from keystead.domain.products import STS


class GetCallerIdentityRequest(Request, frozen=True):
    pass


class GetCallerIdentityReply(Reply, frozen=True):
    account_id: str
    user_id: str
    arn: str
    principal_id: str
    identity_type: str


@operation(product=STS)
def get_caller_identity(call: Call, request: GetCallerIdentityRequest) -> GetCallerIdentityReply:
    """Show who calls: the account itself, whose AccessKeys are all that there are."""
    return GetCallerIdentityReply(
        account_id=call.account,
        user_id=call.account,
        arn=account_arn(call.account),
        principal_id=call.account,
        identity_type="Account",
    )
