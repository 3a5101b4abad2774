from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from keystead.api.http.percent import (
    canonical_query,
    encoded_again,
    from_canonical_query,
)
from keystead.errors import KmsError


def percent_encode(text: str) -> str:
    return canonical_query([("", text)]).decode()[1:]


@given(some.text())
def test_percent_encode_is_rfc_3986(text: str) -> None:
    assert percent_encode(text) == quote(text, safe="~")


def test_dense_text_takes_the_other_way_and_is_the_same() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4F00))) + "%+ ~aZ09"
    assert percent_encode(text) == quote(text, safe="~")


def test_canonical_query_is_sorted_by_code_point() -> None:
    assert canonical_query([("b", "1"), ("B", " "), ("a", "*")]) == b"B=%20&a=%2A&b=1"


TEXT = some.text() | some.text("=&%\0\1+ é")


@given(some.dictionaries(TEXT, TEXT))
@example({"a\0b": "c", "d": "\1"})
@example({})
def test_canonical_query_is_each_pair_encoded(pairs: dict[str, str]) -> None:
    expected = "&".join(f"{quote(name, safe='~')}={quote(pairs[name], safe='~')}" for name in sorted(pairs))
    assert canonical_query(pairs.items()).decode() == expected
    assert encoded_again(canonical_query(pairs.items())).decode() == quote(expected, safe="~")


@given(some.dictionaries(TEXT, TEXT))
@example({"a\0b": "c", "d": "\1"})
@example({"a": "b\0Action\0Decrypt"})
@example({"": ""})
@example({"a": "=\n=\r\n _", "b": " \n"})
@example({})
def test_a_canonical_query_says_the_pairs_that_it_is_of(pairs: dict[str, str]) -> None:
    assert from_canonical_query(canonical_query(pairs.items())) == pairs


@pytest.mark.parametrize("query", [b"a", b"a=b&c", b"a=b=c", b"a=%FF", b"a=%00=b", b"%00", b"\xff=%00"])
def test_what_is_no_canonical_query_is_refused(query: bytes) -> None:
    with pytest.raises((ValueError, KmsError)):
        from_canonical_query(query)
