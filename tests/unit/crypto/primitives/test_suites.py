import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as some

from keystead.crypto.primitives.suites import AES_128_GCM, AES_192_GCM, AES_256_GCM, OF_SPEC, SM4_GCM, Suite
from keystead.domain.keys.algorithms import SYMMETRIC
from tests.unit.crypto import plain_sm

# NIST GCM test cases 4, 10 and 16 (McGrew and Viega), and RFC 8998 appendix A.1: key, IV, plaintext, associated data,
# ciphertext with tag.
TEXT = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
AAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
KNOWN = [
    (
        AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", TEXT, AAD,
        ("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
         "5bc94fbc3221a5db94fae95ae7121a47"),
    ),
    (
        AES_192_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabefacedbaddecaf888", TEXT, AAD,
        ("3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710"
         "2519498e80f1478f37ba55bd6d27618c"),
    ),
    (
        AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", TEXT, AAD,
        ("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
         "76fc6ece0f4e1768cddf8853bb2d551b"),
    ),
    (
        SM4_GCM, "0123456789abcdeffedcba9876543210", "00001234567800000000abcd",
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        ("17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
         "83de3541e4c2b58177e065a9bf7b62ec"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("suite", "key", "iv", "plaintext", "associated", "sealed"), KNOWN)
def test_known_answers(suite: Suite, key: str, iv: str, plaintext: str, associated: str, sealed: str) -> None:
    raw = [bytes.fromhex(one) for one in (key, iv, plaintext, associated, sealed)]
    assert len(raw[0]) == suite.key_bytes
    assert suite.encrypt(*raw[:4]) == raw[4]
    assert suite.decrypt(raw[0], raw[1], raw[4], raw[3]) == raw[2]
    for place in (0, -1):
        changed = bytearray(raw[4])
        changed[place] ^= 1
        with pytest.raises(InvalidTag):
            suite.decrypt(raw[0], raw[1], bytes(changed), raw[3])
    with pytest.raises(InvalidTag):
        suite.decrypt(raw[0], raw[1], raw[4], b"other")


def test_every_spec_has_a_suite_and_a_number_of_its_own() -> None:
    assert set(OF_SPEC) == SYMMETRIC
    assert len({suite.number for suite in OF_SPEC.values()}) == len(OF_SPEC)


# --- SM4 itself: GB/T 32907, appendix A, and a second implementation

BLOCK = bytes.fromhex("0123456789abcdeffedcba9876543210")


def test_sm4_is_the_standards() -> None:
    expected = "681edf34d206965e86b3e94f536e4246"
    assert plain_sm.sm4(BLOCK, BLOCK).hex() == expected
    assert Cipher(algorithms.SM4(BLOCK), modes.ECB()).encryptor().update(BLOCK).hex() == expected


def test_sm4_a_million_times_is_the_standards() -> None:
    # With CBC of zeros each block is the encryption of the one before.
    chain = Cipher(algorithms.SM4(BLOCK), modes.CBC(BLOCK)).encryptor()
    last = [chain.update(bytes(160_000))[-16:] for _ in range(100)][-1]
    assert last.hex() == "595298c7c6fd271f0402f804c33d3f66"


def test_the_plain_sm4_is_rfc_8998s() -> None:
    suite, *given_and_sealed = KNOWN[3]
    assert suite is SM4_GCM
    *inputs, sealed = (bytes.fromhex(one) for one in given_and_sealed)
    assert plain_sm.sm4_gcm(*inputs) == sealed


@given(
    some.binary(min_size=16, max_size=16),
    some.binary(min_size=12, max_size=12),
    some.binary(max_size=100),
    some.binary(max_size=100),
)
def test_sm4_gcm_is_that_of_the_second_implementation(
    key: bytes, iv: bytes, plaintext: bytes, associated: bytes
) -> None:
    sealed = SM4_GCM.encrypt(key, iv, plaintext, associated)
    assert sealed == plain_sm.sm4_gcm(key, iv, plaintext, associated)
    assert SM4_GCM.decrypt(key, iv, sealed, associated) == plaintext
