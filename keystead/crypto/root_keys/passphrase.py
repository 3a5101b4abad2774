"""A root key that is made of a passphrase, by Argon2id (RFC 9106). Kept are its salt and parameters, and no secret."""

import base64
import hashlib
import unicodedata

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from keystead.crypto.derivation import KEY_BYTES, prefixed
from keystead.crypto.root_key import SoftwareRootKey
from keystead.entropy import Entropy
from keystead.errors import OperatorError

# Four times the memory of a password's hash: it is made once a start, and guessed against for as long as a disk lies around.
MEMORY = 256 * 1024  # KiB
PASSES = 3
LANES = 4
_MOST = 16  # times as much: a row that was tampered with must not take the machine's memory
LEAST = 15  # characters: the least for a secret that stands alone (NIST SP 800-63B-4 section 3.1.1.2)
LONGEST = 1024  # bytes
_DIFFERENT = 6  # characters


class _Parameters(msgspec.Struct, frozen=True, kw_only=True):
    salt: str  # base64
    memory: int
    passes: int
    lanes: int
    check: str = ""  # over all others, so that a damaged row is no wrong passphrase


def make(passphrase: str, entropy: Entropy) -> tuple[SoftwareRootKey, str]:
    """The root key of a passphrase and a new salt, and the parameters to keep. OperatorError for a weak one. Slow."""
    _check_strength(passphrase)
    salt = base64.b64encode(entropy.take(16)).decode()
    parameters = _Parameters(salt=salt, memory=MEMORY, passes=PASSES, lanes=LANES)
    parameters = msgspec.structs.replace(parameters, check=_check(parameters))
    return _derive(passphrase, parameters, entropy), msgspec.json.encode(parameters).decode()


def open_with(passphrase: str, kept: str, fingerprint: str, entropy: Entropy) -> SoftwareRootKey:
    """The root key of that fingerprint. OperatorError for another passphrase, and for parameters that are damaged. Slow."""
    try:
        parameters = msgspec.json.decode(kept, type=_Parameters)
        base64.b64decode(parameters.salt, validate=True)
        if parameters.check != _check(parameters) or not _is_bounded(parameters):
            raise ValueError
    except ValueError:  # msgspec's and base64's are, too
        raise OperatorError(
            "the salt and parameters of the root key's passphrase are damaged: the database was altered, or is damaged",
            hint="restore the data directory from a backup; no passphrase opens this one",
        ) from None
    root = _derive(passphrase, parameters, entropy)
    if root.fingerprint != fingerprint:
        raise OperatorError(
            "this is not the passphrase of the root key", hint="check the keyboard's layout and its Caps Lock"
        )
    return root


def _is_bounded(parameters: _Parameters) -> bool:
    most = (MEMORY * _MOST, PASSES * _MOST, LANES * _MOST)
    found = (parameters.memory, parameters.passes, parameters.lanes)
    return all(1 <= one <= limit for one, limit in zip(found, most, strict=True))


def _derive(passphrase: str, parameters: _Parameters, entropy: Entropy) -> SoftwareRootKey:
    argon = Argon2id(
        salt=base64.b64decode(parameters.salt),
        length=KEY_BYTES,
        iterations=parameters.passes,
        lanes=parameters.lanes,
        memory_cost=parameters.memory,
    )
    # Keyboards differ in how they compose the same letter.
    return SoftwareRootKey(argon.derive(unicodedata.normalize("NFC", passphrase).encode()), entropy)


def _check(parameters: _Parameters) -> str:
    numbers = f"{parameters.memory},{parameters.passes},{parameters.lanes}"
    return hashlib.sha256(prefixed(b"keystead/passphrase/1", parameters.salt, numbers)).hexdigest()[:16]


def _check_strength(passphrase: str) -> None:
    if len(passphrase) < LEAST or len(set(passphrase)) < _DIFFERENT:
        raise OperatorError(
            f"a passphrase for the root key has at least {LEAST} characters, {_DIFFERENT} of them different",
            hint="take six or more words by chance; whoever has the disk may guess as long as they like",
        )
