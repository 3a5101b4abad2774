import pytest

from keystead.domain.keys.rotation import DAY, LONGEST, SHORTEST, interval


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", SHORTEST),
        ("168h", SHORTEST),
        ("10080m", SHORTEST),
        ("604800s", SHORTEST),
        ("730d", LONGEST),
        ("365d", 365 * DAY),
    ],
)
def test_intervals(text: str, seconds: int) -> None:
    assert interval(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "d",
        "6d",
        "604799s",
        "731d",
        "63072001s",
        "7 d",
        "-7d",
        "7D",
        "7.5d",
        "7d ",
        "1" * 10 + "s",
        "٧d",
    ],
)
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="7 to 730 days"):
        interval(text)
