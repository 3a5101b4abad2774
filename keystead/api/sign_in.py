"""Who calls by the console: whoever has a session, or proves just now who they are.

The console has no power of its own. A session stands for the person who signed in, with what the policies let that person
do; what was deleted, disabled or changed meanwhile ends it at once.
"""

from typing import NamedTuple

import msgspec

from keystead.access.callers import Caller, CallerType
from keystead.api import attempts
from keystead.api.attempts import Attempts, Limit
from keystead.api.bind import Bound
from keystead.api.catalogue import Operation
from keystead.api.http.receive import Received
from keystead.api.principals import Principals
from keystead.api.sign_in_rows import device_of, password_policy, profile_of
from keystead.api.slow import Attempt, Work
from keystead.crypto import one_time_codes, passwords
from keystead.crypto.vault import Vault
from keystead.domain import sessions
from keystead.domain.accounts import AccountStatus
from keystead.domain.identities import User
from keystead.domain.sessions import How, Session, TicketKind
from keystead.domain.sign_in import KnownAddress, MfaDevice, address_group
from keystead.entropy import Entropy
from keystead.errors import (
    ConfirmationRequired,
    KmsError,
    MfaBindRequired,
    MfaCodeRequired,
    MfaCodeWrong,
    PasswordExpired,
    PasswordResetRequired,
    SessionExpired,
    SignInLinkInvalid,
    SignInRefused,
    TooManyAttempts,
)
from keystead.forms import ACCOUNT
from keystead.store.ports import Store


class Arrival(NamedTuple):
    """Somebody who is known: with a session, which is not kept yet for who signs in just now; or refused all the same, which
    is recorded as theirs."""

    caller: Caller
    session: Session | None = None
    refusal: KmsError | None = None


class Door:
    """Lets in those who call by the console."""

    def __init__(
        self, store: Store, vault: Vault, entropy: Entropy, principals: Principals, home: str
    ) -> None:
        """`home`: the account of users who do not name theirs."""
        self._store = store
        self._vault = vault
        self._entropy = entropy
        self._principals = principals
        self._home = home
        self.attempts = Attempts()

    def arrive(self, asked: Received, bound: Bound | None, attempt: Attempt, now: int) -> Arrival:
        """Who calls. SessionExpired, or the refusal of who signs in, if that is not known."""
        if asked.refusal is not None:
            raise asked.refusal
        assert bound is not None
        operation = bound.operation
        if operation is None or operation.proof is None:
            return self._by_session(asked.session, now)
        if bound.refusal is not None:
            raise bound.refusal  # there is nothing to know anybody by
        arrival = operation.proof(self, asked, bound.request, attempt, now)
        assert isinstance(arrival, Arrival)
        return arrival

    def admit(self, session: Session | None, operation: Operation, now: int) -> None:
        """Refuse what a session may not do as long as its person has to do something else first."""
        if session is None or operation.own or operation.of_session:
            return
        for refusal in self.pending(session, now):
            raise refusal

    def confirmed(self, session: Session | None, operation: Operation, now: int) -> None:
        """ConfirmationRequired if the operation needs a proof, and the session's last one was given too long ago."""
        if session is None or not operation.confirmed:
            return
        if not session.confirmed <= now < session.confirmed_until:
            raise ConfirmationRequired

    def pending(self, session: Session, now: int) -> list[KmsError]:
        """What a session's person has to do before anything else, as the refusal of all else."""
        profile = profile_of(self._store, session.account, session.user_id)
        if profile is None:
            return []  # the owner
        found: list[KmsError] = []
        expired = profile.expired(password_policy(self._store, session.account), now)
        if profile.reset_required or expired:
            found.append(PasswordResetRequired())
        bound = device_of(self._store, session.account, session.user_id)
        if profile.mfa_bind_required and bound is None:
            found.append(MfaBindRequired())
        return found

    # --- by a session

    def _by_session(self, token: str, now: int) -> Arrival:
        session = self._store.sessions.get(sessions.hashed(token)) if token else None
        if session is None or not session.live(now) or not self._active(session.account):
            raise SessionExpired
        if not session.user_id:
            return Arrival(self._owner(session.account, session.session_id), session)
        user = self._principals.user(session.account, session.user_id)
        if user is None or profile_of(self._store, session.account, session.user_id) is None:
            raise SessionExpired
        return Arrival(_caller(user, session.session_id), session)

    def _active(self, account: str) -> bool:
        found = self._store.accounts.get(account)
        return found is not None and found.status is AccountStatus.ACTIVE

    def _owner(self, account: str, session_id: str) -> Caller:
        return Caller(account=account, type=CallerType.ROOT, principal=account, access_key_id=session_id)

    # --- by a proof

    def by_link(self, token: str, asked: Received, now: int) -> Arrival:
        """The owner of an account, by a link, which the operation then uses up. It is too long to be guessed: nobody is
        counted, and the owner is never locked out."""
        ticket = self._store.sessions.ticket(sessions.hashed(token))
        if ticket is None or ticket.kind is not TicketKind.LINK or ticket.expires <= now:
            raise SignInLinkInvalid
        if not self._active(ticket.account):
            raise SignInLinkInvalid
        session = self._new_session(ticket.account, "", How.LINK, asked.source, now)
        return Arrival(self._owner(ticket.account, session.session_id), session)

    def by_password(
        self, name: str, password: str, code: str, asked: Received, attempt: Attempt, now: int
    ) -> Arrival:
        """A RAM user, `alice` or `alice@ACCOUNT`. Nobody learns whether there is such a user who does not know the password:
        neither by the answer nor by how long it takes."""
        name, account = self._user_name(name)
        user = self._principals.named(account, name) if self._active(account) else None
        # What is looked for of a user is looked for where there is none, so that it takes as long.
        user_id = "" if user is None else user.user_id
        profile = profile_of(self._store, account, user_id)
        policy = password_policy(self._store, account)
        address = address_group(asked.source)
        known = self._known(account, user_id, address) is not None
        of_user = attempts.of_user(account, name, policy, address if known else "")
        limits = (attempts.of_address(asked.source), of_user)
        caller = None if user is None or profile is None else _caller(user, "")
        try:
            self.attempts.refuse(limits, now)
        except TooManyAttempts as refusal:
            if caller is None:
                raise
            return Arrival(caller, None, refusal.with_traceback(None))
        encoded = passwords.DECOY if profile is None else profile.password
        right = attempt.result(passwords.matches, (encoded, password), Work.PROVING)
        if user is None or profile is None or caller is None or not right:
            self.attempts.failed(limits, now)
            if caller is None:
                raise SignInRefused
            return Arrival(caller, None, SignInRefused())
        device = device_of(self._store, account, user.user_id)
        if device is not None:
            if not code:
                return Arrival(caller, None, MfaCodeRequired())
            if not self.takes_code(device, code, now):
                self.attempts.failed(limits, now)
                return Arrival(caller, None, MfaCodeWrong())
        if policy.hard_expiry and profile.expired(policy, now):
            return Arrival(caller, None, PasswordExpired())
        self.attempts.succeeded(of_user)
        session = self._new_session(
            account, user.user_id, How.PASSWORD, asked.source, now, mfa=device is not None
        )
        return Arrival(_caller(user, session.session_id), session)

    def takes_code(self, device: MfaDevice, code: str, now: int) -> bool:
        """Whether this is a code of the device that was not accepted before; from now on it was."""
        seed = self._vault.unwrap_seed(device.account, device.name, device.wrapped)
        step = one_time_codes.step_of(seed, code, now, device.step)
        if step is None:
            return False
        self._store.identities.put(msgspec.structs.replace(device, step=step))
        return True

    def limit_of(self, user: User, source: str) -> Limit:
        """That of the attempts of a user who calls from an address."""
        address = address_group(source)
        known = self._known(user.account, user.user_id, address) is not None
        policy = password_policy(self._store, user.account)
        return attempts.of_user(user.account, user.name, policy, address if known else "")

    def _user_name(self, text: str) -> tuple[str, str]:
        name, at, account = text.rpartition("@")
        if not at:
            return text, self._home
        # A name has no @, and what follows one may be anything: that is nobody's account.
        return name, account if ACCOUNT.fits(account) else ""

    def _known(self, account: str, user_id: str, address: str) -> KnownAddress | None:
        every = self._store.identities.all(KnownAddress, account)
        return next((one for one in every if (one.user_id, one.address) == (user_id, address)), None)

    def _new_session(
        self, account: str, user_id: str, how: How, source: str, now: int, *, mfa: bool = False
    ) -> Session:
        return Session(
            digest=b"",
            session_id=f"console-{self._entropy.take(8).hex()}",
            account=account,
            user_id=user_id,
            created=now,
            used=now,
            confirmed=now,
            how=how,
            source=source,
            mfa=mfa,
        )


def _caller(user: User, session_id: str) -> Caller:
    return Caller(
        account=user.account,
        type=CallerType.RAM_USER,
        principal=user.user_id,
        access_key_id=session_id,
        session=user.name,
    )
