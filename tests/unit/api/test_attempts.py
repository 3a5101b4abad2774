import pytest

from keystead.api import attempts
from keystead.api.attempts import Attempts, Limit, of_address, of_session, of_user
from keystead.domain.sign_in import PasswordPolicy
from keystead.errors import TooManyAttempts

LIMIT = Limit("x", 3, 60)
DEFAULT = PasswordPolicy(account="1")


def refused(counted: Attempts, limit: Limit, now: int) -> bool:
    try:
        counted.refuse([limit], now)
    except TooManyAttempts:
        return True
    return False


def test_who_reaches_the_limit_waits_from_then_on() -> None:
    counted = Attempts()
    for now in (0, 10):
        counted.failed([LIMIT], now)
        assert not refused(counted, LIMIT, now)
    counted.failed([LIMIT], 50)
    with pytest.raises(TooManyAttempts) as raised:
        counted.refuse([LIMIT], 60)
    assert raised.value.text == "Too many attempts failed. Try again at 1970-01-01T00:01:50Z, in 50 seconds."
    assert refused(counted, LIMIT, 109)
    assert not refused(counted, LIMIT, 110)
    counted.failed([LIMIT], 110)
    assert not refused(counted, LIMIT, 110)


def test_failures_are_forgotten_after_a_while() -> None:
    counted = Attempts()
    counted.failed([LIMIT], 0)
    counted.failed([LIMIT], 59)
    counted.failed([LIMIT], 60)  # the first two are of the stretch before
    counted.failed([LIMIT], 61)
    assert not refused(counted, LIMIT, 61)


def test_a_clock_that_was_put_back_locks_nobody_out() -> None:
    counted = Attempts()
    for _ in range(3):
        counted.failed([LIMIT], 1_000_000)
    assert refused(counted, LIMIT, 1_000_000)
    assert not refused(counted, LIMIT, 999_999)


def test_the_longest_wait_is_told() -> None:
    counted, longer = Attempts(), Limit("y", 1, 600)
    counted.failed([longer], 0)
    for _ in range(3):
        counted.failed([LIMIT], 0)
    with pytest.raises(TooManyAttempts, match="TooManyAttempts") as raised:
        counted.refuse([LIMIT, longer], 0)
    assert raised.value.values["seconds"] == 600


def test_the_right_one_and_another_password_count_anew() -> None:
    counted = Attempts()
    here, there = of_user("1", "a", DEFAULT, "h"), of_user("1", "a", DEFAULT, "")
    other = of_user("1", "b", DEFAULT, "")
    for limit in (here, there, other):
        for _ in range(limit.most):
            counted.failed([limit], 0)
    counted.succeeded(here)
    assert [refused(counted, one, 1) for one in (here, there, other)] == [False, True, True]
    counted.forget("1", "a")
    assert [refused(counted, one, 1) for one in (here, there, other)] == [False, False, True]
    counted.succeeded(here)  # there is nothing


def test_limits_are_by_user_address_and_session_and_hold_no_text_that_was_typed() -> None:
    assert of_address("2001:db8::1").name == of_address("2001:db8::2").name
    assert of_session("console-1") == Limit("session console-1", attempts.OF_USER, attempts.OF_USER_SECONDS)
    limit = of_user("1", "typed", DEFAULT, "")
    assert "typed" not in limit.name
    assert (limit.most, limit.seconds) == (attempts.OF_USER, attempts.OF_USER_SECONDS)
    strict = of_user("1", "typed", PasswordPolicy(account="1", max_attempts=2), "")
    assert strict == Limit(limit.name, 2, attempts.BY_POLICY_SECONDS)


def test_so_many_names_are_counted_and_the_oldest_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_KEPT", 2)
    counted = Attempts()
    once = [Limit(name, 1, 60) for name in "abc"]
    for limit in once:
        counted.failed([limit], 0)
    assert [refused(counted, limit, 0) for limit in once] == [False, True, True]
