from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as some

from keystead.api.canonical import canonical_query, percent_encode


@given(some.text())
def test_percent_encode_is_rfc_3986(text: str) -> None:
    assert percent_encode(text) == quote(text, safe="~")


def test_dense_text_takes_the_other_way_and_is_the_same() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4F00))) + "%+ ~aZ09"
    assert percent_encode(text) == quote(text, safe="~")


def test_canonical_query_is_sorted_by_code_point() -> None:
    assert canonical_query([("b", "1"), ("B", " "), ("a", "*")]) == "B=%20&a=%2A&b=1"
