"""AES-256-GCM by the OpenSSL (1.1.1 or later) that Python or the system brings, for where no compiled package is.

Its interface is that of the cryptography package. Only functions that OpenSSL keeps stable are declared. They release the
GIL: a chunk takes tens of microseconds.
"""

import ctypes
import functools
from collections.abc import Iterable

from keystead.crypto.primitives.libcrypto import candidates
from keystead.errors import OperatorError

_TAG_BYTES = 16
_GET_TAG, _SET_TAG = 0x10, 0x11  # EVP_CTRL_AEAD_…

_P, _B, _I = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_UPDATE: tuple[object, list[object]] = (_I, [_P, _P, ctypes.POINTER(_I), _B, _I])
_INIT: tuple[object, list[object]] = (_I, [_P, _P, _P, _B, _B])
_FINAL: tuple[object, list[object]] = (_I, [_P, _P, ctypes.POINTER(_I)])

# A prototype is given for every function that is called: without one ctypes cuts pointers to 32 bits.
_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "EVP_aes_256_gcm": (_P, []),
    "EVP_CIPHER_CTX_new": (_P, []),
    "EVP_CIPHER_CTX_free": (None, [_P]),
    "EVP_CIPHER_CTX_ctrl": (_I, [_P, _I, _I, _P]),
    "EVP_EncryptInit_ex": _INIT,
    "EVP_EncryptUpdate": _UPDATE,
    "EVP_EncryptFinal_ex": _FINAL,
    "EVP_DecryptInit_ex": _INIT,
    "EVP_DecryptUpdate": _UPDATE,
    "EVP_DecryptFinal_ex": _FINAL,
}


class InvalidTag(Exception):
    """It was not sealed under this key and nonce."""


def first(paths: Iterable[str]) -> ctypes.CDLL:
    """The first library that can do it; OperatorError if there is none."""
    for path in paths:
        try:
            library = ctypes.CDLL(path)
            for name, (result, arguments) in _PROTOTYPES.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        return library
    raise OperatorError(
        "no OpenSSL library on this machine, which opens and makes encrypted files larger than 6 KB",
        hint="install it: libssl3 (Debian, Ubuntu, Alpine), openssl-libs (Fedora, Red Hat), openssl@3 (Homebrew); "
        "or install keystead with pip",
    )


@functools.cache
def load() -> ctypes.CDLL:
    """This machine's library."""
    return first([*candidates(), "libcrypto.so.1.1"])


class AESGCM:
    """The cipher under one key of 32 bytes, each nonce of 12 bytes, without associated data."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == 32
        self._key = key

    def encrypt(self, nonce: bytes, plaintext: bytes, associated: None) -> bytes:
        """The ciphertext, with its tag after it."""
        sealed, tag = self._run("Encrypt", nonce, plaintext, ctypes.create_string_buffer(_TAG_BYTES))
        return sealed + tag

    def decrypt(self, nonce: bytes, sealed: bytes, associated: None) -> bytes:
        """The plaintext, or InvalidTag."""
        if len(sealed) < _TAG_BYTES:
            raise InvalidTag
        tag = ctypes.create_string_buffer(sealed[-_TAG_BYTES:], _TAG_BYTES)
        return self._run("Decrypt", nonce, sealed[:-_TAG_BYTES], tag)[0]

    def _run(
        self, way: str, nonce: bytes, text: bytes, tag: "ctypes.Array[ctypes.c_char]"
    ) -> tuple[bytes, bytes]:
        assert len(nonce) == 12
        library = load()
        out, done = ctypes.create_string_buffer(max(1, len(text))), _I(0)
        context = library.EVP_CIPHER_CTX_new()
        try:
            begun = (
                context
                and getattr(library, f"EVP_{way}Init_ex")(
                    context, library.EVP_aes_256_gcm(), None, self._key, nonce
                )
                and (way == "Encrypt" or library.EVP_CIPHER_CTX_ctrl(context, _SET_TAG, _TAG_BYTES, tag))
                and getattr(library, f"EVP_{way}Update")(context, out, ctypes.byref(done), text, len(text))
                and done.value == len(text)
            )
            if not begun:
                raise MemoryError("OpenSSL cannot do AES-256-GCM")
            rest = ctypes.create_string_buffer(_TAG_BYTES)
            if getattr(library, f"EVP_{way}Final_ex")(context, rest, ctypes.byref(done)) != 1:
                raise InvalidTag
            if way == "Encrypt":
                library.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, _TAG_BYTES, tag)
            return out.raw[: len(text)], tag.raw
        finally:
            library.EVP_CIPHER_CTX_free(context)
