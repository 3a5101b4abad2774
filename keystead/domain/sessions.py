"""Sessions: that somebody has signed in to the console, and the one-time links and codes by which the owner does.

Tokens, links and codes are kept as hashes only: nobody who reads the store can use one.
"""

import base64
import enum
import hashlib

import msgspec

IDLE = 30 * 60  # seconds without a call after which a session ends
LONGEST = 12 * 60 * 60  # seconds after which it ends in any case
CONFIRMED = 5 * 60  # seconds for which a proof lets keys be deleted and policies be changed
ONCE = 60  # seconds for which a link or code may be used, once
USED_EVERY = 60  # seconds to which it is known when a session was used last
TOKEN_BYTES = 32
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another


class How(enum.StrEnum):
    """By what somebody signed in."""

    PASSWORD = "password"  # noqa: S105 - the word itself
    LINK = "link"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session. `user_id` is "" for the account's owner; `session_id` is public, the token is not: `digest` is its hash.

    Times are seconds since 1970: when it began, was used last (to within USED_EVERY), and when its person last gave a proof.
    `mfa` is whether that person signed in with a code beside the password.
    """

    digest: bytes
    session_id: str
    account: str
    user_id: str
    created: int
    used: int
    confirmed: int
    how: How
    source: str
    mfa: bool = False

    @property
    def idle_end(self) -> int:
        """When it ends unless it is used."""
        return min(self.used + IDLE, self.end)

    @property
    def end(self) -> int:
        """When it ends in any case."""
        return self.created + LONGEST

    @property
    def confirmed_until(self) -> int:
        """Until when a proof is not asked for again."""
        return min(self.confirmed + CONFIRMED, self.end)

    def live(self, now: float) -> bool:
        """Whether it has not ended. One of the future, by a clock that was put back, counts as used now."""
        return now < self.idle_end


class TicketKind(enum.StrEnum):
    """What a ticket is for."""

    LINK = "link"  # to sign in
    CODE = "code"  # to confirm


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator was given for the owner of an account, to be used once until `expires` (seconds since 1970)."""

    digest: bytes
    account: str
    kind: TicketKind
    expires: int


def token_of(raw: bytes) -> str:
    """The token that random bytes are, as it stands in a cookie or link."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hashed(*words: str) -> bytes:
    """The hash that a token, or a code with its account, is kept as."""
    return hashlib.sha256("\n".join(words).encode()).digest()


def short_code(token: str) -> str:
    """What a terminal and a page both show of a link, as `K7QM-2XPD`, to be seen to be the same; it opens nothing."""
    return confirmation_code(hashlib.sha256(f"keystead/short-code/1\n{token}".encode()).digest())


def confirmation_code(raw: bytes) -> str:
    """Eight letters and digits of five random bytes or more, as `K7QM-2XPD`."""
    number = int.from_bytes(raw[:5], "big")
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))
    return f"{letters[:4]}-{letters[4:]}"


def as_typed(code: str) -> str:
    """A code as it was given out, whatever a person typed of it: in lower case, without the hyphen, with O for 0."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    letters = letters.translate(str.maketrans("OIL", "011"))
    return f"{letters[:4]}-{letters[4:]}"
