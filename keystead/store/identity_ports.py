"""What the service asks of a store as to identities and their sessions; see `ports`, which has them, too."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from keystead.domain.identities import Attachment, CustomPolicy, Group, Member, PolicyVersion, User
from keystead.domain.sessions import Session, Ticket
from keystead.domain.sign_in import KnownAddress, LoginProfile, MfaDevice, PasswordPolicy

Identity = (
    User
    | Group
    | Member
    | CustomPolicy
    | PolicyVersion
    | Attachment
    | LoginProfile
    | PasswordPolicy
    | MfaDevice
    | KnownAddress
)
V = TypeVar(
    "V",
    User,
    Group,
    Member,
    CustomPolicy,
    Attachment,
    LoginProfile,
    PasswordPolicy,
    MfaDevice,
    KnownAddress,
)

# By which fields one is known from all others of its type.
IDENTITIES: dict[type[Identity], tuple[str, ...]] = {
    User: ("account", "user_id"),
    Group: ("account", "group_id"),
    Member: ("account", "group_id", "user_id"),
    CustomPolicy: ("account", "name"),
    PolicyVersion: ("account", "policy", "number"),
    Attachment: ("account", "kind", "holder", "policy_type", "policy"),
    LoginProfile: ("account", "user_id"),
    PasswordPolicy: ("account",),
    MfaDevice: ("account", "name"),
    KnownAddress: ("account", "user_id", "address"),
}


def identity_key(one: Identity) -> tuple[str, ...]:
    """What one is known by, from all others of its type."""
    return tuple([getattr(one, field) for field in IDENTITIES[type(one)]])


class Revisions:
    """Numbers that stand for what there is of each account, for as long as that is so. None is ever given again."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._latest = 0

    def of(self, account: str) -> int:
        """The number that stands for the account as it is."""
        if account not in self._known:
            self._latest += 1
            self._known[account] = self._latest
        return self._known[account]

    def changed(self, account: str) -> None:
        """The account is no longer as it was."""
        self._known.pop(account, None)

    def all_changed(self) -> None:
        """No account may be as it was."""
        self._known.clear()


class Identities(Protocol):
    """Users, groups, policies and what is attached, and how users sign in. An account has so few of them that none is looked
    up in here: whoever asks gets all of a type, oldest first.

    What another refers to must be there before and gone after it; names are unique by type and account.
    """

    def all(self, kind: type[V], account: str) -> tuple[V, ...]: ...

    def versions(self, account: str, policy: str) -> tuple[PolicyVersion, ...]:
        """The versions of a policy, oldest first."""
        ...

    def add(self, one: Identity) -> None:
        """A new one."""
        ...

    def put(self, one: Identity) -> None:
        """Replace an existing one."""
        ...

    def remove(self, one: Identity) -> None:
        """Remove an existing one."""
        ...

    def revision(self, account: str) -> int:
        """A number that stands for what there is of an account now, and for nothing that will be otherwise."""
        ...


class Sessions(Protocol):
    """Sessions and tickets, by the hashes of what proves them."""

    def get(self, digest: bytes) -> Session | None:
        """The session, ended or not, or None."""
        ...

    def add(self, session: Session) -> None: ...

    def put(self, session: Session) -> None:
        """Keep when an existing session was used and confirmed last."""
        ...

    def note_use(self, used: Mapping[bytes, int]) -> None:
        """Keep when sessions were used last, by digest: seconds since 1970. One that is gone is passed over."""
        ...

    def remove(self, session: Session) -> None:
        """Remove a session, if it is there."""
        ...

    def end_all(self) -> int:
        """End the sessions of all accounts, and take back all tickets; gives how many sessions there were."""
        ...

    def of(self, account: str) -> tuple[Session, ...]:
        """All sessions of an account and of its users, oldest first."""
        ...

    def ticket(self, digest: bytes) -> Ticket | None:
        """The ticket, expired or not, or None."""
        ...

    def add_ticket(self, ticket: Ticket) -> None: ...

    def remove_ticket(self, ticket: Ticket) -> None:
        """Remove an existing ticket."""
        ...

    def purge(self, now: int) -> None:
        """Forget sessions that have ended and tickets that have expired at `now`."""
        ...
