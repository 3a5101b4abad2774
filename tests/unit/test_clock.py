import pytest

from keystead.clock import FixedClock, SystemClock, from_iso8601, iso8601


def test_iso8601_there_and_back() -> None:
    assert iso8601(1767323045.9) == "2026-01-02T03:04:05Z"
    assert from_iso8601("2026-01-02T03:04:05Z") == 1767323045


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+", "2026-01-02t03:04:05Z", "2026-01-02T25:04:05Z",
     "2026-02-30T00:00:00Z", "2026-01-02T03:04:٠٥Z", "+026-01-02T03:04:05Z",
     "2026-W01-1T03:04:05Z", "2026-01-02T030405.1Z"],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        from_iso8601(text)


def test_clocks() -> None:
    assert SystemClock().now() > 1_700_000_000
    assert SystemClock().monotonic() <= SystemClock().monotonic()
    clock = FixedClock(5)
    clock.advance(2)
    assert clock.now() == clock.monotonic() == 7
