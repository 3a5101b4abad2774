"""What is kept of how the users of an account sign in, found; and sessions ended with what they depend on."""

from keystead.domain.sessions import Session
from keystead.domain.sign_in import KnownAddress, LoginProfile, MfaDevice, PasswordPolicy
from keystead.store.ports import Store


def profile_of(store: Store, account: str, user_id: str) -> LoginProfile | None:
    """The login profile of a user, or None."""
    every = store.identities.all(LoginProfile, account)
    return next((one for one in every if one.user_id == user_id), None)


def device_of(store: Store, account: str, user_id: str) -> MfaDevice | None:
    """The MFA device that is bound to a user, or None."""
    return next((one for one in store.identities.all(MfaDevice, account) if one.user_id == user_id), None)


def password_policy(store: Store, account: str) -> PasswordPolicy:
    """The rules of an account for passwords, or those of one that has set none."""
    return next(iter(store.identities.all(PasswordPolicy, account)), PasswordPolicy(account=account))


def end_sessions(store: Store, account: str, user_id: str | None = None, but: Session | None = None) -> None:
    """End the sessions of a user, or all of an account with its users; except one, if that is given."""
    for session in store.sessions.of(account):
        if user_id in (None, session.user_id) and (but is None or session.session_id != but.session_id):
            store.sessions.remove(session)


def forget_addresses(store: Store, account: str, user_id: str) -> None:
    """Forget from where a user has signed in."""
    for one in store.identities.all(KnownAddress, account):
        if one.user_id == user_id:
            store.identities.remove(one)
