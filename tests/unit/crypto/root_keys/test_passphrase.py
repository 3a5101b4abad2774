import json

import pytest

from keystead.crypto.root_keys import passphrase
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError

TEXT = "correct horse battery staple"


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "MEMORY", 64)


def test_the_same_passphrase_and_salt_make_the_same_key() -> None:
    entropy = SeededEntropy()
    made, kept = passphrase.make(TEXT, entropy)
    again = passphrase.open_with(TEXT, kept, made.fingerprint, entropy)
    assert again.unwrap(b"facts", made.wrap(b"facts", b"x")) == b"x"
    assert {name: json.loads(kept)[name] for name in ("memory", "passes", "lanes")} == {
        "memory": 262_144,
        "passes": 3,
        "lanes": 4,
    }
    assert TEXT not in kept


def test_another_salt_makes_another_key_and_a_letter_is_one_however_it_is_composed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(monkeypatch)
    entropy = SeededEntropy()
    first, kept = passphrase.make("zwölf Boxkämpfer jagen", entropy)
    second, _ = passphrase.make("zwölf Boxkämpfer jagen", entropy)
    assert first.fingerprint != second.fingerprint
    decomposed = "zwo\u0308lf Boxka\u0308mpfer jagen"
    assert passphrase.open_with(decomposed, kept, first.fingerprint, entropy).fingerprint == first.fingerprint


def test_a_wrong_passphrase_is_told_from_damaged_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    entropy = SeededEntropy()
    made, kept = passphrase.make(TEXT, entropy)
    with pytest.raises(OperatorError, match="this is not the passphrase"):
        passphrase.open_with(TEXT.upper(), kept, made.fingerprint, entropy)
    members = json.loads(kept)
    other = members["salt"][::-1] if members["salt"][0] != "=" else "AAAA"
    for damaged in (
        "",
        "{}",
        kept[:-4],
        json.dumps({**members, "salt": other}),
        json.dumps({**members, "passes": 4}),
        json.dumps({**members, "check": "0" * 16}),
    ):
        with pytest.raises(OperatorError, match="are damaged"):
            passphrase.open_with(TEXT, damaged, made.fingerprint, entropy)


@pytest.mark.parametrize("name", ["memory", "passes", "lanes"])
def test_parameters_beyond_all_measure_are_not_tried(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    entropy = SeededEntropy()
    made, kept = passphrase.make(TEXT, entropy)
    base = {"memory": 64, "passes": 3, "lanes": 4}[name]
    for value in (0, base * 16 + 1):
        changed = json.loads(kept) | {name: value}
        numbers = passphrase._Parameters(**changed)
        changed["check"] = passphrase._check(numbers)  # as somebody would who knows how
        with pytest.raises(OperatorError, match="are damaged"):
            passphrase.open_with(TEXT, json.dumps(changed), made.fingerprint, entropy)


@pytest.mark.parametrize(
    ("text", "good"),
    [("abcdef" * 2 + "ab", False), ("abcdef" * 2 + "abc", True), ("abcde" * 4, False), ("abcdef" * 3, True)],
)
def test_how_weak_a_passphrase_may_be(text: str, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    if good:
        passphrase.make(text, SeededEntropy())
        return
    with pytest.raises(OperatorError, match="at least 15 characters, 6 of them different"):
        passphrase.make(text, SeededEntropy())
