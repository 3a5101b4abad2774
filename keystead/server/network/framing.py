"""What the head of a request says of its frame, and which heads are refused: pure rules, no connection.

Two readers that disagree where a request ends can be made to see different requests; so whatever could be read in two ways
is refused (RFC 9112 section 11.2).
"""

import re

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_ONCE = {
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "transfer-encoding",
}


_END_OF_HEAD = b"\r\n\r\n"
_PIECE = 16 * 1024  # bytes


class Refused(Exception):
    """The bytes are not a request that this server takes."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def joined(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by lower-case name, repeated ones joined by a comma; Refused for what must not be repeated."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1").strip(" \t")
        if _CONTROL.search(value):
            raise Refused(400, "InvalidRequest", "A header has a control character.")
        if name not in headers:
            headers[name] = value
        elif name in _ONCE or name.startswith("x-acs-"):
            raise Refused(400, "InvalidRequest", f"The header {name} is given more than once.")
        else:
            headers[name] += f", {value}"
    return headers


def check_head(
    version: str, method: bytes, target: bytes | bytearray, headers: dict[str, str], max_body: int
) -> None:
    """Refused unless this is a head whose body has one length, of at most `max_body` bytes or to be counted as it comes."""
    if version not in ("1.1", "1.0"):
        raise Refused(505, "InvalidRequest", "Only HTTP/1.1 and HTTP/1.0 are served.")
    if version == "1.1" and "host" not in headers:
        raise Refused(400, "InvalidRequest", "A Host header is required.")
    if method in (b"CONNECT", b"TRACE") or "upgrade" in headers:
        raise Refused(400, "InvalidRequest", "CONNECT, TRACE and Upgrade are not served.")
    if not target.startswith(b"/"):
        raise Refused(400, "InvalidRequest", "The request target must begin with a slash.")
    if "content-encoding" in headers:
        raise Refused(415, "InvalidRequest", "Content-Encoding is not served.")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" or version == "1.0":
            raise Refused(400, "InvalidRequest", "Transfer-Encoding must be chunked.")
        if "content-length" in headers:
            raise Refused(400, "InvalidRequest", "Content-Length and Transfer-Encoding exclude each other.")
    length = headers.get("content-length", "0")
    if not length.isdigit() or not length.isascii() or len(length) > 12:
        raise Refused(400, "InvalidRequest", "Content-Length must be a number.")
    if int(length) > max_body:
        raise Refused(413, "InvalidRequest", f"The body is longer than {max_body} bytes.")


def end_of_piece(data: bytes, begin: int = 0) -> int:
    """How far to parse at once from here: hardly more than one request, so that it can be asked whether to take the next."""
    limit = begin + _PIECE
    # The first line is the long one, and one byte is looked for much faster than four.
    line = data.find(b"\r", begin, limit)
    end = data.find(_END_OF_HEAD, line, limit) if line >= 0 else -1
    return min(limit, len(data)) if end < 0 else end + len(_END_OF_HEAD)
