import builtins
import itertools
from typing import Any

import pytest

from keystead.crypto import root_key
from keystead.crypto.root_keys import shares
from keystead.crypto.root_keys.shares import Share
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError

ENTROPY = SeededEntropy()
ROOT = root_key.ephemeral(ENTROPY)


def read(words: list[str]) -> list[Share]:
    return [Share(one, f"share {number}") for number, one in enumerate(words, 1)]


def refusal(given: list[Share]) -> str:
    with pytest.raises(OperatorError) as caught:
        shares.combine(given, ENTROPY)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(("needed", "of"), [(2, 2), (2, 3), (3, 5), (16, 16)])
def test_as_many_as_are_needed_make_the_key_and_one_fewer_do_not(needed: int, of: int) -> None:
    made = read(shares.split(ROOT, needed, of))
    assert len(made) == of
    assert {share.needed for share in made} == {needed}
    assert [share.number for share in made] == list(range(1, of + 1))
    for some in itertools.combinations(made, needed):
        assert shares.combine(some, ENTROPY).reveal() == ROOT.reveal()
    assert shares.combine(made, ENTROPY).fingerprint == ROOT.fingerprint
    for some in itertools.combinations(made, needed - 1):
        assert refusal(list(some)) == f"{needed - 1} of the {needed} shares that are needed are here"


def test_none_at_all() -> None:
    assert refusal([]) == "0 of the 2 shares that are needed are here"


def test_words_are_read_as_they_are_typed() -> None:
    words = shares.split(ROOT, 2, 2)
    shouted = "\n".join(f"{number}. {word.upper()}" for number, word in enumerate(words[0].split(), 1))
    short = " ".join(word[:4] for word in words[1].split())
    assert shares.combine(read([shouted, short]), ENTROPY).fingerprint == ROOT.fingerprint
    assert words[0] not in repr(Share(words[0], "x"))


def test_mixed_and_repeated_shares_are_named() -> None:
    first, second = read(shares.split(ROOT, 2, 3)), read(shares.split(ROOT, 2, 3))
    assert refusal([first[0], second[1]]) == "share 2 and share 1 are of different exports"
    assert (
        refusal([first[0], Share(first[0].words, "the copy")])
        == "the copy and share 1 are the same share, number 1"
    )


def test_what_is_no_share_is_told() -> None:
    (one, _) = shares.split(ROOT, 2, 2)
    words = one.split()
    swapped = [*words[:5], words[6], words[5], *words[7:]]
    for wrong, why in (
        ("", "has 0 words"),
        (" ".join(words[:-1]), "has 32 words"),
        (f"{one} academic", "has 34 words"),
        (one.replace(words[3], "zzzz", 1), "word 4 is none of the list"),
        (one.replace(words[3], words[3] + "x", 1), "word 4 is none of the list"),
        (" ".join(swapped), "checksum does not fit"),
        (" ".join(reversed(words)), "checksum does not fit"),
    ):
        with pytest.raises(OperatorError) as caught:
            Share(wrong, "this")
        assert why in caught.value.message
        assert caught.value.hint


def test_every_single_wrong_word_is_found() -> None:
    (one, _) = shares.split(ROOT, 2, 2)
    words = one.split()
    for place, word in enumerate(words):
        other = "academic" if word != "academic" else "acid"
        with pytest.raises(OperatorError, match="checksum"):
            Share(" ".join([*words[:place], other, *words[place + 1 :]]), "this")


def test_shares_that_were_made_by_others() -> None:
    from shamir_mnemonic import generate_mnemonics
    from shamir_mnemonic.share import Share as Made

    # Each is whole, and both are of one export by their names; what they make is proved by a digest of it.
    words, other = shares.split(ROOT, 2, 2)
    forged = Made.from_mnemonic(other)
    altered = Made(
        **{name: getattr(forged, name) for name in Made.__dataclass_fields__ if name != "value"},
        value=bytes(32),
    )
    assert refusal(read([words, altered.mnemonic()])) == (
        "these shares make no key: one of them is of another export, or was altered"
    )
    (theirs,) = generate_mnemonics(1, [(2, 2)], bytes(32))
    assert shares.combine(read(theirs), ENTROPY).reveal() == bytes(32)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("shamir_mnemonic"):
            raise ImportError
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OperatorError, match="need the package shamir-mnemonic"):
        shares.split(ROOT, 2, 2)
