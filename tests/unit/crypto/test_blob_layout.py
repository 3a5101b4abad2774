import pytest

from keystead.crypto.blob_layout import MAXIMUM_BYTES, SUITES, split
from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.primitives.suites import OF_SPEC
from keystead.crypto.primitives.unopenable import Unopenable

VERSION = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"


def test_the_suites_are_those_that_there_are() -> None:
    assert {suite.number for suite in OF_SPEC.values()} == SUITES


@pytest.mark.parametrize(
    ("sealed", "fine"), [(OVERHEAD, False), (OVERHEAD + 1, True), (8192 + OVERHEAD, True)]
)
def test_lengths(sealed: int, fine: bool) -> None:
    raw = VERSION.encode() + b"\1\1" + bytes(sealed)
    if fine:
        assert len(split(raw).sealed) == sealed
    else:
        with pytest.raises(Unopenable):
            split(raw)


def test_nothing_longer_was_ever_made() -> None:
    raw = VERSION.encode() + b"\1\1" + bytes(8193 + OVERHEAD)
    assert len(raw) == MAXIMUM_BYTES + 1
    with pytest.raises(Unopenable):
        split(raw)


@pytest.mark.parametrize(
    "head",
    [
        VERSION.upper().encode() + b"\1\1",
        VERSION.replace("-", "_").encode() + b"\1\1",
        VERSION.encode() + b"\0\1",
        VERSION.encode() + b"\2\1",
        VERSION.encode() + b"\1\2",
    ],
)
def test_unknown_heads_do_not_open(head: bytes) -> None:
    with pytest.raises(Unopenable):
        split(head + bytes(100))
