from hypothesis import given
from hypothesis import strategies as some

from keystead.crypto.primitives.digests import digest
from keystead.crypto.signing_secret import Secret
from tests.unit.crypto import plain_sm

# GB/T 32905, appendix A.1 and A.2
SM3 = {
    b"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    b"abcd" * 16: "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
}


def test_digests_are_the_standards() -> None:
    assert digest("sha256", b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest("sha1", b"abc").hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    for message, expected in SM3.items():
        assert digest("sm3", message).hex() == plain_sm.sm3(message).hex() == expected


@given(some.binary(max_size=300))
def test_sm3_is_that_of_the_second_implementation(message: bytes) -> None:
    assert digest("sm3", message) == plain_sm.sm3(message)


def test_sm3_at_every_length_around_a_block() -> None:
    for length in range(130):
        assert digest("sm3", b"m" * length) == plain_sm.sm3(b"m" * length), length


def test_hmac_is_rfc_2202s_and_takes_a_suffix_to_the_key() -> None:
    expected = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert Secret(b"Jefe").hmac("sha1", b"what do ya want for nothing?").hex() == expected
    assert Secret(b"Je").hmac("sha1", b"what do ya want for nothing?", suffix=b"fe").hex() == expected


def test_hmac_with_sm3_differs_by_key_and_message() -> None:
    results = {Secret(key).hmac("sm3", message) for key in (b"a", b"b") for message in (b"x", b"y")}
    assert len(results) == 4
    assert all(len(one) == 32 for one in results)


@given(some.binary(max_size=150), some.binary(max_size=20), some.binary(max_size=300))
def test_hmac_with_sm3_is_that_of_the_second_implementation(
    key: bytes, suffix: bytes, message: bytes
) -> None:
    assert Secret(key).hmac("sm3", message, suffix) == plain_sm.hmac_sm3(key + suffix, message)
