"""Asymmetric keys: RSA (RFC 8017), ECDSA on P-256 and secp256k1 (FIPS 186-5, SEC 2) and SM2 (see sm2).

A private key is the DER of its unencrypted PKCS#8, a public key that of its SubjectPublicKeyInfo. Functions that use a
private key trust it: it comes from `generate` or `load_private`, and rests under authenticated encryption since.
Everything here is pure and may run on any thread; OpenSSL lets go of the interpreter lock during what is slow. (An import
with RSAES_PKCS1_V1_5 holds it for some 10 ms, see `_padded`.)
"""

import itertools
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from keystead.crypto.primitives import sm2
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.domain.encoding import to_base64
from keystead.domain.keys.algorithms import RSA
from keystead.domain.keys.key import KeySpec
from keystead.entropy import Entropy
from keystead.errors import UnsupportedOperation

T = TypeVar("T")
# A private key as it rests, or made ready by `ready`.
Private = bytes | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_BITS = {KeySpec.RSA_2048: 2048, KeySpec.RSA_3072: 3072, KeySpec.RSA_4096: 4096}
_CURVES: dict[KeySpec, ec.EllipticCurve] = {
    KeySpec.EC_P256: ec.SECP256R1(),
    KeySpec.EC_P256K: ec.SECP256K1(),
}
# FIPS 186-5 and SEC 2: the orders of their base points.
_ORDERS = {
    KeySpec.EC_P256: 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
    KeySpec.EC_P256K: 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
}
_EXPONENT = 65_537
_PREHASHED = utils.Prehashed(hashes.SHA256())  # what is signed comes as its digest
_ECDSA = ec.ECDSA(_PREHASHED)
_ENCRYPTIONS: dict[
    str, tuple[padding.AsymmetricPadding, int]
] = {  # and by how much a modulus is longer than a plaintext
    "RSAES_OAEP_SHA_256": (padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None), 2 * 32 + 2),
    # SHA-1's collisions are no weakness of OAEP; what the vendor's clients and old appliances use.
    "RSAES_OAEP_SHA_1": (padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None), 2 * 20 + 2),  # noqa: S303
    "RSAES_PKCS1_V1_5": (padding.PKCS1v15(), 11),
}
_SIGNATURES: dict[str, padding.AsymmetricPadding] = {
    # A salt as long as the digest, which is what `openssl -sigopt rsa_pss_saltlen:-1` means.
    "RSA_PSS_SHA_256": padding.PSS(padding.MGF1(hashes.SHA256()), 32),
    "RSA_PKCS1_SHA_256": padding.PKCS1v15(),
}
# Those whose work takes so long (measured: 250 µs and more) that other calls should not wait for it.
_SLOW_PRIVATE = frozenset({*RSA, KeySpec.EC_P256K, KeySpec.EC_SM2})
_SLOW_PUBLIC = frozenset({KeySpec.EC_P256K, KeySpec.EC_SM2})


def is_slow(spec: KeySpec, *, private: bool) -> bool:
    """Whether to use the private or public key of a spec is work for the pool."""
    return spec in (_SLOW_PRIVATE if private else _SLOW_PUBLIC)


def _sm2(function: Callable[..., T], *values: object) -> T:
    """An SM2 function; UnsupportedOperation on a machine whose OpenSSL has no SM2."""
    try:
        return function(*values)
    except sm2.Unavailable:
        raise UnsupportedOperation from None


# --- keys


def generate(spec: KeySpec, entropy: Entropy) -> bytes:
    """A new private key. A scalar is drawn by rejection from `entropy`, the primes of RSA from OpenSSL's own generator."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.generate, entropy)
    if spec in _BITS:
        return _der(rsa.generate_private_key(_EXPONENT, _BITS[spec]))
    draws = (int.from_bytes(entropy.take(32), "big") for _ in itertools.count())
    scalar = next(draw for draw in draws if 0 < draw < _ORDERS[spec])
    return _der(ec.derive_private_key(scalar, _CURVES[spec]))


def load_private(spec: KeySpec, data: bytes) -> bytes:
    """The private key in an unencrypted PKCS#8 structure, DER or PEM, after every check; ValueError if it is no key of the
    spec."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.load_private, data)
    armoured = data.startswith(b"-----")
    load = serialization.load_pem_private_key if armoured else serialization.load_der_private_key
    try:
        key = load(data, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # encrypted, or of a curve that nobody has
        raise ValueError(str(error)) from None
    if not _is_of(spec, key):
        raise ValueError(f"not a private key of {spec}")
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return _der(key)


def load_public(spec: KeySpec, data: bytes) -> bytes:
    """The public key in a SubjectPublicKeyInfo, DER or PEM, as DER; ValueError if it is no key of the spec."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.load_public, data)
    armoured = data.startswith(b"-----")
    load = serialization.load_pem_public_key if armoured else serialization.load_der_public_key
    try:
        key = load(data)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not _is_of(spec, key):
        raise ValueError(f"not a public key of {spec}")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def ready(spec: KeySpec, private: bytes) -> Private:
    """The private key for many uses: it keeps what OpenSSL computes of a key at its first use, up to half of a signature's
    time. One of SM2, which the library does not know, stays as it is."""
    return private if spec is KeySpec.EC_SM2 else _load(private)


def public_key(spec: KeySpec, private: Private) -> bytes:
    """The public key of a private key."""
    if spec is KeySpec.EC_SM2:
        assert isinstance(private, bytes)
        return sm2.public_key_der(private)
    public = _load(private).public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(public: bytes) -> str:
    """The PEM of a public key (RFC 7468)."""
    text = to_base64(public)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def _is_of(spec: KeySpec, key: object) -> bool:
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return _BITS.get(spec) == key.key_size
    curve = _CURVES.get(spec)
    found = isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey)
    return found and curve is not None and key.curve.name == curve.name  # type: ignore[attr-defined]


def _load(private: Private) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if not isinstance(private, bytes):
        return private
    # What RSA keys are checked for takes up to 250 ms, and was checked when the key came in.
    key = serialization.load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# --- encryption


def longest(spec: KeySpec, algorithm: str) -> int:
    """How many bytes can be encrypted at once."""
    return sm2.MAX_PLAINTEXT if spec is KeySpec.EC_SM2 else _BITS[spec] // 8 - _ENCRYPTIONS[algorithm][1]


def encrypt(spec: KeySpec, algorithm: str, public: bytes, plaintext: bytes) -> bytes:
    """The ciphertext of 1 to `longest` bytes under a public key, which `load_public` or `public_key` gave."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.encrypt, public, plaintext)
    key = serialization.load_der_public_key(public)
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(plaintext, _ENCRYPTIONS[algorithm][0])


def decrypt(spec: KeySpec, algorithm: str, private: Private, ciphertext: bytes) -> bytes:
    """The plaintext; Unopenable if it was not encrypted so. With RSAES_PKCS1_V1_5 what was not may give random bytes
    instead (implicit rejection): it is for values of a known length only."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.decrypt, private, ciphertext)
    key = _load(private)
    assert isinstance(key, rsa.RSAPrivateKey)
    try:
        return key.decrypt(ciphertext, _ENCRYPTIONS[algorithm][0])
    except ValueError:
        raise Unopenable from None


def unwrap(
    spec: KeySpec, algorithm: str, private: bytes, wrapped: bytes, length: int, entropy: Entropy
) -> bytes:
    """The key of that length that was wrapped; Unopenable for anything else."""
    key = decrypt(spec, algorithm, private, wrapped)
    if len(key) != length:
        raise Unopenable
    if algorithm == "RSAES_PKCS1_V1_5" and not _padded(private, wrapped, key, entropy):
        raise Unopenable
    return key


def _padded(private: bytes, ciphertext: bytes, plaintext: bytes, entropy: Entropy) -> bool:
    """Whether the ciphertext is really a PKCS #1 v1.5 encryption of the plaintext (RFC 8017 section 7.2.2).

    OpenSSL answers a wrong padding with random bytes, one time in 200 as many as a key has: they would become the key, and
    nobody has them. This says nothing that the import does not say anyway, which is whether it took the key. The power is
    computed of a blinded value, so that its time tells nothing of the private key.
    """
    key = _load(private)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    public = numbers.public_numbers
    size = key.key_size // 8
    blind = int.from_bytes(entropy.take(size - 1), "big") | 1
    blinded = int.from_bytes(ciphertext, "big") * pow(blind, public.e, public.n) % public.n
    by_p, by_q = pow(blinded, numbers.dmp1, numbers.p), pow(blinded, numbers.dmq1, numbers.q)
    power = by_q + numbers.iqmp * (by_p - by_q) % numbers.p * numbers.q
    block = (power * pow(blind, -1, public.n) % public.n).to_bytes(size, "big")
    padding_bytes = block[2 : size - len(plaintext) - 1]
    expected = b"\0\2" + padding_bytes + b"\0" + plaintext
    return block == expected and 0 not in padding_bytes


# --- signatures


def sign(spec: KeySpec, algorithm: str, private: Private, digest: bytes) -> bytes:
    """The signature of a digest of 32 bytes: of SHA-256, or with SM2 of SM3 over Z and the message. With ECDSA and SM2 it is
    the DER of r and s."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.sign, private, digest)
    key = _load(private)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, _SIGNATURES[algorithm], _PREHASHED)
    return key.sign(digest, _ECDSA)


def verify(spec: KeySpec, algorithm: str, public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether it is this key's signature of this digest."""
    if spec is KeySpec.EC_SM2:
        return _sm2(sm2.verify, public, digest, signature)
    key = serialization.load_der_public_key(public)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, _SIGNATURES[algorithm], _PREHASHED)
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(signature, digest, _ECDSA)
    except InvalidSignature:
        return False
    return True
