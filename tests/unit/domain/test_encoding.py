import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from keystead.domain.encoding import from_base64, to_base64


@given(some.binary(max_size=200))
@example(bytes(range(256)) * 33)
def test_it_is_the_librarys_base64_both_ways(raw: bytes) -> None:
    assert to_base64(raw) == base64.b64encode(raw).decode()
    assert from_base64(to_base64(raw)) == raw


def canonical(text: str) -> bool:
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


@given(some.text(some.sampled_from("AQgwz/+9=-_ \n\0é"), max_size=12))
@example("AB==")  # a bit too many
@example("AAA=AAA=")
@example("AA=")
@example("ＡＡＡＡ")
def test_a_text_that_is_no_base64_is_refused(text: str) -> None:
    if canonical(text):
        assert from_base64(text) == base64.b64decode(text)
    else:
        with pytest.raises(ValueError, match="not "):
            from_base64(text)
