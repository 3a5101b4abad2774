"""What each kind of key is good for: usages, algorithms, and the uses that operations name.

Source: the vendor's pages AsymmetricEncrypt, AsymmetricSign and GetParametersForImport, and its clients for the MACs. Its
material has no names for the key specs of MACs: here they are called like their algorithms.
"""

import enum
from collections.abc import Callable

from keystead.domain.keys.key import Key, KeySpec, KeyUsage, Origin
from keystead.errors import (
    InvalidParameter,
    KmsError,
    OperationUnsupported,
    OriginUnsupported,
    UnsupportedOperation,
)

_ENCRYPT, _SIGN, _MAC = KeyUsage.ENCRYPT_DECRYPT, KeyUsage.SIGN_VERIFY, KeyUsage.GENERATE_VERIFY_MAC

RSA = (KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096)
SYMMETRIC = frozenset({KeySpec.AES_256, KeySpec.AES_192, KeySpec.AES_128, KeySpec.SM4})

# The first one is what a key is made for if nothing is said.
USAGES: dict[KeySpec, tuple[KeyUsage, ...]] = {
    **dict.fromkeys(SYMMETRIC, (_ENCRYPT,)),
    **dict.fromkeys(RSA, (_ENCRYPT, _SIGN)),
    KeySpec.EC_SM2: (_ENCRYPT, _SIGN),
    KeySpec.EC_P256: (_SIGN,),
    KeySpec.EC_P256K: (_SIGN,),
    KeySpec.HMAC_SHA_224: (_MAC,),
    KeySpec.HMAC_SHA_256: (_MAC,),
    KeySpec.HMAC_SHA_384: (_MAC,),
    KeySpec.HMAC_SHA_512: (_MAC,),
    KeySpec.HMAC_SM3: (_MAC,),
}
_OAEP = ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1")
ENCRYPTIONS: dict[KeySpec, tuple[str, ...]] = {
    **dict.fromkeys(RSA, _OAEP),
    KeySpec.EC_SM2: ("SM2PKE",),
}
SIGNATURES: dict[KeySpec, tuple[str, ...]] = {
    **dict.fromkeys(RSA, ("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256")),
    KeySpec.EC_P256: ("ECDSA_SHA_256",),
    KeySpec.EC_P256K: ("ECDSA_SHA_256",),
    KeySpec.EC_SM2: ("SM2DSA",),
}
# A key for MACs has the one algorithm of its name.
MACS = tuple(spec for spec, usages in USAGES.items() if usages == (_MAC,))
ASYMMETRIC = frozenset(ENCRYPTIONS) | frozenset(SIGNATURES)
# How material is wrapped on its way in, and data keys on their way out.
EXPORTS: dict[KeySpec, tuple[str, ...]] = {
    KeySpec.RSA_2048: _OAEP,
    KeySpec.EC_SM2: ("SM2PKE",),
}
IMPORTS: dict[KeySpec, tuple[str, ...]] = {
    **EXPORTS,
    KeySpec.RSA_2048: ("RSAES_PKCS1_V1_5", *_OAEP),
}
VERSIONS = 50  # that an asymmetric key can have


def names_in(table: dict[KeySpec, tuple[str, ...]]) -> tuple[str, ...]:
    """All algorithms of a table, each once."""
    return tuple(dict.fromkeys(name for names in table.values() for name in names))


def wrapping(spec: str, algorithm: str, table: dict[KeySpec, tuple[str, ...]]) -> KeySpec:
    """The spec of a key to wrap with; InvalidParameter if the algorithm is not one of it."""
    if algorithm not in table[KeySpec(spec)]:
        raise InvalidParameter(name="WrappingAlgorithm")
    return KeySpec(spec)


class Use(enum.StrEnum):
    """What an operation needs its key for."""

    SYMMETRIC = "symmetric encryption"
    ASYMMETRIC_ENCRYPTION = "asymmetric encryption"
    SIGNATURE = "signatures"
    MAC = "message authentication codes"
    PUBLIC_KEY = "a public key"
    VERSIONS = "more versions"
    AUTOMATIC_ROTATION = "automatic rotation"
    IMPORT = "imported material"


_GOOD: dict[Use, Callable[[KeySpec, KeyUsage, Origin], bool]] = {
    Use.SYMMETRIC: lambda spec, usage, origin: spec in SYMMETRIC,
    Use.ASYMMETRIC_ENCRYPTION: lambda spec, usage, origin: spec in ENCRYPTIONS and usage is _ENCRYPT,
    Use.SIGNATURE: lambda spec, usage, origin: usage is _SIGN,
    Use.MAC: lambda spec, usage, origin: usage is _MAC,
    Use.PUBLIC_KEY: lambda spec, usage, origin: spec in ASYMMETRIC,
    # A MAC does not say its version: after a rotation none that was made before would be verified.
    Use.VERSIONS: lambda spec, usage, origin: usage is not _MAC and origin is not Origin.EXTERNAL,
    Use.AUTOMATIC_ROTATION: lambda spec, usage, origin: spec in SYMMETRIC and origin is not Origin.EXTERNAL,
    Use.IMPORT: lambda spec, usage, origin: origin is Origin.EXTERNAL,
}


# The vendor's metadata lists this code for GenerateDataKey and Decrypt, the other for operations of key pairs.
_REFUSALS: dict[Use, type[KmsError]] = {Use.SYMMETRIC: UnsupportedOperation, Use.IMPORT: OriginUnsupported}


def good(use: Use, spec: KeySpec, usage: KeyUsage, origin: Origin) -> bool:
    """Whether a key of these is good for the use."""
    return _GOOD[use](spec, usage, origin)


def require(use: Use, key: Key) -> None:
    """Return if the key is good for the use, else raise its refusal."""
    if not good(use, key.spec, key.usage, key.origin):
        raise refusals(use)[0]


def refusals(use: Use | None) -> tuple[type[KmsError], ...]:
    """What a key that is not good for the use is refused with."""
    if use is None:
        return ()
    return (_REFUSALS.get(use, OperationUnsupported),)
