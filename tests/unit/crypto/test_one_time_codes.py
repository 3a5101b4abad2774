"""RFC 6238 appendix B (of its eight digits the last six), RFC 4226 appendix D, and what is taken around now."""

import pytest

from keystead.crypto import one_time_codes

SEED = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_the_rfc(seconds: int, code: str) -> None:
    assert one_time_codes.code_at(SEED, seconds // 30) == code
    assert one_time_codes.step_of(SEED, code, seconds, 0) == seconds // 30


@pytest.mark.parametrize(("away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_taken_around_now_and_after_the_last_one(away: int, taken: bool) -> None:
    step = 2000000000 // 30
    code = one_time_codes.code_at(SEED, step + away)
    assert (one_time_codes.step_of(SEED, code, 2000000000, 0) is not None) is taken
    assert one_time_codes.step_of(SEED, code, 2000000000, step + away) is None
    assert one_time_codes.step_of(SEED, "000000", 2000000000, 0) is None


def test_text_that_is_no_code() -> None:
    assert one_time_codes.step_of(SEED, "", 2000000000, 0) is None
    assert one_time_codes.step_of(SEED, "２７９０３７", 2000000000, 0) is None
    assert one_time_codes.step_of(SEED, "279 037", 2000000000, 0) == 2000000000 // 30


def test_what_apps_read() -> None:
    assert one_time_codes.base32(SEED) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    uri = one_time_codes.uri(SEED, "alice@1000000000000001")
    assert uri.startswith("otpauth://totp/Keystead:alice%401000000000000001?")
    for part in (
        "digits=6",
        "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "algorithm=SHA1",
        "issuer=Keystead",
        "period=30",
    ):
        assert part in uri
