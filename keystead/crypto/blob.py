"""The ciphertext blob as it is on the wire: in base64."""

from keystead.crypto.blob_layout import FORMAT as FORMAT
from keystead.crypto.blob_layout import Blob as Blob
from keystead.crypto.blob_layout import split
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.domain.encoding import from_base64, to_base64


def pack(version_id: str, suite: int, sealed: bytes) -> str:
    """The blob as base64 text."""
    return to_base64(version_id.encode() + bytes((FORMAT, suite)) + sealed)


def parse(text: str) -> Blob:
    """The parts of a blob in strict base64; Unopenable for anything that `pack` never made."""
    try:
        raw = from_base64(text)
    except ValueError:
        raise Unopenable from None
    return split(raw)
