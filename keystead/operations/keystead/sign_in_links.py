"""Links and codes for the owner of an account at the console: whoever runs the server vouches for them."""

from keystead.api.access_keys import AccountId, account_of
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.clock import iso8601
from keystead.domain import sessions
from keystead.domain.accounts import AccountStatus
from keystead.domain.arns import account_arn
from keystead.domain.products import KEYSTEAD
from keystead.domain.sessions import Ticket, TicketKind
from keystead.errors import InvalidParameter


class CreateSignInLinkRequest(Request, frozen=True):
    account_id: AccountId = ""


class CreateSignInLinkReply(Reply, frozen=True):
    token: str
    short_code: str
    expire_date: str


@operation(changes=True, product=KEYSTEAD)
def create_sign_in_link(call: Call, request: CreateSignInLinkRequest) -> CreateSignInLinkReply:
    """Make a link by which the owner of an account signs in to the console, once, within a minute."""
    token = sessions.token_of(call.entropy.take(sessions.TOKEN_BYTES))
    expires = _give(call, request.account_id, TicketKind.LINK, token)
    return CreateSignInLinkReply(
        token=token, short_code=sessions.short_code(token), expire_date=iso8601(expires)
    )


class CreateConfirmationCodeRequest(Request, frozen=True):
    account_id: AccountId = ""


class CreateConfirmationCodeReply(Reply, frozen=True):
    code: str
    expire_date: str


@operation(changes=True, product=KEYSTEAD)
def create_confirmation_code(
    call: Call, request: CreateConfirmationCodeRequest
) -> CreateConfirmationCodeReply:
    """Make a code by which the owner of an account confirms a session, once, within a minute."""
    code = sessions.confirmation_code(call.entropy.take(5))
    expires = _give(call, request.account_id, TicketKind.CODE, code)
    return CreateConfirmationCodeReply(code=code, expire_date=iso8601(expires))


def _give(call: Call, account_id: str, kind: TicketKind, secret: str) -> int:
    """Keep a ticket until it is used or has expired; says when that is."""
    account = account_of(call, account_id)
    found = call.store.accounts.get(account)
    assert found is not None
    if found.status is not AccountStatus.ACTIVE:
        raise InvalidParameter(name="AccountId")
    call.resources.append(account_arn(account))
    words = (account, secret) if kind is TicketKind.CODE else (secret,)
    expires = call.now + sessions.ONCE
    call.store.sessions.add_ticket(
        Ticket(digest=sessions.hashed(*words), account=account, kind=kind, expires=expires)
    )
    return expires
