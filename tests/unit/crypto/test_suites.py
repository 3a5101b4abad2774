import pytest
from cryptography.exceptions import InvalidTag

from keystead.crypto.suites import AES_128_GCM, AES_192_GCM, AES_256_GCM, OF_SPEC, SM4_GCM, Suite
from keystead.domain.algorithms import SYMMETRIC

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
