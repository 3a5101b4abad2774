import base64

import pytest

from keystead.crypto.blob import pack, parse
from keystead.crypto.blob_layout import MAXIMUM_BYTES
from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.sealing import Unopenable

VERSION = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"


def test_a_blob_is_parsed_as_it_is_packed() -> None:
    text = pack(VERSION, 1, bytes(OVERHEAD + 1))
    # The shape of the vendor's blobs: they begin with the version's id in base64.
    assert text.startswith("ODZhOWVmZDktM2QxNi00ODk0LWJkNGYtMWZjNDNmM2YyYWJm")
    blob = parse(text)
    assert (blob.version_id, blob.format, blob.suite, blob.sealed) == (VERSION, 1, 1, bytes(OVERHEAD + 1))


@pytest.mark.parametrize(
    ("sealed", "fine"), [(OVERHEAD, False), (OVERHEAD + 1, True), (8192 + OVERHEAD, True)]
)
def test_lengths(sealed: int, fine: bool) -> None:
    raw = VERSION.encode() + b"\1\1" + bytes(sealed)
    if fine:
        assert len(parse(base64.b64encode(raw).decode()).sealed) == sealed
    else:
        with pytest.raises(Unopenable):
            parse(base64.b64encode(raw).decode())


def test_nothing_longer_was_ever_made() -> None:
    raw = VERSION.encode() + b"\1\1" + bytes(8193 + OVERHEAD)
    assert len(raw) == MAXIMUM_BYTES + 1
    with pytest.raises(Unopenable):
        parse(base64.b64encode(raw).decode())


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
        parse(base64.b64encode(head + bytes(100)).decode())


def test_only_strict_base64_is_parsed() -> None:
    text = pack(VERSION, 1, bytes(OVERHEAD + 1))
    assert text.endswith("=")
    for changed in (
        text[:-1],
        text + "\n",
        text[:40] + "\n" + text[40:],
        text[:-2] + "B=",
        text.replace("A", "-"),
        "é",
    ):
        with pytest.raises(Unopenable):
            parse(changed)
