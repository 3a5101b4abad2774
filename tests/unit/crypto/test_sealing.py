import pytest

from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.sealing import Unopenable, seal, seal_with_salt, unseal
from keystead.entropy import SeededEntropy

KEY, SALT = bytes(range(32)), bytes(range(32, 64))


def test_sealed_bytes_are_known() -> None:
    """Frozen: what was sealed once must open for ever."""
    assert (
        seal_with_salt(KEY, b"label", b"facts", b"hello", SALT).hex()
        == "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f12145d24f231e5d718356295005127ddeaceb0d65a288066fa02d9c660de2cc12fe939dd5aa1efac18e7ff3400dd1f447c0c8f6bec"
    )


@pytest.mark.parametrize("length", [0, 1, 8192])
def test_what_is_sealed_opens(length: int) -> None:
    sealed = seal(KEY, b"label", b"facts", b"x" * length, SeededEntropy())
    assert len(sealed) == length + OVERHEAD
    assert unseal(KEY, b"label", b"facts", sealed) == b"x" * length


def test_every_flipped_bit_is_found() -> None:
    sealed = seal_with_salt(KEY, b"label", b"facts", b"hello", SALT)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unopenable):
            unseal(KEY, b"label", b"facts", bytes(flipped))


@pytest.mark.parametrize(
    ("key", "label", "facts"),
    [(SALT, b"label", b"facts"), (KEY, b"other", b"facts"), (KEY, b"label", b"other")],
)
def test_another_key_label_or_fact_does_not_open(key: bytes, label: bytes, facts: bytes) -> None:
    with pytest.raises(Unopenable):
        unseal(key, label, facts, seal_with_salt(KEY, b"label", b"facts", b"hello", SALT))


def test_a_wrong_tag_behind_a_right_commitment_does_not_open() -> None:
    sealed = seal_with_salt(KEY, b"label", b"facts", b"hello", SALT)
    with pytest.raises(Unopenable):
        unseal(KEY, b"label", b"facts", sealed[:-1] + bytes((sealed[-1] ^ 1,)))


@pytest.mark.parametrize("length", [0, 31, OVERHEAD - 1])
def test_what_is_too_short_does_not_open(length: int) -> None:
    with pytest.raises(Unopenable):
        unseal(KEY, b"label", b"facts", bytes(length))
