"""Percent-encoding and canonical strings: what both ends of a signature compute from decoded values."""

from collections.abc import Iterable

# RFC 3986 section 2.3: all that is never encoded.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_ESCAPES = {byte: b"%%%02X" % byte for byte in range(256) if byte not in _UNRESERVED}


def percent_encode(text: str) -> str:
    """RFC 3986 percent-encoding of the UTF-8 bytes, upper-case hex, `~` kept, space as %20."""
    if text.isalnum() and text.isascii():
        return text  # most names and many values
    return _percent_encode(text.encode()).decode()


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """`name=value` of each pair, both percent-encoded, sorted by name in code point order, joined by `&`."""
    return "&".join([f"{percent_encode(name)}={percent_encode(value)}" for name, value in sorted(pairs)])


def encode_again(canonical: str) -> str:
    """`percent_encode` of a canonical query, which has three characters that need it: percent, equals, ampersand."""
    return canonical.replace("%", "%25").replace("=", "%3D").replace("&", "%26")


def _percent_encode(raw: bytes) -> bytes:
    # The distinct bytes that need an escape are few even in long values: one replace for each, `%` first, is several
    # times quicker than a look-up for every byte.
    unsafe = set(raw.translate(None, _UNRESERVED))
    if not unsafe:
        return raw
    if 0x25 in unsafe:
        raw = raw.replace(b"%", b"%25")
        unsafe.discard(0x25)
    if len(unsafe) > 16:
        # Dense text (another script, random bytes): many distinct bytes, so once through is quicker.
        return b"".join(
            _ESCAPES.get(byte, bytes((byte,))) if byte in unsafe else bytes((byte,)) for byte in raw
        )
    for byte in unsafe:
        raw = raw.replace(bytes((byte,)), _ESCAPES[byte])
    return raw
