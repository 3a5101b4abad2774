import pytest

from keystead.crypto.blob import pack, parse
from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.sealing import Unopenable

VERSION = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"


def test_a_blob_is_parsed_as_it_is_packed() -> None:
    text = pack(VERSION, 1, bytes(OVERHEAD + 1))
    # The shape of the vendor's blobs: they begin with the version's id in base64.
    assert text.startswith("ODZhOWVmZDktM2QxNi00ODk0LWJkNGYtMWZjNDNmM2YyYWJm")
    blob = parse(text)
    assert (blob.version_id, blob.format, blob.suite, blob.sealed) == (VERSION, 1, 1, bytes(OVERHEAD + 1))


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
