import re

import pytest

from keystead.domain.authorities import (
    LOCAL,
    KeptAuthority,
    Names,
    bundle,
    is_host,
    serving,
    succeed,
)
from keystead.domain.keys.key import Wrapped


def kept(name: str, expires: int = 1000, retires: int | None = None) -> KeptAuthority:
    return KeptAuthority(certificate=name, key=Wrapped(1, b"key"), expires=expires, retires=retires)


def test_names_are_sorted_in_lower_case_and_each_once() -> None:
    found = Names.of(["B.example", "::1", "a.example", "b.EXAMPLE", "127.0.0.1", "0:0:0:0:0:0:0:1"])
    assert found == Names(("a.example", "b.example"), ("127.0.0.1", "::1"))
    assert found.all == ("a.example", "b.example", "127.0.0.1", "::1")
    assert Names.of(["fe80::1%eth0"]).all == ("fe80::1",)
    assert Names.of([]) == Names()
    assert (Names.of(["a"]) | LOCAL).all == ("a", "localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    "word",
    [
        "",
        "a b",
        "a..b",
        "a.",
        "my_host",
        "密",
        "-",
        "https://a",
        "a:1",
        "1.2.3.400",
        "1.2.3",
        "a" * 64,
        ".".join(["a" * 63] * 4),
    ],
)
def test_what_is_no_name_is_told(word: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(word)}$") as refused:
        Names.of(["fine", word])
    assert refused.value.args == (word,)
    assert not is_host(word)


@pytest.mark.parametrize("word", ["a" * 63, ".".join(["a" * 63] * 3 + ["a" * 61]), "3f2a9b.c0", "x-1"])
def test_the_longest_and_oddest_names_are_taken(word: str) -> None:
    assert Names.of([word]).hosts == (word,)


def test_what_serves_has_neither_expired_nor_retired() -> None:
    old, new = kept("old", retires=500), kept("new")
    assert serving([old, new], 499) == (old, new)
    assert serving([old, new], 500) == (new,)
    assert serving([old, new], 999) == (new,)
    assert serving([old, new], 1000) == ()
    assert bundle([old, new], 499) == "oldnew"


def test_a_successor_ends_the_others_and_puts_no_end_off() -> None:
    first, second = kept("first", retires=150), kept("second")
    after = succeed([first, second], kept("third"), 100, 200)
    assert [(one.certificate, one.retires) for one in after] == [
        ("first", 150),
        ("second", 300),
        ("third", None),
    ]
    # Without an overlap it is alone, and those that serve no more are forgotten.
    assert succeed([first, second], kept("third"), 100, 0) == (kept("third"),)
    assert succeed([first, second], kept("third"), 150, 9) == (kept("second", retires=159), kept("third"))
    assert succeed([], kept("first"), 100, 9) == (kept("first"),)
