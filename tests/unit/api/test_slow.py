import pytest

from keystead.api.slow import Attempt, Slow


def double(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return 2 * number


def test_a_result_is_there_on_the_next_pass_and_for_these_values_only() -> None:
    attempt = Attempt()
    with pytest.raises(Slow) as raised:
        attempt.result(double, (2,))
    attempt.remember(raised.value, raised.value.run())
    assert attempt.result(double, (2,)) == 4
    with pytest.raises(Slow):
        attempt.result(double, (3,))
    with pytest.raises(Slow):
        Attempt().result(double, (2,))


def test_what_it_raises_is_raised_again() -> None:
    attempt = Attempt()
    slow = Slow(double, (-1,))
    attempt.remember(slow, slow.run())
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            attempt.result(double, (-1,))


def test_it_passes_what_handles_the_errors_of_calls() -> None:
    assert not issubclass(Slow, Exception)
