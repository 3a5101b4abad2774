import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as some

from keystead.crypto.primitives.prf import Prf


@given(some.sampled_from(["sha1", "sha256", "sha512"]), some.binary(max_size=300), some.binary(max_size=300))
def test_it_is_the_librarys_hmac(algorithm: str, key: bytes, message: bytes) -> None:
    prf = Prf(algorithm, key)  # type: ignore[arg-type]
    assert prf.digest(message) == hmac.digest(key, message, algorithm)
    assert prf.digest(b"") == hmac.digest(key, b"", algorithm)


@pytest.mark.parametrize("length", [63, 64, 65, 127, 128, 129])
def test_keys_around_the_block_of_a_hash(length: int) -> None:
    key = b"k" * length
    assert Prf("sha1", key).digest(b"m") == hmac.digest(key, b"m", "sha1")
    assert Prf("sha512", key).digest(b"m") == hmac.digest(key, b"m", "sha512")
