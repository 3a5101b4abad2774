import pytest

from keystead.forms import REGION, Form, listed, nearest


def test_a_form_is_that_of_a_whole_text() -> None:
    form = Form("[a-c]{2}", "two of a, b and c")
    assert form.fits("ab")
    assert not any(form.fits(text) for text in ("a", "abc", "ab\n", " ab", ""))
    assert form.words == "two of a, b and c"


@pytest.mark.parametrize("text", ["a", "cn-hangzhou", "r" * 32, "a-1-b"])
def test_regions(text: str) -> None:
    assert REGION.fits(text)


@pytest.mark.parametrize("text", ["", "r" * 33, "A", "a_b", "-a", "a-", "a--b", "a\n", "ä"])
def test_what_is_no_region(text: str) -> None:
    assert not REGION.fits(text)


def test_a_list_in_words() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a or b"
    assert listed(["a", "b", "c"]) == "a, b or c"


def test_the_nearest_word_is_told_if_it_is_near_enough() -> None:
    assert nearest("LISTN", ["listen", "name"]) == "listen"
    assert nearest("nothing like it", ["listen", "name"]) == ""
    assert nearest("version", ["region"]) == "region"
    assert nearest("version", ["region"], 0.65) == ""


def test_a_word_of_other_programs_stands_for_one_of_ours() -> None:
    assert nearest("DeleteKey", ["DeleteKeyMaterial", "ScheduleKeyDeletion"]) == "ScheduleKeyDeletion"
    assert nearest("server", ["CA_FILE", "ENDPOINT"]) == "ENDPOINT"
    assert nearest("server", ["serve", "run"]) == "serve"
    assert nearest("profile", ["file", "CA_FILE"]) == ""
    # Where none of them is known, it is a mistyped word like any other.
    assert nearest("list", ["listen"]) == "listen"
