import re

from keystead.entropy import SeededEntropy, SystemEntropy, uuid4


def test_a_uuid_is_random_and_of_version_4() -> None:
    made = {uuid4(SystemEntropy()) for _ in range(100)}
    assert len(made) == 100
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)
        for one in made
    )


def test_seeded_bytes_come_again_and_go_on() -> None:
    one, other = SeededEntropy(b"s"), SeededEntropy(b"s")
    first = one.take(16)
    assert first == other.take(16)
    assert first != one.take(16)
    assert len(SystemEntropy().take(7)) == 7
