"""The root key: its operator's means to change it, and to give shares of it away; not reachable over the network."""

from typing import Annotated

from keystead.api import coerce
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Param, Reply, Request
from keystead.domain.products import KEYSTEAD
from keystead.errors import NoRootKeyOffered

Provider = Annotated[str, Param("String", coerce.text_up_to(4096, "as the setting root-key has it"))]
Fingerprint = Annotated[str, Param("String", coerce.text_up_to(16, "hex digits"))]
Shares = Annotated[int, Param("Integer", coerce.integer(2, 16))]


class RotateRootKeyRequest(Request, frozen=True):
    provider: Provider


class RotateRootKeyReply(Reply, frozen=True):
    fingerprint: str
    before: str
    wrapping_keys: int
    own_keys: int


@operation(changes=True, product=KEYSTEAD)
def rotate_root_key(call: Call, request: RotateRootKeyRequest) -> RotateRootKeyReply:
    """Wrap all that the root key wraps by another one, which the command has at hand."""
    wrapping_keys, keyring = call.store.keyring.all(), call.store.keyring
    anew = call.vault.rewrap(wrapping_keys, keyring.secrets())
    if anew is None or anew.facts.provider != request.provider:
        raise NoRootKeyOffered
    for row in anew.wrapping_keys:
        keyring.put(row)
    for secret in anew.secrets:
        keyring.put_secret(secret)
    keyring.put_root(anew.facts)
    return RotateRootKeyReply(
        fingerprint=anew.facts.fingerprint,
        before=wrapping_keys[0].root_fingerprint,
        wrapping_keys=len(anew.wrapping_keys),
        own_keys=len(anew.secrets),
    )


class NoteRootKeySharesRequest(Request, frozen=True):
    fingerprint: Fingerprint
    needed: Shares
    shares: Shares


class NoteRootKeySharesReply(Reply, frozen=True):
    pass


@operation(product=KEYSTEAD)
def note_root_key_shares(call: Call, request: NoteRootKeySharesRequest) -> NoteRootKeySharesReply:
    """Record that shares of the root key are given out: how many, and how many of them make the key."""
    return NoteRootKeySharesReply()
