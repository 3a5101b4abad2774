"""Policies that an account may give its keys."""

from keystead.access.decisions import lockout
from keystead.api.principals import compiled_of_key
from keystead.errors import KeyPolicyMalformed


def refuse_lockout(owner: str, policy: str) -> None:
    """Return unless this well-formed policy (or "", none) would keep the account that owns the key from ever setting another
    one; then InvalidParameter(Policy)."""
    statement = lockout(compiled_of_key(policy), owner) if policy else None
    if statement is not None:
        reason = "denies the account's root user kms:SetKeyPolicy, so that nobody could ever change it again."
        raise KeyPolicyMalformed(name="Policy", reason=f"Statement[{statement.number}]: {reason}")
