import pytest

from keystead.domain.audit import Head
from keystead.domain.checkpoints import Checkpoint, origin, read

CHAIN = "11111111-2222-4333-8444-555555555555"
CHECKPOINT = Checkpoint(CHAIN, Head(1024, bytes(range(32))), 1_767_323_045)
TEXT = f"""\
keystead/{CHAIN}
1024
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
keystead-audit-chain/1 2026-01-02T03:04:05Z
"""


def test_a_checkpoint_is_its_text() -> None:
    assert CHECKPOINT.text == TEXT
    assert read(TEXT) == CHECKPOINT
    assert origin(CHAIN) == f"keystead/{CHAIN}"
    empty = Checkpoint(CHAIN, Head(), 0)
    assert read(empty.text) == empty


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("keystead/1", "other/1"),
        ("1024", "01024"),
        ("1024", "-1"),
        ("1024", "1" * 19),
        ("1024", "\u0661"),
        ("AAEC", "AA"),
        ("8=\n", "8=\n\n"),
        ("chain/1", "chain/2"),
        ("03:04:05Z", "33:04:05Z"),
        ("Z\n", "Z"),
        ("Z\n", "Z\nmore\n"),
    ],
)
def test_what_is_no_checkpoint_is_none(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=r"."):
        read(TEXT.replace(old, new, 1))
