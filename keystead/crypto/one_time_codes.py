"""The codes that authenticator apps show: RFC 6238, with six digits, thirty seconds and SHA-1, as all of them have it."""

import base64
import hmac

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SEED_BYTES = 20  # RFC 4226 section 4
STEP = 30  # seconds
_AROUND = (0, -1, 1)  # steps: a phone's clock may be off by so much


def code_at(seed: bytes, step: int) -> str:
    """The code of a time step, six digits."""
    return _totp(seed).generate(step * STEP).decode()


def step_of(seed: bytes, code: str, now: float, after: int) -> int | None:
    """The time step around now that has this code, whatever spaces are in it; None if none has.

    It must come after the one that was accepted last.
    """
    current, typed = int(now) // STEP, code.replace(" ", "").encode()
    matching = [
        current + away
        for away in _AROUND
        if hmac.compare_digest(code_at(seed, current + away).encode(), typed)
    ]
    return next((step for step in matching if step > after), None)


def second_step_of(seed: bytes, first: str, second: str, now: float) -> int | None:
    """The time step around now whose code is the second, and the first that of the step before; None if none is."""
    current = int(now) // STEP
    for away in _AROUND:
        step = current + away
        pair = code_at(seed, step - 1) + code_at(seed, step)
        if hmac.compare_digest(pair.encode(), (first + second).encode()):
            return step
    return None


def base32(seed: bytes) -> str:
    """A seed as people type it into an app."""
    return base64.b32encode(seed).decode().rstrip("=")


def uri(seed: bytes, name: str) -> str:
    """What an app reads from a QR code; it holds the seed."""
    return _totp(seed).get_provisioning_uri(name, "Keystead")


def _totp(seed: bytes) -> TOTP:
    return TOTP(seed, 6, SHA1(), STEP)  # noqa: S303 - as RFC 6238 and every app have it
