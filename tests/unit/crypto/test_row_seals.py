import hashlib
import pickle

import pytest

from keystead.crypto.derivation import derive
from keystead.crypto.row_seals import RowSeals
from keystead.entropy import SeededEntropy

KEY = bytes(range(32))


def seals(seed: bytes = b"seals", key: bytes = KEY) -> RowSeals:
    return RowSeals(key, SeededEntropy(seed))


def test_a_code_is_keyed_blake2b_of_the_row_personalized_by_its_table() -> None:
    key = derive(KEY, b"keystead/seals/rows/1", b"")[:64]
    expected = hashlib.blake2b(b"row", key=key, person=b"\0\3").digest()
    assert seals().code(3, b"row") == expected
    assert seals(b"other").code(3, b"row") == expected  # it needs no chance
    assert len({seals().code(3, b"row"), seals().code(4, b"row"), seals().code(3, b"rows")}) == 3
    assert seals(key=bytes(32)).code(3, b"row") != expected
    assert seals().code_of_anchor(b"row") != seals().code(3, b"row")[:32]


def test_what_was_closed_opens_under_its_name_and_key_and_in_later_processes_only() -> None:
    one, later = seals(), seals(b"later")
    closed = one.close("bucket", b"content")
    assert len(closed) == len(b"content") + 60
    assert one.open("bucket", closed) == later.open("bucket", closed) == b"content"
    assert one.open("other", closed) is None
    assert seals(key=bytes(32)).open("bucket", closed) is None
    assert one.close("bucket", b"content") != closed
    again = later.close("bucket", b"content")
    assert again[:32] != closed[:32]
    for place in range(len(closed)):
        altered = bytearray(closed)
        altered[place] ^= 1
        assert one.open("bucket", bytes(altered)) is None
    for length in (0, 1, 59, 60, len(closed) - 1):
        assert one.open("bucket", closed[:length]) is None


def test_no_salt_and_counter_come_twice() -> None:
    one = seals()
    assert len({one.close("b", b"")[:44] for _ in range(1000)}) == 1000


def test_it_shows_nothing() -> None:
    assert repr(seals()) == "<RowSeals>"
    with pytest.raises(TypeError):
        pickle.dumps(seals())
