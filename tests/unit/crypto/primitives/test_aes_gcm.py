import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

import pytest

from keystead.crypto.primitives import aes_gcm, openssl_gcm
from keystead.crypto.primitives.unopenable import Unopenable


def without_the_package() -> ModuleType:
    """The module as it is where the cryptography package is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [one for one in sys.modules if one.partition(".")[0] == "cryptography"]:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "cryptography", None)
        spec = importlib.util.spec_from_file_location("aes_gcm_alone", aes_gcm.__file__)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
    assert made.AESGCM is openssl_gcm.AESGCM
    return made


BOTH = pytest.mark.parametrize("module", [aes_gcm, without_the_package()], ids=["package", "openssl"])


# Test cases 13 to 15 of the GCM specification (McGrew and Viega 2004, appendix B): AES-256, no associated data.
@BOTH
@pytest.mark.parametrize(
    ("key", "nonce", "plaintext", "sealed"),
    [
        ("00" * 32, "00" * 12, "", "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            "00" * 32, "00" * 12, "00" * 16,
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            "feffe9928665731c6d6a8f9467308308" * 2, "cafebabefacedbaddecaf888",
            ("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"),
            ("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
            "b094dac5d93471bdec1a502270e3cc6c"),
        ),
    ],
)  # fmt: skip
def test_the_specification(module: Any, key: str, nonce: str, plaintext: str, sealed: str) -> None:
    cipher = module.AesGcm(bytes.fromhex(key))
    assert cipher.seal(bytes.fromhex(nonce), bytes.fromhex(plaintext)).hex() == sealed
    assert cipher.open(bytes.fromhex(nonce), bytes.fromhex(sealed)).hex() == plaintext


@BOTH
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 65_536])
def test_what_was_changed_does_not_open(module: Any, length: int) -> None:
    key, nonce, text = os.urandom(32), os.urandom(12), os.urandom(length)
    cipher = module.AesGcm(key)
    sealed = cipher.seal(nonce, text)
    assert cipher.open(nonce, sealed) == text
    for at in {0, length // 2, length, length + 15}:
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(Unopenable):
            cipher.open(nonce, bytes(changed))
    for other in (sealed[:-1], sealed[1:], sealed + b"\0", sealed[:15], b""):
        with pytest.raises(Unopenable):
            cipher.open(nonce, other)
    with pytest.raises(Unopenable):
        cipher.open(bytes(12), sealed)
    with pytest.raises(Unopenable):
        module.AesGcm(bytes(32)).open(nonce, sealed)


def test_they_open_what_the_other_sealed() -> None:
    key, nonce, text = os.urandom(32), os.urandom(12), os.urandom(100_000)
    one, other = aes_gcm.AesGcm(key), without_the_package().AesGcm(key)
    assert one.seal(nonce, text) == other.seal(nonce, text)
