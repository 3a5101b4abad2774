import msgspec
import pytest

from keystead.domain.sessions import (
    CONFIRMED,
    IDLE,
    LONGEST,
    How,
    Session,
    as_typed,
    confirmation_code,
    hashed,
    short_code,
    token_of,
)

NOW = 1_000_000
SESSION = Session(
    digest=b"",
    session_id="console-1",
    account="1000000000000001",
    user_id="",
    created=NOW,
    used=NOW,
    confirmed=NOW,
    how=How.LINK,
    source="",
)


def test_a_session_lives_until_it_is_idle_or_old() -> None:
    assert (SESSION.idle_end, SESSION.end, SESSION.confirmed_until) == (
        NOW + IDLE,
        NOW + LONGEST,
        NOW + CONFIRMED,
    )
    assert SESSION.live(NOW + IDLE - 1)
    assert not SESSION.live(NOW + IDLE)
    late = NOW + LONGEST - 60
    used = msgspec.structs.replace(SESSION, used=late, confirmed=late)
    assert used.idle_end == used.confirmed_until == used.end
    assert used.live(NOW + LONGEST - 1)
    assert not used.live(NOW + LONGEST)


def test_tokens_have_no_padding_and_all_of_the_randomness() -> None:
    assert token_of(bytes(32)) == "A" * 43
    assert token_of(b"\xff" * 32) == "_" * 42 + "8"


def test_the_short_code_of_a_token_is_always_the_same_and_opens_nothing() -> None:
    assert short_code("a") == short_code("a") == "1FHE-HAB3"
    assert short_code("a") != short_code("b")
    assert hashed(short_code("a")) != hashed("a")


@pytest.mark.parametrize(
    ("raw", "code"), [(bytes(5), "0000-0000"), (b"\xff" * 5, "ZZZZ-ZZZZ"), (b"\0\0\0\0\x21more", "0000-0011")]
)
def test_a_code_is_forty_bits(raw: bytes, code: str) -> None:
    assert confirmation_code(raw) == code


@pytest.mark.parametrize(
    "typed", ["K7QM-10XP", "k7qm-10xp", "k7qm 10xp", " K7QM1OXP ", "k7qmioxp", "K7QM–L0XP"]
)
def test_a_code_is_taken_as_people_type_it(typed: str) -> None:
    assert as_typed(typed) == "K7QM-10XP"


def test_what_is_hashed_together_is_not_taken_apart_otherwise() -> None:
    assert hashed("a", "b") != hashed("ab") != hashed("a")
