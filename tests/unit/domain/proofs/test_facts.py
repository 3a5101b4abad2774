import pytest

from keystead.domain.proofs.facts import MOST, Findings, members, texts


@pytest.mark.parametrize("content", ["", "[", "{}", "[1]", "null", '"a"'])
def test_what_is_no_list_of_texts_has_none(content: str) -> None:
    assert texts(content) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"a"'])
def test_what_is_no_object_has_no_members(content: str) -> None:
    assert members(content) == {}


def test_what_a_record_says_is_read() -> None:
    assert texts('["a", "b"]') == ["a", "b"]
    assert members('{"a": "b", "c": {"d": 1}}') == {"a": "b", "c": {"d": 1}}


def test_all_findings_are_counted_and_the_first_ones_told() -> None:
    one, other = Findings(), Findings()
    for number in range(MOST + 5):
        one.add(f"a{number}")
    other.add("b")
    other.join(one)
    assert (len(one.first), one.amount) == (MOST, MOST + 5)
    assert other.first == ["b", *(f"a{number}" for number in range(MOST - 1))]
    assert other.amount == MOST + 6
