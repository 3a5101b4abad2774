import time

import pytest

from keystead.access.patterns import Patterns, wild


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "ab", False),
        ("abc", "ABC", False),
        ("*", "", True),
        ("*", "a\nb", True),
        ("?", "\n", True),
        ("?", "", False),
        ("**", "", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "aba", False),
        ("*a?c*", "abbabc", True),
        ("*aab", "aaab", True),  # the first place where the end could begin is not where it begins
        ("*ab?*?", "xabab", True),
        ("a.c", "abc", False),
        ("(a|b)*", "(a|b)", True),
        ("[a]*", "a", False),
        ("\\*", "\\x", True),
        ("*密?", "a密b", True),
    ],
)
def test_a_pattern_matches_a_text_as_a_whole(pattern: str, text: str, matches: bool) -> None:
    assert Patterns([pattern]).match(text) is matches


def test_one_of_several_is_enough_and_case_may_be_folded() -> None:
    several = Patterns(["b", "A*", "c?"])
    assert [several.match(text) for text in ("b", "Ab", "ab", "cc", "c")] == [True, True, False, True, False]
    folded = Patterns(["B", "a*", "C?"], fold=True)
    assert [folded.match(text) for text in ("b", "AB", "ab", "cC", "c")] == [True, True, True, True, False]
    assert not Patterns([]).match("")
    assert repr(folded) == "<Patterns B, a*, C?>"
    assert [wild(text) for text in ("a", "a*", "?")] == [False, True, True]


@pytest.mark.parametrize(
    "pattern", ["*a" * 1000 + "b", "*a?" * 600 + "b", "*" * 2000 + "b", "*" + "a" * 2000 + "b"]
)
def test_no_pattern_takes_longer_than_in_proportion_to_pattern_and_text(pattern: str) -> None:
    patterns = Patterns([pattern])
    begun = time.process_time()
    assert not patterns.match("a" * 1000)
    # What backtracks takes longer than anybody lives; in proportion it is some thousandths of a second.
    assert time.process_time() - begun < 5
