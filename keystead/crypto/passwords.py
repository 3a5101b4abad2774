"""The hashes of passwords: Argon2id (RFC 9106), with its parameters and salt in the PHC string that is kept."""

import re
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from keystead.entropy import Entropy
from keystead.errors import OperatorError

# The second recommendation of RFC 9106 section 4: 64 MiB. It takes about 0.15 s of one processor.
MEMORY = 64 * 1024  # KiB
PASSES = 3
LANES = 4
_MOST = 16  # times as much: a row that was tampered with must not take the machine's memory
_PARAMETERS = re.compile(r"m=([0-9]{1,8}),t=([0-9]{1,3}),p=[0-9]{1,3}")
# Of a password that nobody knows: what is tried where there is no user, so that this takes as long.
DECOY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def make(entropy: Entropy, password: str) -> str:
    """The hash to keep of a password, with a salt of its own. Slow."""
    argon = Argon2id(salt=entropy.take(16), length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY)
    return argon.derive_phc_encoded(_bytes(password))


def matches(encoded: str, password: str) -> bool:
    """Whether this is the password of a hash. Slow. OperatorError for a hash that is weaker than any that was ever made."""
    _, algorithm, version, parameters, *_ = (*encoded.split("$"), "", "", "")
    found = _PARAMETERS.fullmatch(parameters)
    if (
        found is None
        or (algorithm, version) != ("argon2id", "v=19")
        or not (MEMORY <= int(found[1]) <= MEMORY * _MOST and PASSES <= int(found[2]) <= PASSES * _MOST)
    ):
        raise OperatorError(
            "the hash of a password is weaker than it was made: the database was altered or is damaged",
            hint="restore the data directory from a backup",
        )
    try:
        Argon2id.verify_phc_encoded(_bytes(password), encoded)
    except InvalidKey:
        return False
    return True


def any_matches(hashes: tuple[str, ...], password: str) -> bool:
    """Whether this is the password of any of them. Slow, by how many there are."""
    return any(matches(one, password) for one in hashes)


def _bytes(password: str) -> bytes:
    # Keyboards differ in how they compose the same letter.
    return unicodedata.normalize("NFC", password).encode()
