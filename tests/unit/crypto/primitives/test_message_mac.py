"""RFC 4231's test cases 1 to 4, 6 and 7, and the HMAC of other implementations: the standard library's, for SM3 a plain
one."""

import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from keystead.crypto.primitives.message_mac import MAC_KEY_BYTES, mac, same
from keystead.domain.keys.key import KeySpec
from tests.unit.crypto import plain_sm

SHA_2 = {
    KeySpec.HMAC_SHA_224: "sha224",
    KeySpec.HMAC_SHA_256: "sha256",
    KeySpec.HMAC_SHA_384: "sha384",
    KeySpec.HMAC_SHA_512: "sha512",
}
# Key, message, and the codes' first 16 bytes for SHA-224, SHA-256, SHA-384, SHA-512.
RFC_4231 = [
    (
        b"\x0b" * 20,
        b"Hi There",
        (
            "896fb1128abbdf196832107cd49df33f b0344c61d8db38535ca8afceaf0bf12b "
            "afd03944d84895626b0825f4ab46907f 87aa7cdea5ef619d4ff0b4241a1d6cb0"
        ),
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        (
            "a30e01098bc6dbbf45690f3a7e9e6d0f 5bdcc146bf60754e6a042426089575c7 "
            "af45d2e376484031617f78d2b58a6b1b 164b7a7bfcf819e2e395fbe73b56e0a3"
        ),
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        (
            "7fb3cb3588c6c1f6ffa9694d7d6ad264 773ea91e36800e46854db8ebd09181a7 "
            "88062608d3e6ad8a0aa2ace014c8a86f fa73b0089d56a284efb0f0756c890be9"
        ),
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        (
            "95e9a0db962095adaebe9b2d6f0dbce2 60e431591ee0b67f0d8a26aacbf5b77f "
            "4ece084485813e9088d2c63a041bc5b4 80b24263c7c1a3ebb71493c1dd7be8b4"
        ),
    ),
]


@pytest.mark.parametrize(("key", "message", "codes"), RFC_4231)
def test_rfc_4231(key: bytes, message: bytes, codes: str) -> None:
    for spec, code in zip(SHA_2, codes.split(), strict=True):
        assert mac(spec, key, message).hex().startswith(code), spec


@given(some.sampled_from(sorted(MAC_KEY_BYTES)), some.binary(max_size=150), some.binary(max_size=300))
@example(KeySpec.HMAC_SM3, b"k" * 64, b"m")
@example(KeySpec.HMAC_SM3, b"k" * 65, b"m")
def test_against_other_implementations(spec: KeySpec, key: bytes, message: bytes) -> None:
    if spec is KeySpec.HMAC_SM3:
        assert mac(spec, key, message) == plain_sm.hmac_sm3(key, message)
    else:
        assert mac(spec, key, message) == hmac.digest(key, message, SHA_2[spec])


def test_a_key_is_as_long_as_its_code() -> None:
    for spec, length in MAC_KEY_BYTES.items():
        assert len(mac(spec, bytes(length), b"")) == length


def test_codes_are_compared_whole() -> None:
    assert same(b"ab", b"ab")
    assert not same(b"ab", b"a")
