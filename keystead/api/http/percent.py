"""Percent-encoding, both ways: of parameters as they come in, and of the canonical strings that both ends sign."""

import re
from binascii import a2b_qp
from collections.abc import Iterable

from keystead.errors import BadRequest

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 section 2.3: all that is never encoded.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_BYTES = [bytes((byte,)) for byte in range(256)]
_ONCE = [b"%%%02X" % byte for byte in range(256)]
_TWICE = [b"%%25%02X" % byte for byte in range(256)]
# Canonical queries are decoded all at once: a percent sign becomes that of quoted-printable, both joints become NUL.
_TO_QUOTED = bytes.maketrans(b"%&=", b"=\0\0")
# Pairs are encoded all at once, with these between pairs and between name and value.
_AMPERSAND, _EQUALS = "\0", "\1"
_ONCE_JOINED = [b"&", b"=", *_ONCE[2:]]
_TWICE_JOINED = [b"%26", b"%3D", *_TWICE[2:]]


def broken_escape(text: str) -> bool:
    """Whether a percent sign stands in the text without its two hexadecimal digits."""
    return _BROKEN_ESCAPE.search(text) is not None


def percent_decoded(text: str) -> str:
    """The text that ASCII with whole escapes stands for; BadRequest if that is not UTF-8."""
    # Quoted-printable (RFC 2045 section 6.7) is percent-encoding with another sign, and its decoder is compiled: nine times
    # as quick as the library's own for percent signs. The text is ASCII, and each escape was found whole, so none is left.
    try:
        return a2b_qp(text.replace("=", "%3D").replace("%", "=")).decode()
    except UnicodeDecodeError:
        raise BadRequest(reason="Parameters must be UTF-8.") from None


def canonical_query(pairs: Iterable[tuple[str, str]]) -> bytes:
    """`name=value` of each pair, both percent-encoded (RFC 3986: the UTF-8 bytes, upper-case hex, `~` kept, space as
    %20), sorted by name in code point order, joined by `&`."""
    return _query(pairs, _ONCE, _ONCE_JOINED)


def canonical_query_again(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The canonical query, percent-encoded once more."""
    return _query(pairs, _TWICE, _TWICE_JOINED)


def from_canonical_query(query: bytes) -> dict[str, str]:
    """The pairs of a canonical query; ValueError if it can't be one."""
    if not query:
        return {}
    flat = a2b_qp(query.translate(_TO_QUOTED)).decode().split("\0")
    pairs = query.count(b"=")
    if len(flat) == 2 * pairs == pairs + query.count(b"&") + 1:
        each = iter(flat)
        return dict(zip(each, each, strict=True))
    # A parameter has the character itself that stands for the joints: slower, and the same.
    rows = [row.split("=") for row in query.decode("ascii").split("&")]
    return {percent_decoded(name): percent_decoded(value) for name, value in rows}


def from_canonical_query_again(query: bytes) -> dict[str, str]:
    """The pairs of a canonical query that was percent-encoded once more; ValueError if it can't be one."""
    return from_canonical_query(a2b_qp(query.replace(b"%", b"=")))


def _query(pairs: Iterable[tuple[str, str]], escapes: list[bytes], joined_escapes: list[bytes]) -> bytes:
    rows = sorted(pairs)
    joined = _AMPERSAND.join(map(_EQUALS.join, rows))
    if joined.count(_EQUALS) == len(rows) and joined.count(_AMPERSAND) == len(rows) - 1:
        return _encode(joined.encode(), joined_escapes)
    # A parameter has these characters itself, as no client's ever has: slower, and the same.
    one_by_one = [[_encode(part.encode(), escapes) for part in row] for row in rows]
    ampersand, equals = joined_escapes[:2]
    return ampersand.join(map(equals.join, one_by_one))


def _encode(raw: bytes, escapes: list[bytes]) -> bytes:
    # The distinct bytes that need an escape are few even in long values: one replace for each, `%` first, is several
    # times quicker than a look-up for every byte.
    unsafe = set(raw.translate(None, _UNRESERVED))
    if 0x25 in unsafe:
        raw = raw.replace(b"%", escapes[0x25])
        unsafe.discard(0x25)
    if len(unsafe) > 16:
        # Dense text (another script, random bytes): many distinct bytes, so once through is quicker.
        return b"".join([escapes[byte] if byte in unsafe else _BYTES[byte] for byte in raw])
    # The two of the joints last: what they become may be what another escape looks for.
    for byte in sorted(unsafe, reverse=True):
        raw = raw.replace(_BYTES[byte], escapes[byte])
    return raw
