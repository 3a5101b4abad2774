"""Signed checkpoints of a server's records: who has one can prove later that nothing before it was changed or cut off."""

from keystead.crypto.notes import Signer
from keystead.crypto.vault import Vault
from keystead.domain.checkpoints import Checkpoint, origin
from keystead.store.ports import Store

OWN_KEY = "checkpoints"


def ensure_key(store: Store, vault: Vault, now: int) -> bool:
    """Make the key that signs them, within a batch, if there is none; True if it was made."""
    if vault.has_own_key(OWN_KEY):
        return False
    store.keyring.put_secret(vault.make_own_key(OWN_KEY, now))
    return True


def signer_of(vault: Vault, chain: str) -> Signer:
    """What signs the checkpoints of a chain."""
    return vault.signer(OWN_KEY, origin(chain))


def sign(store: Store, vault: Vault, chain: str, now: int) -> tuple[Checkpoint, str]:
    """A checkpoint of all records that were durable when this batch began, and the note that it is signed in."""
    checkpoint = Checkpoint(chain, store.audit.head(chain), now)
    return checkpoint, signer_of(vault, chain).sign(checkpoint.text)
