"""The ciphers that ciphertexts are made with: authenticated encryption in Galois/Counter Mode (NIST SP 800-38D).

AES with keys of 256, 192 or 128 bits (FIPS 197), and SM4 with keys of 128 bits (GB/T 32907-2016; RFC 8998 for its GCM).
"""

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystead.domain.keys.key import KeySpec

_TAG_BYTES = 16


class Suite(NamedTuple):
    """A cipher by its number in ciphertext blobs (see blob_layout). Both functions take key, IV, text and associated data.

    `decrypt` raises cryptography.exceptions.InvalidTag.
    """

    number: int
    key_bytes: int
    encrypt: Callable[[bytes, bytes, bytes, bytes], bytes]
    decrypt: Callable[[bytes, bytes, bytes, bytes], bytes]


def _aes_encrypt(key: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
    return AESGCM(key).encrypt(iv, plaintext, associated)


def _aes_decrypt(key: bytes, iv: bytes, sealed: bytes, associated: bytes) -> bytes:
    return AESGCM(key).decrypt(iv, sealed, associated)


def _sm4_encrypt(key: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
    cipher = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
    cipher.authenticate_additional_data(associated)
    return cipher.update(plaintext) + cipher.finalize() + cipher.tag


def _sm4_decrypt(key: bytes, iv: bytes, sealed: bytes, associated: bytes) -> bytes:
    # The length was checked: a shorter tag would be easier to guess.
    body, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    cipher = Cipher(algorithms.SM4(key), modes.GCM(iv, tag)).decryptor()
    cipher.authenticate_additional_data(associated)
    return cipher.update(body) + cipher.finalize()


AES_256_GCM = Suite(1, 32, _aes_encrypt, _aes_decrypt)
# 2 to 4 stand in the frozen corpus as unknown, and stay so.
AES_192_GCM = Suite(5, 24, _aes_encrypt, _aes_decrypt)
AES_128_GCM = Suite(6, 16, _aes_encrypt, _aes_decrypt)
SM4_GCM = Suite(7, 16, _sm4_encrypt, _sm4_decrypt)

OF_SPEC = {
    KeySpec.AES_256: AES_256_GCM,
    KeySpec.AES_192: AES_192_GCM,
    KeySpec.AES_128: AES_128_GCM,
    KeySpec.SM4: SM4_GCM,
}
