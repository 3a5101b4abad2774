import pytest

from keystead.crypto import passwords
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError

MADE = passwords.make(SystemEntropy(), "pässword")
# Of argon2 20190702, the reference program: printf %s 'Correct-horse-1' | argon2 saltsaltsaltsalt -id -t 3 -m 16 -p 4 -l 32 -e


def test_a_hash_is_of_its_password_and_says_its_parameters() -> None:
    assert MADE.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.matches(MADE, "pässword")
    assert not passwords.matches(MADE, "password")
    assert not passwords.matches(MADE, "")
    assert passwords.make(SystemEntropy(), "pässword") != MADE


def test_a_letter_may_be_composed_in_two_ways() -> None:
    assert passwords.matches(MADE, "pa\u0308ssword")


def test_any_of_several() -> None:
    assert passwords.any_matches((passwords.DECOY, MADE), "pässword")
    assert not passwords.any_matches((passwords.DECOY,), "pässword")
    assert not passwords.any_matches((), "pässword")


def test_the_decoy_is_as_strong_and_of_no_password() -> None:
    assert passwords.DECOY.rsplit("$", 2)[0] == MADE.rsplit("$", 2)[0]
    assert [len(part) for part in passwords.DECOY.split("$")] == [len(part) for part in MADE.split("$")]
    assert not passwords.matches(passwords.DECOY, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m=65536", "m=65535"),
        ("m=65536", "m=1048577"),
        ("t=3", "t=2"),
        ("t=3", "t=49"),
        ("argon2id", "argon2i"),
        ("v=19", "v=16"),
        ("m=65536", "m=-1"),
        pytest.param(MADE, "", id="nothing"),
        pytest.param(MADE, "pässword", id="the password itself"),
    ],
)
def test_a_hash_that_is_weaker_than_any_that_was_made_is_refused(old: str, new: str) -> None:
    assert old in MADE
    with pytest.raises(OperatorError, match="altered or is damaged"):
        passwords.matches(MADE.replace(old, new), "pässword")
