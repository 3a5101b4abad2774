"""SM2 (GB/T 32918, GM/T 0003): keys, signatures of digests, public key encryption; computed by OpenSSL.

A private key is a PKCS#8 DER of one fixed layout with its public key inside, and a public key a SubjectPublicKeyInfo
DER; `load_private` and `load_public` bring what others wrote into these forms, after every check. The functions that use
keys take these forms alone, so only fixed-length numbers ever reach OpenSSL, none of its decoders of keys.

A signature is the DER of SEQUENCE { r, s }, over a digest that is SM3(Z || message): `z_digest`. A ciphertext is
C1 || C3 || C2 with an uncompressed C1, 97 bytes longer than its plaintext; decryption takes the DER of GM/T 0009 too,
which is what OpenSSL writes.
"""

import base64
import binascii
import contextlib
import ctypes
import itertools
import re
import sys
from collections.abc import Iterator

from keystead.crypto.primitives import libcrypto
from keystead.crypto.primitives.digests import digest as hashed
from keystead.crypto.primitives.libcrypto import Parameter
from keystead.crypto.primitives.libcrypto import Unavailable as Unavailable
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.entropy import Entropy

# GB/T 32918.5: the recommended curve, y^2 = x^3 + ax + b; G is its base point and N the order of G.
A = bytes.fromhex("fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc")
B = bytes.fromhex("28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93")
G = bytes.fromhex(
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
)
N = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123

DEFAULT_USER_ID = b"1234567812345678"
DIGEST_BYTES = 32
OVERHEAD = 65 + 32
MAX_PLAINTEXT = 6144 - OVERHEAD
MAX_USER_ID = 0xFFFF // 8

_INTEGER, _BIT_STRING, _OCTET_STRING, _SEQUENCE = 0x02, 0x03, 0x04, 0x30
_PARAMETERS, _PUBLIC_KEY = 0xA0, 0xA1

_CURVE = bytes.fromhex("06082a811ccf5501822d")  # 1.2.156.10197.1.301
_ALGORITHM = bytes.fromhex("301306072a8648ce3d0201") + _CURVE  # 1.2.840.10045.2.1
_PUBLIC_HEAD = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("034200")
_PRIVATE_HEAD = bytes.fromhex("308187020100") + _ALGORITHM + bytes.fromhex("046d306b0201010420")
_PRIVATE_MIDDLE = bytes.fromhex("a144034200")

_SIGNATURE_BYTES = 72
_UNCOMPRESSED = 4
_SELECT_PUBLIC, _SELECT_PAIR = 0x86, 0x87  # EVP_PKEY_PUBLIC_KEY, EVP_PKEY_KEYPAIR


class Failed(Exception):
    """OpenSSL gave no result."""


def _require(done: bool) -> None:
    if not done:
        raise Failed


# --- keys


def generate(entropy: Entropy) -> bytes:
    """A new private key. Its scalar is drawn by rejection, so it is uniform in 1..n-2; a draw fails once in 2^32."""
    draws = (entropy.take(32) for _ in itertools.count())
    return from_scalar(next(draw for draw in draws if _in_range(draw)))


def from_scalar(scalar: bytes) -> bytes:
    """The private key of a scalar of 32 bytes, 1..n-2; else ValueError."""
    if len(scalar) != 32 or not _in_range(scalar):
        raise ValueError("not a scalar of SM2")
    return _PRIVATE_HEAD + scalar + _PRIVATE_MIDDLE + _multiplied(scalar)


def load_private(data: bytes) -> bytes:
    """The private key of a PKCS#8 structure, DER or PEM, unencrypted. ValueError if it is no SM2 key, its scalar is not
    in 1..n-2, or the public key within is another one's."""
    version_to_key, rest = _taken(_unarmoured(data, b"PRIVATE KEY"), _SEQUENCE)
    head = bytes.fromhex("020100") + _ALGORITHM
    if rest or not version_to_key.startswith(head):
        raise ValueError("not a PKCS#8 private key on the SM2 curve")
    octets, rest = _taken(version_to_key[len(head) :], _OCTET_STRING)
    fields, after = _taken(octets, _SEQUENCE)
    version, fields = _taken(fields, _INTEGER)
    scalar, fields = _taken(fields, _OCTET_STRING)
    if fields[:1] == bytes([_PARAMETERS]):
        curve, fields = _taken(fields, _PARAMETERS)
        if curve != _CURVE:
            raise ValueError("not a private key on the SM2 curve")
    private = from_scalar(scalar)
    # What is left is nothing, or the public key exactly as it stands in the fixed layout.
    if rest or after or version != b"\x01" or fields not in (b"", private[-len(_PRIVATE_MIDDLE) - 65 :]):
        raise ValueError("not a private key, or not with its own public key")
    return private


def load_public(data: bytes) -> bytes:
    """The public key of a SubjectPublicKeyInfo, DER or PEM, with an uncompressed point; else ValueError."""
    public = _unarmoured(data, b"PUBLIC KEY")
    with _context(_point(public)):
        return public


def public_key_der(private: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a private key."""
    return _PUBLIC_HEAD + _pair(private)[0]


def z_digest(public: bytes, message: bytes, user_id: bytes = DEFAULT_USER_ID) -> bytes:
    """SM3(Z || message), the digest that is signed (GB/T 32918.2 section 5.5 and 6.1, `e`)."""
    if len(user_id) > MAX_USER_ID:
        raise ValueError("the length of a user id in bits has two bytes")
    length = (len(user_id) * 8).to_bytes(2, "big")
    z = hashed("sm3", length + user_id + A + B + G + _point(public)[1:])
    return hashed("sm3", z + message)


# --- signatures


def sign(private: bytes, digest: bytes) -> bytes:
    """The signature of a digest of 32 bytes, as the DER of r and s; the nonce is OpenSSL's."""
    _check_digest(digest)
    return _run("sign", *_pair(private), data=digest, size=_SIGNATURE_BYTES)


def verify(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether a signature is this key's of this digest. Any malformed signature is just not."""
    _check_digest(digest)
    with _context(_point(public)) as (library, context):
        return bool(
            library.EVP_PKEY_verify_init(context) == 1
            and library.EVP_PKEY_verify(context, signature, len(signature), digest, len(digest)) == 1
        )


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise ValueError("a digest of SM2 has 32 bytes")


# --- encryption


def encrypt(public: bytes, plaintext: bytes) -> bytes:
    """C1 || C3 || C2 of 1 to 6047 bytes; the nonce is OpenSSL's."""
    if not 1 <= len(plaintext) <= MAX_PLAINTEXT:
        raise ValueError("a plaintext of SM2 has 1 to 6047 bytes")
    point = _point(public)
    # GB/T 32918.4 section 6.1 step A5 draws again when the key stream is all zero, which for one byte happens once in
    # 256 times; earlier releases of OpenSSL do not, and give the plaintext itself.
    tries = (_encrypted(point, plaintext) for _ in itertools.count())
    return next(ciphertext for ciphertext in tries if ciphertext[OVERHEAD:] != plaintext)


def _encrypted(point: bytes, plaintext: bytes) -> bytes:
    # The DER is up to 112 bytes longer; not every release looks at the size of the buffer.
    der = _run("encrypt", point, None, data=plaintext, size=len(plaintext) + 128)
    return b"".join(_parts(der))


def decrypt(private: bytes, ciphertext: bytes) -> bytes:
    """The plaintext of C1 || C3 || C2, or of the DER of GM/T 0009; else Unopenable."""
    point, scalar = _pair(private)
    try:
        c1, c3, c2 = _parts(ciphertext)
        der = _der(
            _SEQUENCE,
            _der(_INTEGER, _minimal(c1[1:33]))
            + _der(_INTEGER, _minimal(c1[33:]))
            + _der(_OCTET_STRING, c3)
            + _der(_OCTET_STRING, c2),
        )
        return _run("decrypt", point, scalar, data=der, size=len(c2))
    except (ValueError, Failed):
        raise Unopenable from None


def _parts(ciphertext: bytes) -> tuple[bytes, bytes, bytes]:
    """C1, C3 and C2 of either form, which their first byte tells apart; ValueError if it is neither."""
    if ciphertext[:1] == b"\x04":
        c1, c3, c2 = ciphertext[:65], ciphertext[65:OVERHEAD], ciphertext[OVERHEAD:]
    else:
        fields, rest = _taken(ciphertext, _SEQUENCE)
        x, fields = _taken(fields, _INTEGER)
        y, fields = _taken(fields, _INTEGER)
        c3, fields = _taken(fields, _OCTET_STRING)
        c2, fields = _taken(fields, _OCTET_STRING)
        if rest or fields or len(c3) != 32:
            raise ValueError("not a ciphertext of SM2")
        c1 = b"\x04" + _coordinate(x) + _coordinate(y)
    if not 1 <= len(c2) <= MAX_PLAINTEXT:
        raise ValueError("not a ciphertext of SM2")
    return c1, c3, c2


# --- the forms


def _in_range(scalar: bytes) -> bool:
    return 1 <= int.from_bytes(scalar, "big") <= N - 2


def _pair(private: bytes) -> tuple[bytes, bytes]:
    """The point and the scalar of a private key in the fixed layout."""
    head, start = len(_PRIVATE_HEAD), len(_PRIVATE_HEAD) + 32 + len(_PRIVATE_MIDDLE)
    scalar, point = private[head : head + 32], private[start:]
    layout = _PRIVATE_HEAD + scalar + _PRIVATE_MIDDLE + point
    if private != layout or len(point) != 65 or point[0] != _UNCOMPRESSED or not _in_range(scalar):
        raise ValueError("not a private key of SM2")
    return point, scalar


def _point(public: bytes) -> bytes:
    point = public[len(_PUBLIC_HEAD) :]
    if not public.startswith(_PUBLIC_HEAD) or len(point) != 65 or point[0] != _UNCOMPRESSED:
        raise ValueError("not a public key of SM2")
    return point


def _unarmoured(data: bytes, label: bytes) -> bytes:
    """The DER inside a PEM; anything else as it is."""
    if not data.startswith(b"-----"):
        return data
    armour = re.fullmatch(
        rb"-----BEGIN (?P<label>[A-Z ]+)-----\r?\n(?P<text>[A-Za-z0-9+/\r\n]+={0,2}\r?\n)-----END (?P=label)-----\s*",
        data,
    )
    if armour is None or armour["label"] != label:
        raise ValueError(f"not a PEM of one {label.decode()}")
    try:
        return base64.b64decode(re.sub(rb"[\r\n]", b"", armour["text"]), validate=True)
    except binascii.Error:
        raise ValueError("not the base64 of a PEM") from None


def _der(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _taken(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the DER value at the front, and what follows it."""
    start = 2 + (data[1] & 0x7F if len(data) > 1 and data[1] & 0x80 else 0)
    length = int.from_bytes(data[2:start] or data[1:2], "big")
    content, rest = data[start : start + length], data[start + length :]
    # DER has one encoding for one value: a wrong tag, a length that is not the shortest and a missing byte all show here.
    if not data.startswith(_der(tag, content)):
        raise ValueError("not DER")
    return content, rest


def _minimal(number: bytes) -> bytes:
    """The content of the INTEGER of an unsigned number."""
    value = int.from_bytes(number, "big")
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _coordinate(integer: bytes) -> bytes:
    """The 32 bytes of the content of an INTEGER."""
    value = int.from_bytes(integer, "big")
    if _minimal(integer) != integer or value.bit_length() > 256:
        raise ValueError("not a coordinate")
    return value.to_bytes(32, "big")


# --- OpenSSL


def _multiplied(scalar: bytes) -> bytes:
    """The point scalar * G. OpenSSL multiplies the base point by a ladder whose steps do not depend on the scalar."""
    library = libcrypto.load()
    group = library.EC_GROUP_new_by_curve_name(libcrypto.NID_SM2)
    point = library.EC_POINT_new(group)
    number = library.BN_bin2bn(scalar, len(scalar), None)
    out = ctypes.create_string_buffer(65)
    try:
        _require(library.EC_POINT_mul(group, point, number, None, None, None) == 1)
        _require(library.EC_POINT_point2oct(group, point, _UNCOMPRESSED, out, len(out), None) == len(out))
        return out.raw
    finally:
        library.BN_clear_free(number)
        library.EC_POINT_clear_free(point)
        library.EC_GROUP_free(group)
        library.ERR_clear_error()


@contextlib.contextmanager
def _context(point: bytes, scalar: bytes | None = None) -> Iterator[tuple[ctypes.CDLL, int]]:
    """A context for one operation with one key; ValueError if the point is not on the curve."""
    library = libcrypto.load()
    parameters = [
        Parameter(b"group", libcrypto.UTF8_STRING, b"SM2", 3),
        Parameter(b"pub", libcrypto.OCTET_STRING, point, len(point)),
    ]
    if scalar is not None:
        number = scalar if sys.byteorder == "big" else scalar[::-1]
        parameters.append(Parameter(b"priv", libcrypto.UNSIGNED_INTEGER, number, len(number)))
    array = (Parameter * (len(parameters) + 1))(*parameters)
    selection = _SELECT_PUBLIC if scalar is None else _SELECT_PAIR
    key, context = ctypes.c_void_p(), None
    builder = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    try:
        library.EVP_PKEY_fromdata_init(builder)
        if library.EVP_PKEY_fromdata(builder, ctypes.byref(key), selection, array) != 1:
            raise ValueError("not a point on the SM2 curve")
        context = library.EVP_PKEY_CTX_new_from_pkey(None, key, None)
        yield library, context
    finally:
        library.EVP_PKEY_CTX_free(context)
        library.EVP_PKEY_free(key)
        library.EVP_PKEY_CTX_free(builder)
        # Python's ssl module reads the same per-thread queue, and would raise an error of ours as its own.
        library.ERR_clear_error()


def _run(operation: str, point: bytes, scalar: bytes | None, *, data: bytes, size: int) -> bytes:
    """The output, of at most `size` bytes, of EVP_PKEY_sign, _encrypt or _decrypt."""
    with _context(point, scalar) as (library, context):
        out, length = ctypes.create_string_buffer(size), ctypes.c_size_t(size)
        begin, perform = (
            getattr(library, f"EVP_PKEY_{operation}_init"),
            getattr(library, f"EVP_PKEY_{operation}"),
        )
        try:
            _require(begin(context) == 1)
            _require(perform(context, out, ctypes.byref(length), data, len(data)) == 1)
            return ctypes.string_at(out, length.value)
        finally:
            library.OPENSSL_cleanse(out, size)
