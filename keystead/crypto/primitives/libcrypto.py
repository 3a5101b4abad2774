"""The OpenSSL library (3.0 or later) that Python or the system brings, for what the `cryptography` package lacks: SM2.

Those calls release the GIL that compute with a key; the others are over in microseconds, and to take it back from a busy
thread can cost milliseconds. Only functions that OpenSSL keeps stable are declared: the EVP interface, and EC_POINT for a
public key from its scalar.
"""

import ctypes
import functools
import importlib.util
from collections.abc import Iterable, Iterator

from keystead.errors import OperatorError

OPENSSL_3 = 0x3000_0000
NID_SM2 = 1172

# Never a bare `libcrypto.dylib`: macOS kills a process that loads the system's one under that name.
LIBRARIES = (
    "libcrypto.so.3",
    "libcrypto.so.4",
    "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
    "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
    "/opt/local/libexec/openssl3/lib/libcrypto.3.dylib",
)

_P, _PP = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_B, _N, _I = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
_NP = ctypes.POINTER(ctypes.c_size_t)

# A prototype is given for every function that is called: without one ctypes cuts pointers to 32 bits.
_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, []),
    "ERR_clear_error": (None, []),
    "OPENSSL_cleanse": (None, [_P, _N]),
    "BN_bin2bn": (_P, [_B, _I, _P]),
    "BN_clear_free": (None, [_P]),
    "EC_GROUP_new_by_curve_name": (_P, [_I]),
    "EC_GROUP_free": (None, [_P]),
    "EC_POINT_new": (_P, [_P]),
    "EC_POINT_clear_free": (None, [_P]),
    "EC_POINT_mul": (_I, [_P, _P, _P, _P, _P, _P]),
    "EC_POINT_point2oct": (_N, [_P, _P, _I, _P, _N, _P]),
    "EVP_PKEY_free": (None, [_P]),
    "EVP_PKEY_CTX_new_from_name": (_P, [_P, _B, _B]),
    "EVP_PKEY_CTX_new_from_pkey": (_P, [_P, _P, _B]),
    "EVP_PKEY_CTX_free": (None, [_P]),
    "EVP_PKEY_fromdata_init": (_I, [_P]),
    "EVP_PKEY_fromdata": (_I, [_P, _PP, _I, _P]),
    "EVP_PKEY_sign_init": (_I, [_P]),
    "EVP_PKEY_sign": (_I, [_P, _P, _NP, _B, _N]),
    "EVP_PKEY_verify_init": (_I, [_P]),
    "EVP_PKEY_verify": (_I, [_P, _B, _N, _B, _N]),
    "EVP_PKEY_encrypt_init": (_I, [_P]),
    "EVP_PKEY_encrypt": (_I, [_P, _P, _NP, _B, _N]),
    "EVP_PKEY_decrypt_init": (_I, [_P]),
    "EVP_PKEY_decrypt": (_I, [_P, _P, _NP, _B, _N]),
}

_RELEASING = {  # hundreds of microseconds each
    "EC_POINT_mul",
    "EVP_PKEY_sign",
    "EVP_PKEY_verify",
    "EVP_PKEY_encrypt",
    "EVP_PKEY_decrypt",
}


class Unavailable(OperatorError):
    """No OpenSSL with SM2 is on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "no OpenSSL 3 with SM2 on this machine",
            hint="install OpenSSL 3.0 or later: libssl3 (Debian, Ubuntu), openssl@3 (Homebrew, MacPorts: openssl3); "
            "that of Alpine, Fedora, Red Hat and SUSE is built without SM2",
        )


class Parameter(ctypes.Structure):
    """OSSL_PARAM, an ABI that OpenSSL documents as fixed; an array of them ends with an empty one."""

    _fields_ = [
        ("key", ctypes.c_char_p),
        ("data_type", ctypes.c_uint),
        ("data", ctypes.c_char_p),
        ("data_size", ctypes.c_size_t),
        ("return_size", ctypes.c_size_t),
    ]


UNSIGNED_INTEGER = 2
UTF8_STRING = 4
OCTET_STRING = 5


def candidates(module: str = "_hashlib") -> Iterator[str]:
    """Where the library may be, best first. The libcrypto that Python's own modules use is found through one of them,
    wherever Python was installed; to use the same one spares the process a second copy."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.has_location and spec.origin is not None:
        yield spec.origin
    yield from LIBRARIES


def opened(path: str) -> ctypes.CDLL | None:
    """The library at a path, if it is there, is OpenSSL 3 or later, and has SM2."""
    try:
        library, releasing = ctypes.PyDLL(path), ctypes.CDLL(path)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(releasing if name in _RELEASING else library, name)
            function.restype, function.argtypes = result, arguments
            setattr(library, name, function)
    except (OSError, AttributeError):
        return None
    group = library.EC_GROUP_new_by_curve_name(NID_SM2)
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    able = library.OpenSSL_version_num() >= OPENSSL_3 and bool(group) and bool(context)
    library.EVP_PKEY_CTX_free(context)
    library.EC_GROUP_free(group)
    library.ERR_clear_error()
    return library if able else None


def first(paths: Iterable[str]) -> ctypes.CDLL:
    """The first library that can do SM2, or Unavailable."""
    for path in paths:
        library = opened(path)
        if library is not None:
            return library
    raise Unavailable


@functools.cache
def load() -> ctypes.CDLL:
    """This machine's library, or Unavailable."""
    return first(candidates())
