from hypothesis import given
from hypothesis import strategies as some

from keystead.domain.keys.context import canonical

MAPS = some.dictionaries(some.text(max_size=4), some.text(max_size=4), max_size=4)


@given(MAPS, MAPS)
def test_canonical_is_injective(one: dict[str, str], other: dict[str, str]) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def test_canonical_is_known() -> None:
    assert canonical({}) == b""
    assert canonical({"b": "é", "a": ""}) == b"\0\0\0\1a\0\0\0\0\0\0\0\1b\0\0\0\2\xc3\xa9"


def test_names_are_sorted_by_their_utf8_bytes() -> None:
    # In UTF-16, as some languages sort, the emoji would come first.
    assert canonical({"🔑": "", "": ""}).index(b"") < canonical({"🔑": "", "": ""}).index("🔑".encode())
