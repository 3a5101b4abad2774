"""How RAM users sign in: passwords and the rules for them, and MFA devices. Names and limits are the vendor's.

Source: its pages "Configure the password policy for RAM users", LoginProfile, PasswordPolicy and VirtualMFADevice.
"""

import ipaddress
from functools import lru_cache

import msgspec

from keystead.domain.keys.key import DAY
from keystead.domain.keys.key import Wrapped as Wrapped
from keystead.forms import Form

SHORTEST, LONGEST = 8, 32  # what a policy may ask for as the least length
PASSWORD_CHARACTERS = 128  # of the longest password
OLDEST = 1095  # days, as the most that a policy lets a password be used
REMEMBERED = 24  # passwords, as the most that a policy keeps from coming again
RETRIES = 32  # as the most that a policy says
MFA_DEVICES = 2000  # of one account
ADDRESSES = 20  # that are remembered of one user
DEVICE_NAME = Form(r"[A-Za-z0-9._-]{1,64}", "1 to 64 letters, digits, periods, hyphens and _")
SERIAL_NUMBER = Form(r"acs:ram::[0-9]{16}:mfa/[A-Za-z0-9._-]{1,64}", "as acs:ram::ACCOUNT:mfa/NAME")
CODE = Form(r"[0-9]{6}", "6 digits")


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of an account for the passwords of its users. `max_age` is days, `max_attempts` wrong passwords; 0 is no
    rule of the account's own."""

    account: str
    min_length: int = SHORTEST
    lowercase: bool = True
    uppercase: bool = True
    numbers: bool = True
    symbols: bool = True
    hard_expiry: bool = False
    max_age: int = 0
    reuse: int = 0
    max_attempts: int = 0

    def lacks(self, password: str) -> str:
        """What the password lacks by these rules, in words; "" if nothing."""
        wanted = (
            (len(password) >= self.min_length, f"{self.min_length} characters"),
            (not self.lowercase or any(one.islower() for one in password), "a lower-case letter"),
            (not self.uppercase or any(one.isupper() for one in password), "an upper-case letter"),
            (not self.numbers or any(one.isdigit() for one in password), "a digit"),
            (not self.symbols or any(not one.isalnum() for one in password), "a symbol"),
        )
        return ", ".join(words for has, words in wanted if not has)


class LoginProfile(msgspec.Struct, frozen=True, kw_only=True):
    """That a user may sign in with a password. `password` is its hash, `past` those before, the newest first, a line each.

    Times are seconds since 1970: when the profile was made, its password set, and somebody last signed in (0: never).
    """

    account: str
    user_id: str
    password: str
    created: int
    changed: int
    past: str = ""
    reset_required: bool = False
    mfa_bind_required: bool = False
    last_login: int = 0

    def expired(self, policy: PasswordPolicy, now: int) -> bool:
        """Whether the password is older than the rules let it be."""
        return 0 < policy.max_age * DAY <= now - self.changed

    def hashes(self, policy: PasswordPolicy) -> tuple[str, ...]:
        """Those that must not come again, the newest first."""
        return (self.password, *self.past.splitlines())[: policy.reuse]

    def with_password(self, password: str, policy: PasswordPolicy, now: int) -> "LoginProfile":
        """The profile with the hash of another password."""
        past = "\n".join(self.hashes(policy))
        return msgspec.structs.replace(self, password=password, past=past, changed=now)


class MfaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """An app that shows codes, by RFC 6238. Its seed is wrapped: `generation` and `seed` are that.

    `user_id` is "" until it is bound; `step` is the time step of the code that was accepted last, none of which or before it
    is accepted again.
    """

    account: str
    name: str
    generation: int
    seed: bytes
    user_id: str = ""
    activated: int = 0
    step: int = 0

    @property
    def wrapped(self) -> Wrapped:
        """The seed as the vault has wrapped it."""
        return Wrapped(self.generation, self.seed)


class KnownAddress(msgspec.Struct, frozen=True, kw_only=True):
    """That a user has signed in from an address, last at `seen` (seconds since 1970), to within a day."""

    account: str
    user_id: str
    address: str
    seen: int


@lru_cache(1024)
def address_group(source: str) -> str:
    """What counts as one address: with IPv6 the /64 that one machine has all of."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:  # `unix`, or nobody said
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
