"""A root key that lies in the database, encrypted by somebody else, as another KMS. A start has it decrypted there."""

from collections.abc import Callable

from keystead.crypto.derivation import KEY_BYTES
from keystead.crypto.root_key import SoftwareRootKey
from keystead.entropy import Entropy
from keystead.errors import OperatorError

# Bytes and the fingerprint they belong to, in and out; what they are encrypted with binds both together if it can.
Encrypt = Callable[[bytes, str], str]
Decrypt = Callable[[str, str], bytes]


def make(encrypt: Encrypt, entropy: Entropy) -> tuple[SoftwareRootKey, str]:
    """A new root key, and what is kept of it."""
    root = SoftwareRootKey(entropy.take(KEY_BYTES), entropy)
    return root, encrypt(root.reveal(), root.fingerprint)


def open_with(decrypt: Decrypt, kept: str, fingerprint: str, entropy: Entropy) -> SoftwareRootKey:
    """The root key of that fingerprint. OperatorError if what was decrypted is none, or another one."""
    key = decrypt(kept, fingerprint)
    root = SoftwareRootKey(key, entropy)
    if len(key) != KEY_BYTES or root.fingerprint != fingerprint:
        raise OperatorError(
            "what was decrypted is not the root key: the database was altered, or is damaged",
            hint="restore the data directory from a backup",
        )
    return root
