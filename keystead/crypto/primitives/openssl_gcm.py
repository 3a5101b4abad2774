"""AES-256-GCM by the OpenSSL (1.1.1 or later) that Python or the system brings, for where no compiled package is.

Its interface is that of the cryptography package. Only functions that OpenSSL keeps stable are declared. They release the
GIL: a chunk takes tens of microseconds.
"""

import ctypes
import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

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
        """The ciphertext, with its tag after it; OperatorError if the library fails."""
        tag = ctypes.create_string_buffer(_TAG_BYTES)
        with self._begun("Encrypt", nonce) as (library, context):
            sealed = _updated(library.EVP_EncryptUpdate, context, plaintext)
            _done(library.EVP_EncryptFinal_ex(context, *_nothing_more()))
            # A tag that was not written would be zeros, and what was sealed would never open.
            _done(library.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, _TAG_BYTES, tag))
        return sealed + tag.raw

    def decrypt(self, nonce: bytes, sealed: bytes, associated: None) -> bytes:
        """The plaintext, or InvalidTag; OperatorError if the library fails."""
        if len(sealed) < _TAG_BYTES:
            raise InvalidTag
        tag = ctypes.create_string_buffer(sealed[-_TAG_BYTES:], _TAG_BYTES)
        with self._begun("Decrypt", nonce) as (library, context):
            _done(library.EVP_CIPHER_CTX_ctrl(context, _SET_TAG, _TAG_BYTES, tag))
            plaintext = _updated(library.EVP_DecryptUpdate, context, sealed[:-_TAG_BYTES])
            if library.EVP_DecryptFinal_ex(context, *_nothing_more()) != 1:
                raise InvalidTag
        return plaintext

    @contextmanager
    def _begun(self, way: str, nonce: bytes) -> Iterator[tuple[ctypes.CDLL, int]]:
        assert len(nonce) == 12
        library = load()
        context = library.EVP_CIPHER_CTX_new()
        try:
            begin = getattr(library, f"EVP_{way}Init_ex")
            _done(context and begin(context, library.EVP_aes_256_gcm(), None, self._key, nonce))
            yield library, context
        finally:
            library.EVP_CIPHER_CTX_free(context)


def _updated(update: Callable[..., int], context: int, text: bytes) -> bytes:
    out, written = ctypes.create_string_buffer(max(1, len(text))), _I(0)
    _done(update(context, out, ctypes.byref(written), text, len(text)) == 1 and written.value == len(text))
    return out.raw[: len(text)]


def _nothing_more() -> tuple[object, object]:
    """Where the end of a text would be put, of which this mode has none."""
    return ctypes.create_string_buffer(_TAG_BYTES), ctypes.byref(_I(0))


def _done(result: int | None) -> None:
    """OperatorError unless the library says 1, which is all that its functions say of success."""
    if result != 1:
        raise OperatorError(
            "the OpenSSL library of this machine failed at AES-256-GCM",
            hint="try again; if it stays so, see whether openssl.cnf or FIPS rules of the system forbid it, "
            "or install keystead with pip",
        )
