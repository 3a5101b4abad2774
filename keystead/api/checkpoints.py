"""Signed checkpoints of a server's records: who has one can prove later that nothing before it was changed or cut off."""

from keystead.crypto.notes import Signer
from keystead.crypto.vault import Vault
from keystead.domain.audit import Head
from keystead.domain.checkpoints import Checkpoint, origin
from keystead.domain.members import is_shared
from keystead.store.ports import Store

OWN_KEY = "checkpoints"


def ensure_key(store: Store, vault: Vault, now: int) -> bool:
    """Make the key that signs them, within a batch, if there is none; True if it was made."""
    if vault.has_own_key(OWN_KEY):
        return False
    store.keyring.put_secret(vault.make_own_key(OWN_KEY, now))
    return True


def signer_of(vault: Vault, chain: str, account: str) -> Signer:
    """What signs the checkpoints of a chain. Servers that share a store sign as one, in the name of the account that it was
    made with: a chain is of one run of a server, and who notes a key should have to do so once."""
    return vault.signer(OWN_KEY, origin(account if is_shared(chain) else chain))


def sign(vault: Vault, chain: str, head: Head, account: str, now: int) -> tuple[Checkpoint, str]:
    """A checkpoint of all records up to the head of a chain, and the note that it is signed in."""
    checkpoint = Checkpoint(chain, head, now)
    return checkpoint, signer_of(vault, chain, account).sign(checkpoint.text)
