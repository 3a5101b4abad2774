"""Account: its KMS as a whole."""

from keystead.api.operation import Call, operation
from keystead.api.wire_types import Empty, Reply, Request
from keystead.errors import AlreadyOpened, AttestationUnsupported


class DescribeAccountKmsStatusRequest(Request, frozen=True):
    pass


class DescribeAccountKmsStatusReply(Reply, frozen=True):
    account_status: str


@operation()
def describe_account_kms_status(
    call: Call, request: DescribeAccountKmsStatusRequest
) -> DescribeAccountKmsStatusReply:
    """Show whether the account has a KMS: whoever reaches this server does."""
    return DescribeAccountKmsStatusReply(account_status="Enabled")


class OpenKmsServiceRequest(Request, frozen=True):
    pass


@operation(errors=(AlreadyOpened,))
def open_kms_service(call: Call, request: OpenKmsServiceRequest) -> Empty:
    """Open the account's KMS, which is always open here: refused as the vendor refuses it then."""
    raise AlreadyOpened


class GetChallengeRequest(Request, frozen=True):
    pass


@operation(errors=(AttestationUnsupported,))
def get_challenge(call: Call, request: GetChallengeRequest) -> Empty:
    """Begin an attested delivery, for which a server needs an enclave's hardware: refused, as is every Recipient."""
    raise AttestationUnsupported
