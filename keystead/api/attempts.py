"""How often somebody may give a wrong password or code: guessing is slow, and nobody is locked out.

Kept in memory: a wrong password costs no write to the disk, and only the operator can start a server anew. A user who comes
from an address where they signed in before is counted apart from everybody else who gives that user's name.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from keystead.clock import iso8601
from keystead.domain.sign_in import PasswordPolicy, address_group
from keystead.errors import TooManyAttempts

OF_USER = 10  # wrong ones in OF_USER_SECONDS, unless the account's password policy says another number
OF_USER_SECONDS = 15 * 60
BY_POLICY_SECONDS = 60 * 60
OF_ADDRESS = 50
OF_ADDRESS_SECONDS = 15 * 60
_KEPT = 20_000  # names that are counted; beyond it the oldest is forgotten


class Limit(NamedTuple):
    """At most so many failures within so many seconds, for what has this name."""

    name: str
    most: int
    seconds: int


class _Count(NamedTuple):
    failures: int
    since: int
    until: int


class Attempts:
    """The failures of late."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def refuse(self, limits: Iterable[Limit], now: int) -> None:
        """TooManyAttempts, which says when to try again, if any of these has been reached."""
        ends = [
            count.until
            for limit in limits
            if (count := self._count(limit, now)) is not None and count.failures >= limit.most
        ]
        if ends:
            raise TooManyAttempts(when=iso8601(max(ends)), seconds=max(ends) - now)

    def failed(self, limits: Iterable[Limit], now: int) -> None:
        """Another one has failed. Who reaches a limit waits from then on."""
        for limit in limits:
            count = self._count(limit, now)
            failures = 1 if count is None else count.failures + 1
            since = now if count is None or failures >= limit.most else count.since
            self._counts.pop(limit.name, None)
            if len(self._counts) >= _KEPT:
                del self._counts[next(iter(self._counts))]
            self._counts[limit.name] = _Count(failures, since, since + limit.seconds)

    def succeeded(self, limit: Limit) -> None:
        """It was the right one: count anew."""
        self._counts.pop(limit.name, None)

    def forget(self, account: str, user: str) -> None:
        """The user has another password: count anew, wherever it was tried."""
        of_user = _user(account, user)
        for name in [one for one in self._counts if one.startswith(of_user)]:
            del self._counts[name]

    def _count(self, limit: Limit, now: int) -> _Count | None:
        count = self._counts.get(limit.name)
        # A clock that was put back must not make anybody wait for longer than this.
        return count if count is not None and count.since <= now < count.until else None


def of_address(source: str) -> Limit:
    """That of an address."""
    return Limit(f"address {address_group(source)}", OF_ADDRESS, OF_ADDRESS_SECONDS)


def of_user(account: str, user: str, policy: PasswordPolicy, known_address: str) -> Limit:
    """That of a user, who need not exist: from an address that is known to be the user's, or from all others."""
    name = f"{_user(account, user)} {known_address}"
    if policy.max_attempts:
        return Limit(name, policy.max_attempts, BY_POLICY_SECONDS)
    return Limit(name, OF_USER, OF_USER_SECONDS)


def of_session(session_id: str) -> Limit:
    """That of what is given to confirm a session."""
    return Limit(f"session {session_id}", OF_USER, OF_USER_SECONDS)


def _user(account: str, user: str) -> str:
    # What people type as a user's name may be a password.
    return f"user {hashlib.sha256(f'{account}/{user}'.encode()).hexdigest()}"
