"""Sessions: how a person signs in to the console, proves again who they are, and signs out."""

from typing import Annotated

import msgspec

from keystead.access.callers import CallerType
from keystead.api import attempts
from keystead.api.coerce import text_up_to
from keystead.api.http.receive import Received
from keystead.api.operation import Call, operation
from keystead.api.passwords import Password, ShownPasswordPolicy, shown
from keystead.api.ram_lookup import find_user
from keystead.api.sign_in import Arrival, Door
from keystead.api.sign_in_rows import device_of, password_policy, profile_of
from keystead.api.slow import Attempt
from keystead.api.wire_types import Empty, Param, Reply, Request
from keystead.clock import iso8601
from keystead.crypto import passwords
from keystead.domain import sessions
from keystead.domain.keys.rotation import DAY
from keystead.domain.products import CONSOLE
from keystead.domain.sessions import TicketKind
from keystead.domain.sign_in import ADDRESSES, KnownAddress, address_group
from keystead.errors import (
    ConfirmationRefused,
    MfaCodeRequired,
    MfaCodeWrong,
    MissingParameter,
    PasswordExpired,
    SignInLinkInvalid,
    SignInRefused,
    TooManyAttempts,
)

# What is typed into the wrong field may be a password, and nobody's name.
SignInName = Annotated[str, Param("String", text_up_to(128, "NAME or NAME@ACCOUNT"), sensitive=True)]
Code = Annotated[str, Param("String", text_up_to(16), sensitive=True)]
Token = Annotated[str, Param("String", text_up_to(64), sensitive=True)]


class CreateSessionRequest(Request, frozen=True):
    user_name: SignInName
    password: Password
    code: Code = ""


class CreateSessionReply(Reply, frozen=True):
    session_token: str
    session_id: str
    expire_date: str


def _by_password(
    door: Door, asked: Received, request: CreateSessionRequest, attempt: Attempt, now: int
) -> Arrival:
    name, password, code = request.user_name, request.password, request.code
    return door.by_password(name, password, code, asked, attempt, now)


@operation(
    changes=True,
    product=CONSOLE,
    proof=_by_password,
    errors=(SignInRefused, MfaCodeRequired, MfaCodeWrong, PasswordExpired, TooManyAttempts),
)
def create_session(call: Call, request: CreateSessionRequest) -> CreateSessionReply:
    """Sign a RAM user in with a password, and with a code if an MFA device is bound."""
    session = call.signed_in
    profile = profile_of(call.store, session.account, session.user_id)
    assert profile is not None
    call.store.identities.put(msgspec.structs.replace(profile, last_login=call.now))
    _note_address(call, address_group(session.source))
    return _keep(call)


class RedeemSignInLinkRequest(Request, frozen=True):
    token: Token


def _by_link(
    door: Door, asked: Received, request: RedeemSignInLinkRequest, attempt: Attempt, now: int
) -> Arrival:
    return door.by_link(request.token, asked, now)


@operation(changes=True, product=CONSOLE, proof=_by_link, errors=(SignInLinkInvalid,))
def redeem_sign_in_link(call: Call, request: RedeemSignInLinkRequest) -> CreateSessionReply:
    """Sign an account's owner in with the one-time link of the operator."""
    ticket = call.store.sessions.ticket(sessions.hashed(request.token))
    assert ticket is not None
    call.store.sessions.remove_ticket(ticket)
    return _keep(call)


def _keep(call: Call) -> CreateSessionReply:
    """Keep the session that has just begun. Its token is in nobody's hands but the caller's."""
    token = sessions.token_of(call.entropy.take(sessions.TOKEN_BYTES))
    session = msgspec.structs.replace(call.signed_in, digest=sessions.hashed(token))
    call.store.sessions.add(session)
    return CreateSessionReply(
        session_token=token, session_id=session.session_id, expire_date=iso8601(session.end)
    )


def _note_address(call: Call, address: str) -> None:
    """The user has signed in from here: nobody elsewhere can keep them from doing so again."""
    session, identities = call.signed_in, call.store.identities
    known = [one for one in identities.all(KnownAddress, session.account) if one.user_id == session.user_id]
    found = next((one for one in known if one.address == address), None)
    if found is not None:
        if call.now - found.seen >= DAY:
            identities.put(msgspec.structs.replace(found, seen=call.now))
        return
    if len(known) >= ADDRESSES:
        identities.remove(min(known, key=lambda one: one.seen))
    identities.add(
        KnownAddress(account=session.account, user_id=session.user_id, address=address, seen=call.now)
    )


class GetSessionRequest(Request, frozen=True):
    pass


class GetSessionReply(Reply, frozen=True):
    account_id: str
    account_name: str
    user_id: str  # empty: the owner, as the next
    user_name: str
    root: bool
    session_id: str
    how: str  # password or link
    mfa_present: bool  # whether a code was given at signing in
    mfa_bound: bool  # whether the user has an MFA device now
    pending: list[str]  # the codes of what is refused all else until it is done
    create_date: str
    idle_date: str  # when it ends unless it is used: GetSession does not count as use
    expire_date: str
    confirmed_until: str
    password_policy: ShownPasswordPolicy


@operation(product=CONSOLE, quiet=True)
def get_session(call: Call, request: GetSessionRequest) -> GetSessionReply:
    """Show who is signed in, since when, until when, and what they have to do first."""
    session, store = call.signed_in, call.store
    account = store.accounts.get(session.account)
    assert account is not None
    return GetSessionReply(
        account_id=session.account,
        account_name=account.name,
        user_id=session.user_id,
        user_name=call.caller.session,
        root=call.caller.type is CallerType.ROOT,
        session_id=session.session_id,
        how=session.how,
        mfa_present=session.mfa,
        mfa_bound=bool(session.user_id) and device_of(store, session.account, session.user_id) is not None,
        pending=[one.code for one in call.door.pending(session, call.now)],
        create_date=iso8601(session.created),
        idle_date=iso8601(session.idle_end),
        expire_date=iso8601(session.end),
        confirmed_until=iso8601(session.confirmed_until),
        password_policy=shown(password_policy(store, session.account)),
    )


class ConfirmSessionRequest(Request, frozen=True):
    password: Password = ""
    code: Code = ""


class ConfirmSessionReply(Reply, frozen=True):
    confirmed_until: str


@operation(changes=True, product=CONSOLE, errors=(ConfirmationRefused, TooManyAttempts))
def confirm_session(call: Call, request: ConfirmSessionRequest) -> ConfirmSessionReply:
    """Prove again who is signed in, by the password or a code: for some minutes keys may be deleted and policies changed."""
    if not request.password and not request.code:
        raise MissingParameter(name="Code" if call.caller.type is CallerType.ROOT else "Password")
    limits = (attempts.of_session(call.signed_in.session_id),)
    call.door.attempts.refuse(limits, call.now)
    prove = _owner_proves if call.caller.type is CallerType.ROOT else _user_proves
    if not prove(call, request):
        call.door.attempts.failed(limits, call.now)
        raise ConfirmationRefused
    call.door.attempts.succeeded(*limits)
    session = msgspec.structs.replace(call.signed_in, confirmed=call.now)
    call.store.sessions.put(session)
    return ConfirmSessionReply(confirmed_until=iso8601(session.confirmed_until))


def _owner_proves(call: Call, request: ConfirmSessionRequest) -> bool:
    code = sessions.as_typed(request.code)
    ticket = call.store.sessions.ticket(sessions.hashed(call.account, code))
    if ticket is None or ticket.kind is not TicketKind.CODE or ticket.expires <= call.now:
        return False
    call.store.sessions.remove_ticket(ticket)
    return True


def _user_proves(call: Call, request: ConfirmSessionRequest) -> bool:
    user = find_user(call, call.caller.session)
    profile = profile_of(call.store, call.account, user.user_id)
    device = device_of(call.store, call.account, user.user_id)
    assert profile is not None
    if request.password:
        return call.prove(passwords.matches, profile.password, request.password)
    return device is not None and call.door.takes_code(device, request.code, call.now)


class DeleteSessionRequest(Request, frozen=True):
    pass


@operation(changes=True, product=CONSOLE)
def delete_session(call: Call, request: DeleteSessionRequest) -> Empty:
    """Sign out."""
    call.store.sessions.remove(call.signed_in)
    return Empty()
